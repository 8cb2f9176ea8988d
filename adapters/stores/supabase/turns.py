from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.schema import event_keys, inbox, outbox
from adapters.stores.supabase.group import Group
from adapters.stores.supabase.people import usage_values
from adapters.stores.supabase.values import maybe_row, rows_of
from core.batches import AcceptBatch, QueueState, RecordBatch
from core.errors import NotFound
from core.messages import InboxRow, OutboxRow
from core.sealing import Sealed
from core.types import ConversationId, Lane, OutboxId, OutboxState, TurnId, TurnState, UserId

_COUNTED = (TurnState.ACCEPTED, TurnState.RUNNING, TurnState.FAILED)


class SupabaseTurns(Group):
    async def has_event(self, event_key: str) -> bool:
        return await self._rest.first(event_keys, {"event_key": event_key}) is not None

    async def accept(self, batch: AcceptBatch) -> InboxRow | None:
        member, session, reply = batch.member, batch.open_session, batch.outbox
        given = {
            "row": _turn(batch.row),
            "member": rows.member_values(replace(member, version=member.version + 1)) if member else None,
            "close_sessions": batch.close_sessions,
            "open_session": rows.session_values(session) if session else None,
            "outbox": rows.reply_values(reply) if reply else None,
            "before": [[_turn(row), rows.reply_values(reply)] for row, reply in batch.before],
            "mode_floor": batch.mode_floor,
            "cursor": batch.cursor,
        }
        stored = maybe_row(inbox, await self._rest.call("mc_accept", given, safe=True))
        return rows.turn_of(stored) if stored else None

    async def claim_turn(
        self, conversation_id: ConversationId, lane: Lane, owner: str, lease_until: datetime, now: datetime
    ) -> tuple[InboxRow, ...]:
        given = {
            "conversation_id": conversation_id,
            "lane": lane,
            "owner": owner,
            "lease_until": lease_until,
            "now": now,
        }
        claimed = await self._rest.call("mc_claim_turn", given)
        return tuple(rows.turn_of(row) for row in rows_of(inbox, claimed))

    async def renew_lease(self, turn_id: TurnId, owner: str, lease_until: datetime) -> bool:
        given = {"turn_id": turn_id, "owner": owner, "lease_until": lease_until}
        return bool(await self._rest.call("mc_renew_lease", given, safe=True))

    async def release_turn(self, turn_id: TurnId, owner: str) -> None:
        await self._rest.call("mc_release_turn", {"turn_id": turn_id, "owner": owner}, safe=True)

    async def pending_lanes(self, now: datetime) -> list[tuple[ConversationId, Lane]]:
        found = await self._rest.call("mc_pending_lanes", {"now": now}, safe=True)
        return [(conversation_id, Lane(lane)) for conversation_id, lane in found]

    async def running_turn(self, conversation_id: ConversationId, lane: Lane) -> TurnId | None:
        head = {"state": TurnState.RUNNING, "merged_into": None, "lane": lane, "conversation_id": conversation_id}
        row = await self._rest.first(inbox, head)
        return TurnId(row.id) if row else None

    async def is_busy(self, conversation_id: ConversationId) -> bool:
        lane = {"conversation_id": conversation_id, "lane": Lane.MAIN}
        waiting = await self._rest.first(inbox, lane, lambda query: query.in_("state", sorted(rules.OPEN_STATES)))
        return waiting is not None

    async def queue_state(self) -> QueueState:
        heads = [{"state": state, "merged_into": None} for state in _COUNTED]
        waiting, running, failed = [await self._rest.count(inbox, head) for head in heads]
        oldest = await self._rest.first(inbox, heads[0], order=("accepted_at",))
        return QueueState(waiting, running, failed, rows.turn_of(oldest).accepted_at if oldest else None)

    async def get_turn(self, user_id: UserId, turn_id: TurnId) -> InboxRow:
        row = await self._rest.first(inbox, {"id": turn_id})
        if row is None or user_id not in (row.author_id, row.owner_id):
            raise NotFound
        return rows.turn_of(row)

    async def find_turn_by_event(self, event_key: str) -> InboxRow | None:
        return await self._turn({"event_key": event_key}, order="-ordinal")

    async def last_turn(
        self, conversation_id: ConversationId, user_id: UserId, *, states: Sequence[TurnState]
    ) -> InboxRow | None:
        talk: dict[str, object] = {
            "conversation_id": conversation_id,
            "lane": Lane.MAIN,
            "is_command": False,
            "merged_into": None,
            "author_id": user_id,
        }
        row = await self._rest.first(inbox, talk, lambda query: query.in_("state", states), order=("-seq",))
        return rows.turn_of(row) if row else None

    async def newest_turn(self, conversation_id: ConversationId) -> InboxRow | None:
        return await self._turn({"conversation_id": conversation_id, "lane": Lane.MAIN}, order="-seq")

    async def failed_turns(self, limit: int) -> list[InboxRow]:
        failed = {"state": TurnState.FAILED, "merged_into": None}
        found = await self._rest.find(inbox, failed, order=("-ordinal",), limit=limit)
        return [rows.turn_of(row) for row in found]

    async def reopen_turn(self, user_id: UserId, turn_id: TurnId) -> None:
        await self._rest.call("mc_reopen_turn", {"user_id": user_id, "turn_id": turn_id})

    async def replace_turn_content(self, event_key: str, content: Sealed) -> bool:
        return await self._change_accepted(event_key, rows.sealed_values("content", content), safe=True)

    async def cancel_accepted(self, event_key: str) -> bool:
        return await self._change_accepted(event_key, {"state": TurnState.CANCELLED}, safe=False)

    async def end_turn(self, turn_id: TurnId, owner: str, state: TurnState, note: str = "") -> None:
        given = {"turn_id": turn_id, "owner": owner, "state": state, "note": note}
        await self._rest.call("mc_end_turn", given, safe=True)

    async def record_turn(self, batch: RecordBatch) -> None:
        given: dict[str, object] = {
            "turn_id": batch.turn_id,
            "lease_owner": batch.lease_owner,
            "state": batch.state,
            "at": batch.at,
            "session_id": batch.session_id,
            "messages": [rows.message_values(message) for message in batch.messages],
            "memories": [rows.memory_values(record) for record in batch.memories],
            "erase_generations": {str(name): generation for name, generation in batch.erase_generations},
            "outbox": rows.reply_values(batch.outbox) if batch.outbox else None,
            "count_messages": batch.count_messages,
            "note": batch.note,
        }
        if batch.usage_of:
            given["usage"] = usage_values(batch.usage_of, rules.utc(batch.at).date(), batch.usage)
        await self._rest.call("mc_record_turn", given, safe=True)

    async def _turn(self, which: Mapping[str, object], *, order: str) -> InboxRow | None:
        row = await self._rest.first(inbox, which, order=(order,))
        return rows.turn_of(row) if row else None

    async def _change_accepted(self, event_key: str, changes: Mapping[str, object], *, safe: bool) -> bool:
        waiting = {"event_key": event_key, "state": TurnState.ACCEPTED}
        return bool(await self._rest.change(inbox, changes, waiting, safe=safe))


class SupabaseReplies(Group):
    async def open_outbox(self, row: OutboxRow) -> OutboxRow:
        added = await self._rest.add(outbox, rows.reply_values(row), key=("turn_id",), safe=True)
        if added:
            return row
        known = await self.get_outbox(row.turn_id)
        if known is None:
            raise NotFound
        return known

    async def get_outbox(self, turn_id: TurnId) -> OutboxRow | None:
        row = await self._rest.first(outbox, {"turn_id": turn_id})
        return rows.reply_of(row) if row else None

    async def mark_outbox(
        self,
        outbox_id: OutboxId,
        state: OutboxState,
        *,
        message_ids: tuple[str, ...] | None = None,
        next_attempt_at: datetime | None = None,
    ) -> None:
        changes: dict[str, Any] = {
            "state": state,
            "updated_at": self._clock.now(),
            "next_attempt_at": next_attempt_at,
            "message_ids": message_ids,
        }
        await self._rest.call("mc_mark_outbox", {"id": outbox_id, "changes": changes}, safe=True)

    async def unsent_outbox(self, now: datetime, hold_until: datetime) -> list[OutboxRow]:
        held = await self._rest.call("mc_unsent_outbox", {"now": now, "hold_until": hold_until})
        return [rows.reply_of(row) for row in rows_of(outbox, held)]

    async def record_notice(self, key: str, at: datetime, not_after: datetime) -> bool:
        return bool(await self._rest.call("mc_record_notice", {"key": key, "at": at, "not_after": not_after}))


def _turn(turn: InboxRow) -> rows.Values:
    return rows.turn_values(turn)
