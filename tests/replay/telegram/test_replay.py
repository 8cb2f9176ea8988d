"""Payloads as Telegram documents them, and what each means to the core. A mended misreading adds a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.platforms.telegram.translate import BotSelf, Migrated, Translated, translate
from core.messages import InboundMessage, MessageEdited

HERE = Path(__file__).parent
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ME = BotSelf(id=7_000_000_001, username="memory_bot", commands=frozenset({"help", "memories", "profile"}))


def told(event: Translated) -> dict[str, Any] | None:
    """What a file says of an event."""
    if event is None:
        return None
    if isinstance(event, Migrated):
        return {"type": "Migrated", "chat_id": event.place.chat_id, "new_chat_id": event.new_place.chat_id}
    said: dict[str, Any] = {
        "type": type(event).__name__,
        "chat_id": event.place.chat_id,
        "thread_id": event.place.thread_id,
        "sender": event.sender.external_id,
        "event_id": event.event_id,
        "text": event.text,
    }
    if isinstance(event, MessageEdited):
        return said
    assert isinstance(event, InboundMessage)
    assert event.reply_thread == event.place.thread_id
    return said | {
        "kind": event.kind.value,
        "display_name": event.sender.display_name,
        "language": event.sender.language,
        **({"is_bot": True} if event.sender.is_bot else {}),
        **({"forwarded": True} if event.forwarded else {}),
        "message_id": event.message_id,
        "sent_at": event.sent_at.isoformat(),
        "addressed": event.addressed,
        "audience": event.audience.value,
        "reply_to": event.reply_to,
        "handle": event.handle,
        "attachments": [
            {name: getattr(item, name) for name in ("kind", "name", "media_type", "size", "reference")}
            for item in event.attachments
        ],
    }


@pytest.mark.parametrize("path", sorted(HERE.glob("*.json")), ids=lambda path: path.stem)
def test_a_payload_means_what_its_file_says(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert told(translate(case["update"], ME, NOON)) == case["expected"]


def test_there_are_payloads() -> None:
    assert len(list(HERE.glob("*.json"))) >= 15
