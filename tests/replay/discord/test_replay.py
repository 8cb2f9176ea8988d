"""Payloads as Discord documents them, read by the real SDK, and what each means to the core. A mended misreading adds a
file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import discord
import pytest

from adapters.platforms.discord.client import wanted_intents
from adapters.platforms.discord.translate import (
    BotSelf,
    translate_delete,
    translate_edit,
    translate_interaction,
    translate_message,
)
from core.messages import InboundEvent, InboundMessage, MessageDeleted

HERE = Path(__file__).parent
WORLD = HERE / "world"
CASES = {path: json.loads(path.read_text(encoding="utf-8")) for path in HERE.glob("*.json")}


class Ear(discord.Client):
    """A client that was never connected. Events reach it as the gateway hands them on, and `told` is what the SDK would
    tell its listeners."""

    def __init__(self) -> None:
        super().__init__(intents=wanted_intents(message_content=True), max_messages=None)
        self.told: list[tuple[str, Any]] = []
        state = self._connection
        state.user = discord.user.ClientUser(state=state, data=json.loads((WORLD / "bot.json").read_text()))
        self.hear("GUILD_CREATE", json.loads((WORLD / "server.json").read_text()))
        self.told.clear()

    def hear(self, event: str, payload: dict[str, Any]) -> None:
        self._connection.parsers[event](payload)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.told.append((event, args[0] if args else None))


def understood(event: str, payload: dict[str, Any]) -> InboundEvent | None:
    ear = Ear()
    try:
        ear.hear(event, payload)
    except KeyError:
        return None  # the client drops what the SDK cannot read
    assert ear.user is not None
    me = BotSelf(ear.user.id)
    for kind, told in ear.told:
        if kind == "message":
            return translate_message(told, me)
        if kind == "raw_message_edit":
            return translate_edit(told.message, me)
        if kind == "raw_message_delete":
            return translate_delete(told.message_id, ear.get_channel(told.channel_id), told.channel_id)
        if kind == "interaction":
            return translate_interaction(told, "/help", handle=str(told.id))
    return None


def heard(event: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """What a file says of it."""
    found = understood(event, payload)
    if found is None:
        return None
    said: dict[str, Any] = {"type": type(found).__name__, "event_id": found.event_id}
    said |= {"chat_id": found.place.chat_id, "thread_id": found.place.thread_id}
    if not isinstance(found, MessageDeleted):
        said |= {"sender": asdict(found.sender), "text": found.text}
    if not isinstance(found, InboundMessage):
        return said
    return said | {
        "kind": found.kind.value,
        "audience": found.audience.value,
        "addressed": found.addressed,
        "sent_at": found.sent_at.isoformat(),
        "message_id": found.message_id,
        "cursor": found.cursor,
        "server_id": found.server_id,
        **({"forwarded": True} if found.forwarded else {}),
        "reply_to": found.reply_to,
        "thread_root": found.thread_root,
        "handle": found.handle,
        "attachments": [asdict(item) for item in found.attachments],
    }


@pytest.mark.parametrize("path", sorted(CASES), ids=lambda path: path.stem)
async def test_a_payload_means_what_its_file_says(path: Path) -> None:
    case = CASES[path]
    assert heard(case["event"], case["payload"]) == case["expected"]


def test_there_are_payloads() -> None:
    assert len(CASES) >= 40
