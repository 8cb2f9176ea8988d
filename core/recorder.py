"""What stays of an answered turn: messages, what was told, usage, the reply, in one transaction (design §3.6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from core.batches import RecordBatch
from core.commands.forget import TURN
from core.commands.format import quoted
from core.delivery import DELIVERY_HOLD
from core.errors import MemoryChatError
from core.messages import Button, HistoryMessage, InboxRow, OutboxRow, Reply, ReplyKind, Turn
from core.policy import EnginePolicy
from core.ports import Clock, MemoryOrigin, MemoryPort, ModelUsage, Store
from core.ports.observer import UNOBSERVED, Observer, Step, timing
from core.privacy import policy_of
from core.statements import recent_memories
from core.types import (
    ChatMessage,
    ConversationKind,
    MemoryNamespace,
    MemoryRecord,
    MessageId,
    Metadata,
    OutboxState,
    RecalledMemory,
    Role,
    TurnState,
    Usage,
    new_id,
)
from core.vault import Vault

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Draft:
    """A reply while it is made; `reason` is why there is none, for the operator: a word, no content."""

    text: str = ""
    kind: ReplyKind = ReplyKind.ANSWER
    state: TurnState = TurnState.ANSWERED
    usage: ModelUsage = field(default_factory=ModelUsage)
    memories: tuple[RecalledMemory, ...] = ()
    recall_missed: bool = False
    notice: str = ""
    seen_elsewhere: bool = False
    is_long: bool = False
    erase_generation: int | None = None
    reason: str = ""


class Recorder:
    """`owner` names this process, whose lease the turn must still be under."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        memory: MemoryPort,
        clock: Clock,
        policy: EnginePolicy,
        owner: str,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store = store
        self._vault = vault
        self._memory = memory
        self._clock = clock
        self._policy = policy
        self._owner = owner
        self._observer = observer

    async def record_talk(
        self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn, reply: Reply, draft: Draft
    ) -> Reply:
        """The reply to send, with what was just kept under it where the operator wants that shown."""
        now = self._clock.now()
        stamp = turn.stamp
        usage = Usage(len(rows), draft.usage.prompt_tokens, draft.usage.completion_tokens)
        said = HistoryMessage(Role.USER, turn.content.text, turn.content.sender_name, turn.sent_at)
        answered = HistoryMessage(Role.ASSISTANT, draft.text, self._policy.bot_name, now)
        keeps_reply = draft.state is not TurnState.FAILED or draft.usage.completion_tokens > 0
        if not policy_of(stamp.mode).persist:
            await self.record(rows, outbox, reply, draft.state, count=2, usage=usage, note=draft.reason)
            await self._vault.remember_history(stamp, said, answered if keeps_reply else None)
            return reply
        messages = [await self._message(turn, said, {})]
        if keeps_reply:
            own = MemoryNamespace(stamp.owner_id, stamp.profile_id)
            metadata: Metadata = {
                "memories_used": [str(item.memory.id) for item in draft.memories],
                "turns_used": sorted({str(turn) for item in draft.memories for turn in item.memory.source_turns}),
                "recall_missed": draft.recall_missed,
                "recalled_elsewhere": draft.seen_elsewhere
                or any(item.memory.namespace not in (stamp.learn, own) for item in draft.memories),
                "interrupted": draft.state is not TurnState.ANSWERED,
            }
            messages.append(await self._message(turn, answered, metadata))
        memories, generations = await self._recent_memories(turn, draft)
        reply = self._with_undo(turn, reply, memories)
        await self.record(
            rows,
            outbox,
            reply,
            draft.state,
            usage=usage,
            messages=tuple(messages),
            memories=memories,
            generations=generations,
            note=draft.reason,
        )
        return reply

    def _with_undo(self, turn: Turn, reply: Reply, memories: tuple[MemoryRecord, ...]) -> Reply:
        """Never in a room, where everybody would read what one of them is remembered for."""
        if not memories or not self._policy.undo_line or turn.address.kind is not ConversationKind.PRIVATE:
            return reply
        told = quoted(" ".join(recent_memories(turn.content.text)))
        undo = Button("Undo", f"/forget {TURN}{turn.id}")
        return replace(reply, text=f"{reply.text}\n\n_Kept:_ {told}", buttons=(*reply.buttons, undo))

    async def _recent_memories(
        self, turn: Turn, draft: Draft
    ) -> tuple[tuple[MemoryRecord, ...], tuple[tuple[MemoryNamespace, int], ...]]:
        """What the turn tells, as memories that the very next turn can recall; a failure loses no reply."""
        namespace = turn.stamp.learn
        if namespace is None:
            return (), ()
        origin = MemoryOrigin(
            said_at=turn.sent_at,
            author_id=turn.stamp.author_id,
            author_name=turn.content.sender_name,
            platform=turn.address.place.platform,
            source_turns=(turn.id,),
        )
        try:
            records = await self._memory.prepare_memories(namespace, turn.content.text, origin)
        except MemoryChatError as error:
            log.warning("nothing remembered of this turn: %s", type(error).__name__)
            return (), ()
        generation = draft.erase_generation
        return records, () if generation is None or not records else ((namespace, generation),)

    async def _message(self, turn: Turn, message: HistoryMessage, metadata: Metadata) -> ChatMessage:
        from_user = message.role == Role.USER
        return ChatMessage(
            id=MessageId(new_id()),
            session_id=turn.stamp.session_id,
            role=Role(message.role),
            content=await self._vault.seal_message(turn.stamp.session_id, message.text),
            created_at=message.at or self._clock.now(),
            turn_id=turn.id,
            author_id=turn.stamp.author_id if from_user else None,
            author_name=message.speaker if from_user else "",
            mode=turn.stamp.mode,
            namespace=turn.stamp.learn,
            metadata=metadata,
        )

    async def record(
        self,
        rows: tuple[InboxRow, ...],
        outbox: OutboxRow | None,
        reply: Reply | None,
        state: TurnState,
        *,
        count: int = 0,
        usage: Usage | None = None,
        messages: tuple[ChatMessage, ...] = (),
        memories: tuple[MemoryRecord, ...] = (),
        generations: tuple[tuple[MemoryNamespace, int], ...] = (),
        note: str = "",
    ) -> None:
        """End the turn. The reply of `outbox` is on its way from here on: the caller delivers it at once. `reply` None
        leaves its content as it is."""
        head, now = rows[0], self._clock.now()
        if outbox is not None:
            outbox = replace(
                outbox,
                state=OutboxState.SENDING,
                content=await self._vault.keep_reply(head.stamp, outbox.id, reply) if reply else outbox.content,
                attempts=outbox.attempts + 1,
                next_attempt_at=now + DELIVERY_HOLD,
                updated_at=now,
            )
        batch = RecordBatch(
            turn_id=head.id,
            rows=tuple(row.id for row in rows),
            lease_owner=self._owner,
            state=state,
            at=now,
            session_id=head.stamp.session_id,
            messages=messages,
            memories=memories,
            erase_generations=generations,
            outbox=outbox,
            usage_of=head.stamp.author_id if usage else None,
            usage=usage or Usage(),
            count_messages=count,
            note=note,
        )
        with timing(self._observer, Step.RECORD):
            await self._store.record_turn(batch)
        self._observer.turn_ended(state)
        log.debug("turn recorded as %s", state)
