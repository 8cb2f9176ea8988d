"""Payloads as Slack documents them, and what each means to the core. A mended misreading adds a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.slack.translate import BotSelf, translate
from core.messages import InboundEvent, InboundMessage, MessageEdited

HERE = Path(__file__).parent
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ME = BotSelf(team_id="T061EG9R6", user_id="U0LAN0Z89", bot_id="B0LAN0Z89")


def told(event: InboundEvent | None) -> dict[str, Any] | None:
    """What a file says of an event; what is empty is left out."""
    if event is None:
        return None
    assert (event.place.platform, event.place.workspace_id) == ("slack", ME.team_id)
    said: dict[str, Any] = {
        "type": type(event).__name__,
        "chat": event.place.chat_id,
        "thread": event.place.thread_id,
        "event_id": event.event_id,
    }
    if isinstance(event, InboundMessage | MessageEdited):
        said |= {"sender": event.sender.external_id, "text": event.text}
    if isinstance(event, InboundMessage):
        said |= {
            "kind": event.kind.value,
            "display_name": event.sender.display_name,
            "sent_at": event.sent_at.isoformat(),
            "message_id": event.message_id,
            "addressed": event.addressed,
            "audience": event.audience.value,
            "reply_to": event.reply_to,
            "reply_thread": event.reply_thread,
            "thread_root": event.thread_root,
            "handle": event.handle,
            "cursor": event.cursor,
            "forwarded": event.forwarded or "",
            "attachments": [
                {name: getattr(item, name) for name in ("kind", "name", "media_type", "size", "reference")}
                for item in event.attachments
            ],
        }
    return {name: value for name, value in said.items() if value not in ("", [])}


@pytest.mark.parametrize("path", sorted(HERE.glob("*.json")), ids=lambda path: path.stem)
def test_a_payload_means_what_its_file_says(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert told(translate(case["payload"], ME, NOON)) == case["expected"]


def test_there_are_enough_of_them() -> None:
    assert len(list(HERE.glob("*.json"))) >= 15
