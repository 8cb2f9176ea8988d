"""Where the text of turns, replies and histories is: sealed for the store, or in the EphemeralStore for incognito.

This is the only place that decides between the two, so that no other line can store an incognito text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from core.messages import (
    Attachment,
    Button,
    HistoryMessage,
    InboxRow,
    OutboxRow,
    Reply,
    ReplyKind,
    RoomRole,
    Stamp,
    TurnContent,
)
from core.ports import EphemeralStore
from core.privacy import badge, policy_of
from core.sealing import Sealed, Sealer, session_scope
from core.types import ChatMessage, OutboxId, Role, SessionId, TurnId


class Vault:
    def __init__(self, sealer: Sealer, ephemeral: EphemeralStore, incognito_idle: timedelta) -> None:
        self._sealer = sealer
        self._ephemeral = ephemeral
        self._ttl = incognito_idle

    async def keep_turn(self, stamp: Stamp, turn_id: TurnId, content: TurnContent) -> Sealed | None:
        """What to put into the turn's row: its sealed content, or None after keeping it in memory."""
        text = json.dumps(asdict(content))
        if policy_of(stamp.mode).persist:
            return await self._sealer.seal(session_scope(stamp.session_id), text)
        await self._ephemeral.put(f"turn:{turn_id}", text, self._ttl)
        return None

    async def open_turn(self, row: InboxRow) -> TurnContent | None:
        """None: it was incognito and is gone."""
        if row.content is not None:
            text = await self._sealer.open(session_scope(row.stamp.session_id), row.content)
        else:
            found = await self._ephemeral.get(f"turn:{row.id}")
            if found is None:
                return None
            text = found
        data = json.loads(text)
        attachments = tuple(Attachment(**item) for item in data.pop("attachments"))
        role = RoomRole(data.pop("role"))
        return TurnContent(attachments=attachments, role=role, **data)

    async def keep_reply(self, stamp: Stamp, outbox_id: OutboxId, reply: Reply) -> Sealed | None:
        """As `keep_turn`, for a reply; its files are not kept."""
        text = json.dumps(
            {"text": reply.text, "kind": reply.kind, "buttons": [asdict(button) for button in reply.buttons]}
        )
        if policy_of(stamp.mode).persist:
            return await self._sealer.seal(session_scope(stamp.session_id), text)
        await self._ephemeral.put(f"reply:{outbox_id}", text, self._ttl)
        return None

    async def open_reply(self, row: OutboxRow) -> Reply | None:
        """None: not known yet, or it was incognito and is gone."""
        if row.content is not None:
            text = await self._sealer.open(session_scope(row.session_id), row.content)
        else:
            found = await self._ephemeral.get(f"reply:{row.id}")
            if found is None:
                return None
            text = found
        data = json.loads(text)
        buttons = tuple(Button(**item) for item in data["buttons"])
        return replace(reply_of(row, data["text"], buttons), kind=ReplyKind(data["kind"]))

    async def history(self, stamp: Stamp, stored: Sequence[ChatMessage], limit: int) -> list[HistoryMessage] | None:
        """The newest `limit` messages of the turn's session, oldest first; `stored` are those that the store has.

        None: an incognito talk that is gone.
        """
        if not policy_of(stamp.mode).persist:
            items = await self._ephemeral.items(f"history:{stamp.session_id}")
            return None if items is None else [_history_message(item) for item in items[-limit:]]
        return await self.unseal_messages(stored)

    async def unseal_messages(self, messages: Sequence[ChatMessage]) -> list[HistoryMessage]:
        return [
            HistoryMessage(
                role=message.role,
                text=await self._sealer.open(session_scope(message.session_id), message.content),
                speaker=message.author_name,
                at=message.created_at,
            )
            for message in messages
        ]

    async def remember_history(self, stamp: Stamp, user: HistoryMessage, assistant: HistoryMessage | None) -> None:
        """Add to an incognito talk's history; the stored kind is written by `Store.record_turn`."""
        key = f"history:{stamp.session_id}"
        for message in (user, assistant):
            if message is not None:
                await self._ephemeral.append(key, _history_text(message), self._ttl)

    async def open_text(self, session_id: SessionId, sealed: Sealed) -> str:
        return await self._sealer.open(session_scope(session_id), sealed)

    async def seal_message(self, session_id: SessionId, text: str) -> Sealed:
        return await self._sealer.seal(session_scope(session_id), text)

    async def forget_session(self, session_id: SessionId) -> None:
        """Destroy the key and whatever memory holds of a session; its rows are the Store's."""
        await self._sealer.destroy(session_scope(session_id))
        await self.forget_talk(session_id)

    async def forget_talk(self, session_id: SessionId) -> None:
        """End an incognito talk: its history is gone."""
        await self._ephemeral.delete(f"history:{session_id}")

    async def drop_turn(self, row_ids: Sequence[TurnId], outbox_id: OutboxId | None) -> None:
        """An incognito turn is over: its text is needed nowhere but in the history."""
        keys = [f"turn:{row_id}" for row_id in row_ids]
        if outbox_id is not None:
            keys.append(f"reply:{outbox_id}")
        await self._ephemeral.delete(*keys)

    async def unavailable(self) -> str | None:
        return await self._ephemeral.unavailable()


def reply_of(row: OutboxRow, text: str, buttons: tuple[Button, ...] = ()) -> Reply:
    """A reply with the badge of the mode that its turn is stamped with."""
    return Reply(text=text, kind=row.kind, audience=row.audience, mode=row.mode, badge=badge(row.mode), buttons=buttons)


def _history_text(message: HistoryMessage) -> str:
    at = message.at.isoformat() if message.at else None
    return json.dumps({"role": message.role, "text": message.text, "speaker": message.speaker, "at": at})


def _history_message(text: str) -> HistoryMessage:
    data = json.loads(text)
    at = datetime.fromisoformat(data["at"]) if data["at"] else None
    return HistoryMessage(role=Role(data["role"]), text=data["text"], speaker=data["speaker"], at=at)
