"""The conversation engine: the one door for every platform, and the calls behind REST."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from core.access import AccessControl
from core.batches import SessionPatch
from core.direct import DIRECT, DirectAdapter
from core.errors import IncognitoUnavailable, NotFound, StoreError, StoreUnavailable, TurnRunning
from core.forgetting import Forgetting
from core.inbox import Inbox
from core.learner import Learner
from core.messages import (
    Acceptance,
    InboundEvent,
    InboundMessage,
    InboxRow,
    MessageDeleted,
    MessageEdited,
    Reply,
    ReplyDone,
    ReplyEvent,
    ReplyKind,
    Sender,
)
from core.pacing import Pacing
from core.ports import PlatformAdapter, TurnQueue
from core.ports.observer import Step, timing
from core.privacy import policy_of
from core.quotas import LearningBudget
from core.respond import HORIZON, Responder
from core.revision import Revision
from core.services import Services
from core.summaries import Summarizer
from core.types import (
    ChatSession,
    ConversationId,
    ConversationKind,
    ErasureReceipt,
    Lane,
    MemoryNamespace,
    MemoryProfile,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    Role,
    SessionId,
    TurnState,
    User,
    UserId,
    new_id,
)

log = logging.getLogger(__name__)


NEWEST = 50
MOVED = "Another of my processes took your message over and has no answer to it that I can show. Please send it again."


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """A session with the profile it uses, None when that was deleted."""

    session: ChatSession
    profile: MemoryProfile | None


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """Counts and dates of a session; of an incognito talk only the counts exist."""

    session_id: SessionId
    privacy_mode: PrivacyMode
    message_count: int
    user_messages: int
    assistant_messages: int
    memories_used: int
    started_at: datetime
    last_message_at: datetime | None


class ConversationEngine:
    """Everything a person can do, whatever they write in. Platforms call `handle`; REST calls the named methods."""

    def __init__(
        self,
        services: Services,
        queue: TurnQueue,
        access: AccessControl,
        adapters: Mapping[PlatformName, PlatformAdapter],
        direct: DirectAdapter,
    ) -> None:
        self._s = services
        self._queue = queue
        self._direct = direct
        self._access = access
        self._closing = False
        budget = LearningBudget(services.policy)
        self.learner = Learner(
            services.store, services.vault, services.memory, services.model, services.clock, services.policy, budget
        )
        self.summarizer = Summarizer(
            services.store, services.vault, services.model, services.clock, services.policy, budget
        )
        self._forgetting = Forgetting(services.store, services.memory, services.sealer, services.ephemeral)
        self.revision = Revision(services.store, services.vault, services.memory, self._forgetting)
        pacing = Pacing(services.clock, services.policy.turns_at_once, yielding=services.policy.yields_to_arrivals)
        self.responder = Responder(
            services,
            pacing,
            learn_soon=self.learner.soon,
            summarize_soon=self.summarizer.soon,
            listen=direct.done,
            notify=queue.notify,
        )
        self.inbox = Inbox(
            services.store,
            services.vault,
            services.registry,
            access,
            services.clock,
            services.policy,
            {name: adapter.capabilities for name, adapter in adapters.items()},
            pacing,
            foresee=services.memory.foresee,
            notify=queue.notify,
            stop=self.stop,
            session_ended=self._session_ended,
        )

    async def start(self, *, only_process: bool) -> None:
        """Take up what earlier runs left: replies not delivered, then turns not answered."""
        if only_process:
            await self._take_back()
        await self.responder.retry_unsent(abandoned=only_process)
        await self._queue.start(self._respond)

    async def _respond(self, rows: tuple[InboxRow, ...]) -> None:
        observer, head = self._s.observer, rows[0]
        if head.attempts > 1:
            observer.turn_retried()
        else:
            observer.took(Step.WAIT, (self._s.clock.now() - head.accepted_at).total_seconds())
        log.info("turn begins: try %d, %d messages", head.attempts, len(rows))
        began = self._s.clock.monotonic()
        with timing(observer, Step.TURN):
            await self.responder.respond(rows)
        log.info("turn is over after %.0f ms", 1000 * (self._s.clock.monotonic() - began))

    async def _take_back(self) -> None:
        """Turns that a killed process held: nobody else can be at them, so that no lease has to be waited for."""
        store, owner = self._s.store, self._s.owner
        for conversation_id, lane in await store.pending_lanes(HORIZON):
            if await store.running_turn(conversation_id, lane) is not None:
                rows = await store.claim_turn(conversation_id, lane, owner, self._s.clock.now(), HORIZON)
                if rows:
                    await store.release_turn(rows[0].id, owner)

    async def close(self, grace: float) -> None:
        """Accept nothing more, finish running turns within `grace` seconds or hand them back to the inbox."""
        self._closing = True
        await asyncio.gather(self._queue.stop(grace), self.responder.stop())
        await self._access.settle()
        await self.revision.stop()
        await self.learner.stop()
        await self.summarizer.stop()

    async def handle(self, event: InboundEvent) -> Acceptance:
        """The one entry for adapters: returns once the event is durable, and only then may the platform be told so.

        Raises StoreError when it could not be made durable, StoreUnavailable also while the process is stopping.
        """
        if self._closing:
            raise StoreUnavailable("stopping")
        if isinstance(event, InboundMessage):
            return await self._accept(event)
        if isinstance(event, MessageEdited):
            in_time = await self.inbox.edit(event)
        else:
            in_time = await self.inbox.delete(event)
            if not in_time:
                await self._give_up(event)
        if not in_time:
            await self.revision.follow(event)
        return Acceptance.ACCEPTED

    async def _accept(self, message: InboundMessage, session: ChatSession | None = None) -> Acceptance:
        observer, platform = self._s.observer, message.place.platform
        try:
            with timing(observer, Step.ACCEPT):
                outcome = await self.inbox.accept(message, session=session)
        except StoreError as error:
            log.warning("a message was not acknowledged: %s", type(error).__name__)
            observer.accepted(platform, "failed")
            raise
        observer.accepted(platform, outcome)
        return outcome

    async def stop(self, conversation_id: ConversationId) -> bool:
        """Cancel the turn that runs in a conversation; whether there was one."""
        running = await self._s.store.running_turn(conversation_id, Lane.MAIN)
        if running is None:
            return False
        self.responder.stopped.add(running)
        return await self._queue.cancel(conversation_id)

    # -- the original service's names, for callers that wait for the reply ----------------------------------------

    async def process_user_message(self, user_id: UserId, session_id: SessionId, text: str) -> ReplyDone:
        """Answer one message in an explicit session. Raises NotFound for somebody else's session."""
        async for event in self.stream_user_message(user_id, session_id, text):
            if isinstance(event, ReplyDone):
                return event
        raise NotFound

    async def stream_user_message(
        self,
        user_id: UserId,
        session_id: SessionId,
        text: str,
        *,
        wait: bool = True,
        event_id: str | None = None,
        known: tuple[User, ChatSession] | None = None,
    ) -> AsyncIterator[ReplyEvent]:
        """Deltas, then one ReplyDone. Closing the iterator cancels the turn, and nothing half-written stays.

        `wait` False: raises TurnRunning when the session is busy, instead of waiting its turn. `known` are the person
        and their session, for callers that have just read them.
        """
        store = self._s.store
        if known is None:
            known = await store.get_user_by_id(user_id), await self.validate_session_access(user_id, session_id)
        user, session = known
        message = await self._direct_message(user, session, text, event_id or new_id())
        if not wait and await store.is_busy((await store.resolve_conversation(message.place, message.kind)).id):
            raise TurnRunning
        self._direct.listen(message.handle)
        finished = False
        try:
            accepted = await self._accept(message, session)
            if accepted is not Acceptance.ACCEPTED:
                return
            ended_elsewhere = partial(self._ended_elsewhere, message.event_key, user_id, session_id)
            async for event in self._direct.events(message.handle, ended_elsewhere):
                finished = isinstance(event, ReplyDone)
                yield event
        finally:
            self._direct.leave(message.handle)
            if not finished:
                await self._abandon(message)

    async def create_new_session(
        self,
        user_id: UserId,
        memory_profile_id: ProfileId | None = None,
        privacy_mode: PrivacyMode = PrivacyMode.NORMAL,
    ) -> ChatSession:
        """An explicit session. Raises NotFound for another user's profile, IncognitoUnavailable where it cannot be
        held."""
        await self._refuse_pretence(privacy_mode)
        store = self._s.store
        if memory_profile_id is None:
            memory_profile_id = (await store.get_default_memory_profile(user_id)).id
        session_id = SessionId(new_id())
        place = Place(DIRECT, "", session_id)
        conversation = await store.resolve_conversation(place, ConversationKind.PRIVATE)
        return await store.create_chat_session(
            user_id, memory_profile_id, privacy_mode, conversation_id=conversation.id, session_id=session_id
        )

    async def get_session_details(self, user_id: UserId, session_id: SessionId) -> SessionDetails:
        session = await self.validate_session_access(user_id, session_id)
        profile = None
        if session.memory_profile_id is not None:
            profile = await self._s.store.get_memory_profile(session.user_id, session.memory_profile_id)
        return SessionDetails(session, profile)

    async def change_session_privacy_mode(
        self, user_id: UserId, session_id: SessionId, new_privacy_mode: PrivacyMode
    ) -> ChatSession:
        """From the next message on. An incognito talk's history ends with the mode; it never joins the stored one."""
        await self._refuse_pretence(new_privacy_mode)
        session = await self.validate_session_access(user_id, session_id)
        if session.privacy_mode is PrivacyMode.INCOGNITO and new_privacy_mode is not PrivacyMode.INCOGNITO:
            await self._s.vault.forget_talk(session_id)
        return await self._s.store.update_chat_session(user_id, session_id, SessionPatch(privacy_mode=new_privacy_mode))

    async def delete_session(self, user_id: UserId, session_id: SessionId) -> int:
        """With its messages and its key; how many messages there were. What was learned of it stays until it is
        forgotten. A receipt is stored."""
        session = await self.validate_session_access(user_id, session_id)
        if session.conversation_id is not None:
            await self.stop(session.conversation_id)
        removed = await self._s.store.delete_chat_session(user_id, session_id)
        await self._s.vault.forget_session(session_id)
        await self._forgetting.settle()
        await self._s.store.save_receipt(await self._session_receipt(user_id, session_id, removed))
        return removed

    async def _session_receipt(self, user_id: UserId, session_id: SessionId, messages: int) -> ErasureReceipt:
        try:
            await self._s.store.get_chat_session(user_id, session_id)
        except NotFound:
            gone = True
        else:
            gone = False
        removed = {"sessions": 1, "messages": messages}
        return ErasureReceipt(new_id(), user_id, "session", removed, gone, self._s.clock.now())

    async def get_conversation_summary(self, user_id: UserId, session_id: SessionId) -> ConversationSummary:
        session = await self.validate_session_access(user_id, session_id)
        by_role = {Role.USER: 0, Role.ASSISTANT: 0, Role.SYSTEM: 0}
        used: set[str] = set()
        last = None
        offset = 0
        while page := await self._s.store.get_session_messages(user_id, session_id, 500, offset):
            offset += len(page)
            for message in page:
                by_role[message.role] += 1
                used.update(str(item) for item in _as_list(message.metadata.get("memories_used")))
            last = page[-1].created_at
        return ConversationSummary(
            session_id=session_id,
            privacy_mode=session.privacy_mode,
            message_count=session.message_count,
            user_messages=by_role[Role.USER],
            assistant_messages=by_role[Role.ASSISTANT],
            memories_used=len(used),
            started_at=session.created_at,
            last_message_at=last,
        )

    async def validate_session_access(self, user_id: UserId, session_id: SessionId) -> ChatSession:
        """The session, or NotFound: also for somebody else's, whose existence is not revealed."""
        return await self._s.store.get_chat_session(user_id, session_id)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _direct_message(self, user: User, session: ChatSession, text: str, event_id: str) -> InboundMessage:
        if await self._s.store.find_identity(DIRECT, "", user.id) is None:
            await self._s.store.add_identity(user.id, DIRECT, "", user.id, user.display_name)
        return InboundMessage(
            place=Place(DIRECT, "", session.id),
            kind=ConversationKind.PRIVATE,
            sender=Sender(external_id=user.id, display_name=user.display_name),
            text=text,
            event_id=event_id,
            sent_at=self._s.clock.now(),
            handle=event_id,
        )

    async def _ended_elsewhere(self, event_key: str, user_id: UserId, session_id: SessionId) -> ReplyDone | None:
        """How a turn ended that another process took over from this one; None while it has not. Raises NotFound for one
        that was erased."""
        row = await self._s.store.find_turn_by_event(event_key)
        if row is None:
            raise NotFound
        if row.state in (TurnState.ACCEPTED, TurnState.RUNNING):
            return None
        turn_id = row.merged_into or row.id
        count = (await self.validate_session_access(user_id, session_id)).message_count
        newest = await self._s.store.get_session_messages(user_id, session_id, NEWEST, max(0, count - NEWEST))
        answers = [item for item in newest if item.turn_id == turn_id and item.role is Role.ASSISTANT]
        texts = [item.text for item in await self._s.vault.unseal_messages(answers)]
        kind = ReplyKind.ANSWER if texts else ReplyKind.ERROR
        reply = Reply(text="\n\n".join(texts) or MOVED, kind=kind, audience=row.stamp.audience, mode=row.stamp.mode)
        return ReplyDone(turn_id, session_id, reply)

    async def _abandon(self, message: InboundMessage) -> None:
        if await self._s.store.cancel_accepted(message.event_key):
            return
        row = await self._s.store.find_turn_by_event(message.event_key)
        if row is not None and row.state is TurnState.RUNNING:
            self.responder.abandoned.add(row.id)
            await self._queue.cancel(row.stamp.conversation_id)

    async def _refuse_pretence(self, mode: PrivacyMode) -> None:
        if policy_of(mode).persist:
            return
        reason = await self._s.vault.unavailable()
        if reason is not None:
            raise IncognitoUnavailable(reason)

    async def _give_up(self, event: MessageDeleted) -> None:
        """Whoever takes a message back while it is answered wants no answer: nothing half-written stays."""
        row = await self._s.store.find_turn_by_event(event.event_key)
        if row is not None and row.state is TurnState.RUNNING:
            self.responder.abandoned.add(row.merged_into or row.id)
            await self._queue.cancel(row.stamp.conversation_id)

    def _session_ended(self, namespace: MemoryNamespace) -> None:
        self.learner.now(namespace)


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
