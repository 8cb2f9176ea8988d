"""Answering one turn: recall and history, prompt, model, delivery, record (design §3.4 to §3.6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.commands.model import CommandContext, CommandReply
from core.commands.registry import Registry
from core.delivery import Delivery, LiveReply
from core.errors import MemoryChatError, ModelError, ModelInterrupted
from core.inbox import TALK_EXPIRED
from core.learning import recent_memory
from core.linking import Linking
from core.messages import (
    HistoryMessage,
    InboxRow,
    OutboxRow,
    Reply,
    ReplyDone,
    ReplyKind,
    Turn,
    TurnContent,
)
from core.policy import EnginePolicy
from core.ports import (
    Clock,
    EphemeralStore,
    LanguageModel,
    MemoryOrigin,
    MemoryPort,
    ModelDelta,
    ModelMessage,
    ModelUsage,
    PromptContext,
    Store,
    SupportsThreadHistory,
)
from core.ports.store import RecordBatch
from core.privacy import policy_of
from core.prompts import fit_memories, trim_history
from core.quotas import Quotas
from core.sealing import Sealer
from core.types import (
    Audience,
    ChatMessage,
    ChatSession,
    ConversationId,
    ConversationKind,
    Lane,
    MemoryNamespace,
    MemoryRecord,
    MessageId,
    Metadata,
    OutboxState,
    PrivacyMode,
    RecalledMemory,
    Role,
    TurnId,
    TurnState,
    Usage,
    User,
    new_id,
)
from core.vault import Vault, reply_of

log = logging.getLogger(__name__)

THREAD_MESSAGES = 30
DELIVERY_HOLD = timedelta(seconds=30)
HORIZON = datetime.max.replace(tzinfo=UTC)
STOPPED = "Stopped."
LOST_TALK = (
    "I was restarted meanwhile, and an incognito talk is kept nowhere: your last message and our talk are gone. "
    "You are still incognito; please write it again."
)
TALK_GONE = (
    "_Our earlier incognito talk is gone: it was idle for too long, or I was restarted. You are still incognito._"
)


@dataclass(slots=True)
class Draft:
    """A reply while it is made."""

    text: str = ""
    kind: ReplyKind = ReplyKind.ANSWER
    state: TurnState = TurnState.ANSWERED
    usage: ModelUsage = field(default_factory=ModelUsage)
    memories: tuple[RecalledMemory, ...] = ()
    recall_missed: bool = False
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Services:
    """What answering needs. `owner` names this process in leases."""

    store: Store
    vault: Vault
    sealer: Sealer
    ephemeral: EphemeralStore
    memory: MemoryPort
    model: LanguageModel
    registry: Registry
    delivery: Delivery
    quotas: Quotas
    clock: Clock
    policy: EnginePolicy
    owner: str
    linking: Linking


class Responder:
    """Runs turns for the queue. `stopped` holds the turns that their people cancelled (`/stop`), `abandoned` those
    whose
    people went away; `listen` hears of every finished reply."""

    def __init__(
        self,
        services: Services,
        *,
        learn_soon: Callable[[MemoryNamespace], None],
        listen: Callable[[InboxRow, ReplyDone], None],
        notify: Callable[[ConversationId, Lane], Awaitable[None]],
    ) -> None:
        self._s = services
        self._learn_soon = learn_soon
        self._listen = listen
        self._notify = notify
        self.stopped: set[TurnId] = set()
        self.abandoned: set[TurnId] = set()
        self.recall_misses = 0

    async def respond(self, rows: tuple[InboxRow, ...]) -> None:
        """The TurnHandler. Errors of the model become a reply; those of the store go up, and the turn is run again."""
        head = rows[0]
        outbox = await self._s.store.open_outbox(OutboxRow.of(head, ReplyKind.ANSWER, self._s.clock.now()))
        ready = await self._s.vault.open_reply(outbox)
        if ready is not None:
            await self._deliver_ready(rows, outbox, ready)
        elif (contents := await self._contents(rows)) is None:
            await self._answer(rows, outbox, Draft(text=LOST_TALK, kind=ReplyKind.NOTICE, state=TurnState.FAILED))
        elif await self._is_stale(head):
            await self._skip(rows, outbox)
        elif head.attempts > self._s.policy.max_attempts:
            await self._answer(
                rows, outbox, Draft(text=MemoryChatError.user_message, kind=ReplyKind.ERROR, state=TurnState.FAILED)
            )
        elif head.is_command:
            await self._run_command(rows, outbox, contents[0])
        else:
            await self._talk(rows, outbox, _merged(rows, contents))

    async def retry_unsent(self, *, abandoned: bool = False) -> int:
        """Send what was answered but not delivered and is due; how many rows were tried.

        `abandoned`: nobody else can be delivering, because this is the only process and it has just started.
        """
        now = self._s.clock.now()
        due = await self._s.store.unsent_outbox(HORIZON if abandoned else now, now + DELIVERY_HOLD)
        for outbox in due:
            reply = await self._s.vault.open_reply(outbox)
            if reply is None:
                await self._s.store.mark_outbox(outbox.id, OutboxState.FAILED)
            else:
                await self._s.delivery.deliver(outbox, reply)
        return len(due)

    # -- the ways a turn can go -------------------------------------------------------------------------------------

    async def _deliver_ready(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, reply: Reply) -> None:
        await self._record(rows, outbox, None, TurnState.ANSWERED)
        await self._s.delivery.deliver(outbox, reply)
        await self._finished(rows, outbox, reply, Draft(text=reply.text, kind=reply.kind))

    async def _answer(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, draft: Draft) -> None:
        """Send a reply that no model made."""
        outbox = replace(outbox, kind=draft.kind)
        reply = reply_of(outbox, draft.text)
        await self._record(rows, outbox, reply, draft.state)
        await self._s.delivery.deliver(outbox, reply)
        await self._finished(rows, outbox, reply, draft)

    async def _is_stale(self, head: InboxRow) -> bool:
        """A message from a time the bot was away, too old to be answered now."""
        return head.accepted_at - head.sent_at > self._s.policy.backlog_max_age and not head.is_command

    async def _skip(self, rows: tuple[InboxRow, ...], outbox: OutboxRow) -> None:
        now = self._s.clock.now()
        key = f"skipped:{outbox.conversation_id}"
        if not await self._s.store.record_notice(key, now, now - timedelta(hours=12)):
            await self._record(rows, None, None, TurnState.SKIPPED)
            return
        text = "I was away and found older messages here that I did not answer. Please ask again what still matters."
        await self._answer(rows, outbox, Draft(text=text, kind=ReplyKind.NOTICE, state=TurnState.SKIPPED))

    async def _run_command(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, content: TurnContent) -> None:
        outbox = replace(outbox, kind=ReplyKind.COMMAND)
        try:
            answer = await self._command_reply(_merged(rows, (content,)))
        except MemoryChatError as error:
            log.info("command refused: %s", type(error).__name__)
            outbox, answer = replace(outbox, kind=ReplyKind.ERROR), CommandReply(text=error.user_message)
        reply = replace(reply_of(outbox, answer.text, answer.buttons), files=answer.files)
        if answer.erased:
            # The turn went with its person: there is no row left to record or to mark.
            await self._s.delivery.say(outbox.address, reply, outbox.nonce)
            return
        if not answer.files:
            await self._record(rows, outbox, reply, TurnState.ANSWERED)
        await self._s.delivery.deliver(outbox, reply)
        if answer.files:
            # Files are kept nowhere: until they are sent the command counts as not run, and would run again.
            await self._record(rows, outbox, None, TurnState.ANSWERED)
        await self._finished(rows, outbox, reply, Draft(text=reply.text, kind=outbox.kind))
        if answer.rerun is not None:
            await self._notify(rows[0].stamp.conversation_id, Lane.MAIN)

    async def _command_reply(self, turn: Turn) -> CommandReply:
        services = self._s
        parsed = services.registry.parse(turn.content.text)
        if parsed is None or parsed.command.handler is None:
            raise MemoryChatError
        context = CommandContext(
            turn=turn,
            user=await services.store.get_user_by_id(turn.stamp.author_id),
            conversation=await services.store.get_conversation(turn.stamp.conversation_id),
            role=turn.content.role,
            store=services.store,
            memory=services.memory,
            model=services.model,
            clock=services.clock,
            ephemeral=services.ephemeral,
            sealer=services.sealer,
            status=self._status(),
            linking=services.linking,
        )
        return await parsed.command.handler(context, parsed.arguments)

    def _status(self) -> dict[str, str]:
        if not self.recall_misses:
            return {}
        return {"Answered without memory": f"{self.recall_misses} times since the start, because it was late or away"}

    # -- talk -------------------------------------------------------------------------------------------------------

    async def _talk(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn) -> None:
        live = self._s.delivery.open(outbox)
        draft = Draft()
        try:
            await self._compose(turn, live, draft)
        except ModelError as error:
            self._broke_off(draft, error)
        except MemoryChatError as error:
            draft.text, draft.kind, draft.state = error.user_message, ReplyKind.ERROR, TurnState.FAILED
        except asyncio.CancelledError:
            if turn.id in self.abandoned:
                await self._abandon(rows, live)
                return
            if turn.id not in self.stopped:
                await live.close()
                raise
            draft.text = f"{draft.text}\n\n_{STOPPED}_" if draft.text else STOPPED
            draft.state = TurnState.CANCELLED
        except BaseException:
            await live.close()
            raise
        self.stopped.discard(turn.id)
        await self._conclude(rows, outbox, turn, live, draft)

    async def _abandon(self, rows: tuple[InboxRow, ...], live: LiveReply) -> None:
        """Whoever asked is gone: nothing half-written stays."""
        await live.close()
        self.abandoned.discard(rows[0].id)
        await self._s.store.end_turn(rows[0].id, self._s.owner, TurnState.CANCELLED)

    def _broke_off(self, draft: Draft, error: ModelError) -> None:
        log.warning("no answer of the model: %s", type(error).__name__)
        partial = draft.text or error.partial
        marked = f"{partial}\n\n_{error.user_message}_" if partial else error.user_message
        draft.text = marked if partial and isinstance(error, ModelInterrupted) else error.user_message
        draft.kind, draft.state = ReplyKind.ERROR, TurnState.FAILED

    async def _conclude(
        self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn, live: LiveReply, draft: Draft
    ) -> None:
        text = f"{draft.notice}\n\n{draft.text}" if draft.notice else draft.text
        outbox = replace(outbox, kind=draft.kind)
        reply = reply_of(outbox, text)
        try:
            await self._record_talk(rows, outbox, turn, reply, draft)
        except BaseException:
            await live.close()
            raise
        await live.finish(reply)
        await self._finished(rows, outbox, reply, draft)
        if turn.stamp.learn is not None:
            self._learn_soon(turn.stamp.learn)

    async def _compose(self, turn: Turn, live: LiveReply, draft: Draft) -> None:
        services, stamp = self._s, turn.stamp
        await services.quotas.check(stamp.author_id, services.clock.now())
        session = await services.store.get_chat_session(stamp.owner_id, stamp.session_id)
        (recalled, draft.recall_missed), history = await asyncio.gather(
            self._recall(turn), services.vault.history(stamp, services.policy.history_messages)
        )
        draft.notice = await self._notice(turn, session, history)
        user = await services.store.get_user_by_id(stamp.author_id)
        draft.memories = fit_memories(recalled, services.policy.memory_tokens, services.model.count_tokens)
        context = await self._context(turn, session, user, draft.memories)
        messages = self._messages(turn, history or [])
        private = not policy_of(stamp.mode).persist
        prefix = f"{draft.notice}\n\n" if draft.notice else ""
        async with aclosing(services.model.stream_response(messages, context, private=private)) as stream:
            async for event in stream:
                if isinstance(event, ModelDelta):
                    draft.text += event.text
                    live.push(prefix + draft.text)
                else:
                    draft.usage = event.usage

    async def _recall(self, turn: Turn) -> tuple[list[RecalledMemory], bool]:
        """The memories for a turn, and whether they could not be had in time."""
        memory, policy = self._s.memory, self._s.policy
        if not turn.stamp.recall:
            return [], False
        try:
            if not memory.is_ready:
                async with asyncio.timeout(policy.warm_deadline):
                    await memory.warm()
            async with asyncio.timeout(policy.recall_deadline):
                found = await memory.search_memories(turn.stamp.recall, turn.content.text, limit=policy.recall_limit)
            return found, False
        except (TimeoutError, MemoryChatError) as error:
            self.recall_misses += 1
            log.warning("answered without memory: %s", type(error).__name__)
            return [], True

    async def _notice(self, turn: Turn, session: ChatSession, history: list[HistoryMessage] | None) -> str:
        """An incognito talk that ended by itself or with the process is told, not hidden."""
        if turn.stamp.mode is not PrivacyMode.INCOGNITO:
            return ""
        row = await self._s.store.get_turn(turn.stamp.author_id, turn.id)
        gone = history is None and session.message_count > 0
        return TALK_GONE if gone or row.note == TALK_EXPIRED else ""

    async def _context(
        self, turn: Turn, session: ChatSession, user: User, memories: tuple[RecalledMemory, ...]
    ) -> PromptContext:
        services, stamp = self._s, turn.stamp
        profile = await services.store.get_memory_profile(stamp.owner_id, stamp.profile_id)
        in_room = turn.address.kind is ConversationKind.SHARED and stamp.audience is Audience.ROOM
        summary = ""
        if session.summary is not None:
            summary = await services.vault.open_text(session.id, session.summary)
        return PromptContext(
            now=services.clock.now().astimezone(_zone(user.timezone)),
            persona=services.policy.persona,
            instructions=profile.instructions,
            memories=memories,
            speaker=turn.content.sender_name if in_room else "",
            in_room=in_room,
            thread=await self._thread(turn, session),
            summary=summary,
            may_learn=stamp.learn is not None and bool(recent_memory(turn.content.text)),
            incognito=stamp.mode is PrivacyMode.INCOGNITO,
        )

    async def _thread(self, turn: Turn, session: ChatSession) -> tuple[str, ...]:
        """What was said in a thread before the bot was called into it: for this turn only, never stored."""
        adapter = self._s.delivery.adapter(turn.address)
        first = turn.address.place.thread_id and session.message_count == 0
        if not first or not isinstance(adapter, SupportsThreadHistory):
            return ()
        try:
            earlier = await adapter.thread_history(turn.address, limit=THREAD_MESSAGES)
        except MemoryChatError as error:
            log.warning("thread not readable: %s", type(error).__name__)
            return ()
        return tuple(f"{speaker}: {text}" for speaker, text in earlier)

    def _messages(self, turn: Turn, history: list[HistoryMessage]) -> list[ModelMessage]:
        kept, _ = trim_history(history, self._s.policy.history_tokens, self._s.model.count_tokens)
        in_room = turn.address.kind is ConversationKind.SHARED
        messages = [ModelMessage(Role(item.role), item.text, name=item.speaker if in_room else "") for item in kept]
        name = turn.content.sender_name if in_room else ""
        return [*messages, ModelMessage(Role.USER, turn.content.text, name=name)]

    # -- record -----------------------------------------------------------------------------------------------------

    async def _record_talk(
        self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn, reply: Reply, draft: Draft
    ) -> None:
        now = self._s.clock.now()
        stamp = turn.stamp
        usage = Usage(len(rows), draft.usage.prompt_tokens, draft.usage.completion_tokens)
        said = HistoryMessage(Role.USER, turn.content.text, turn.content.sender_name, turn.sent_at)
        answered = HistoryMessage(Role.ASSISTANT, draft.text, self._s.policy.bot_name, now)
        keeps_reply = draft.state is not TurnState.FAILED or draft.usage.completion_tokens > 0
        if not policy_of(stamp.mode).persist:
            await self._record(rows, outbox, reply, draft.state, count=2, usage=usage)
            await self._s.vault.remember_history(stamp, said, answered if keeps_reply else None)
            return
        messages = [await self._message(turn, said, {})]
        if keeps_reply:
            metadata: Metadata = {
                "memories_used": [str(item.memory.id) for item in draft.memories],
                "recall_missed": draft.recall_missed,
                "recalled_elsewhere": any(item.memory.namespace != stamp.learn for item in draft.memories),
                "interrupted": draft.state is not TurnState.ANSWERED,
            }
            messages.append(await self._message(turn, answered, metadata))
        memories, generations = await self._recent_memory(turn)
        await self._record(
            rows,
            outbox,
            reply,
            draft.state,
            usage=usage,
            messages=tuple(messages),
            memories=memories,
            generations=generations,
        )

    async def _recent_memory(
        self, turn: Turn
    ) -> tuple[tuple[MemoryRecord, ...], tuple[tuple[MemoryNamespace, int], ...]]:
        """What the turn tells, as a memory that the very next turn can recall; a failure loses no reply."""
        namespace = turn.stamp.learn
        told = recent_memory(turn.content.text) if namespace is not None else ""
        if namespace is None or not told:
            return (), ()
        origin = MemoryOrigin(
            said_at=turn.sent_at,
            author_id=turn.stamp.author_id,
            author_name=turn.content.sender_name,
            platform=turn.address.place.platform,
            source_turns=(turn.id,),
        )
        try:
            state = await self._s.store.get_namespace_state(namespace)
            record = await self._s.memory.prepare_memory(namespace, told, origin)
        except MemoryChatError as error:
            log.warning("nothing remembered of this turn: %s", type(error).__name__)
            return (), ()
        return ((record,), ((namespace, state.erase_generation),)) if record else ((), ())

    async def _message(self, turn: Turn, message: HistoryMessage, metadata: Metadata) -> ChatMessage:
        from_user = message.role == Role.USER
        return ChatMessage(
            id=MessageId(new_id()),
            session_id=turn.stamp.session_id,
            role=Role(message.role),
            content=await self._s.vault.seal_message(turn.stamp.session_id, message.text),
            created_at=message.at or self._s.clock.now(),
            turn_id=turn.id,
            author_id=turn.stamp.author_id if from_user else None,
            author_name=message.speaker if from_user else "",
            mode=turn.stamp.mode,
            namespace=turn.stamp.learn,
            metadata=metadata,
        )

    async def _record(
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
    ) -> None:
        head = rows[0]
        content = None
        if reply is not None and outbox is not None:
            content = await self._s.vault.keep_reply(head.stamp, outbox.id, reply)
        await self._s.store.record_turn(
            RecordBatch(
                turn_id=head.id,
                rows=tuple(row.id for row in rows),
                lease_owner=self._s.owner,
                state=state,
                at=self._s.clock.now(),
                session_id=head.stamp.session_id,
                messages=messages,
                memories=memories,
                erase_generations=generations,
                outbox_id=outbox.id if outbox else None,
                content=content,
                deliver_by=self._s.clock.now() + DELIVERY_HOLD,
                usage_of=head.stamp.author_id if usage else None,
                usage=usage or Usage(),
                count_messages=count,
            )
        )

    async def _finished(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, reply: Reply, draft: Draft) -> None:
        head = rows[0]
        if not policy_of(head.stamp.mode).persist:
            await self._s.vault.drop_turn([row.id for row in rows], outbox.id)
        self._listen(
            head,
            ReplyDone(
                turn_id=head.id,
                session_id=head.stamp.session_id,
                reply=reply,
                memories_used=tuple(item.memory.id for item in draft.memories),
                prompt_tokens=draft.usage.prompt_tokens,
                completion_tokens=draft.usage.completion_tokens,
                recall_missed=draft.recall_missed,
            ),
        )

    async def _contents(self, rows: tuple[InboxRow, ...]) -> tuple[TurnContent, ...] | None:
        """None when one of the texts was held in memory only and is gone."""
        contents = []
        for row in rows:
            content = await self._s.vault.open_turn(row)
            if content is None:
                return None
            contents.append(content)
        return tuple(contents)


def _merged(rows: tuple[InboxRow, ...], contents: tuple[TurnContent, ...]) -> Turn:
    """Messages that waited together are one input, line by line."""
    head, last = rows[0], rows[-1]
    content = replace(
        contents[0],
        text="\n".join(content.text for content in contents),
        attachments=tuple(item for content in contents for item in content.attachments),
    )
    return Turn(
        id=head.id,
        stamp=head.stamp,
        address=last.address,
        content=content,
        sent_at=head.sent_at,
        rows=tuple(row.id for row in rows),
        attempts=head.attempts,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
