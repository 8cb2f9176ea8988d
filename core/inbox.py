"""Accept: everything that happens to a message before its platform is acknowledged (design §3.2).

Serial per conversation. Afterwards the message is durable and stamped: who wrote it, in which session, under which
mode, for which readers, and which memories its reply may use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from core.access import AccessControl
from core.batches import AcceptBatch, Scene
from core.capabilities import PlatformCapabilities, PrivateReplies
from core.commands.model import AcceptState, CommandReply, Transition
from core.commands.parse import ParsedCommand, pending_word
from core.commands.registry import Registry
from core.compose import TALK_EXPIRED
from core.errors import Conflict, EmptyMessage, MemoryChatError, MessageTooLong, StaleMember
from core.locks import KeyedLocks
from core.messages import (
    Acceptance,
    InboundMessage,
    InboxRow,
    MessageDeleted,
    MessageEdited,
    OutboxRow,
    Reply,
    ReplyAddress,
    ReplyKind,
    Stamp,
    TurnContent,
    event_key,
)
from core.policy import EnginePolicy
from core.ports import Clock, Store
from core.privacy import badge, belongs_to_space, learn_scope, recall_scope, stricter
from core.sessions import SessionBreak, SessionNeed, session_break, session_mode
from core.text import clean_text
from core.tracing import turn_context
from core.types import (
    Audience,
    ChatSession,
    ConversationId,
    ConversationKind,
    Lane,
    Member,
    MemoryNamespace,
    MemoryProfile,
    PlatformName,
    PrivacyMode,
    SessionId,
    TurnId,
    TurnState,
    new_id,
)
from core.vault import Vault
from core.welcome import room_welcome, welcome

log = logging.getLogger(__name__)

ACCEPT_TRIES = 4
AT_ONCE = 16
"""So many messages are accepted at a time: enough to share a commit, few enough that answering goes on in a rush."""
EXPLICIT = "Here every talk has its own mode and profile: change them at the talk itself, or begin a new one."


@dataclass(frozen=True, slots=True)
class Request:
    """What a message asks for: plain talk, a command to run in its turn, or a reply that is known already."""

    text: str
    audience: Audience
    command: ParsedCommand | None = None
    transition: Transition | None = None
    answer: CommandReply | None = None
    answer_kind: ReplyKind = ReplyKind.COMMAND

    @property
    def is_talk(self) -> bool:
        return self.command is None and self.answer is None


@dataclass(frozen=True, slots=True)
class SessionChange:
    session_id: SessionId
    close: tuple[SessionId, ...] = ()
    opened: ChatSession | None = None
    reason: SessionBreak = SessionBreak.NONE

    def note(self, mode: PrivacyMode) -> str:
        """What the reply has to tell besides its answer: an incognito talk that ended by itself."""
        return TALK_EXPIRED if self.reason is SessionBreak.IDLE and mode is PrivacyMode.INCOGNITO else ""


Notify = Callable[[ConversationId, Lane], Awaitable[None]]
Stop = Callable[[ConversationId], Awaitable[bool]]
SessionEnded = Callable[[MemoryNamespace], None]


class Inbox:
    """`notify` wakes the queue, `stop` cancels what runs, `session_ended` hears of namespaces that may learn now."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        registry: Registry,
        access: AccessControl,
        clock: Clock,
        policy: EnginePolicy,
        capabilities: Mapping[PlatformName, PlatformCapabilities],
        *,
        notify: Notify,
        stop: Stop,
        session_ended: SessionEnded,
    ) -> None:
        self._store = store
        self._vault = vault
        self._registry = registry
        self._access = access
        self._clock = clock
        self._policy = policy
        self._capabilities = capabilities
        self._notify = notify
        self._stop = stop
        self._session_ended = session_ended
        self._locks = KeyedLocks()
        self._line = asyncio.Semaphore(AT_ONCE)

    async def accept(self, message: InboundMessage, *, session: ChatSession | None = None) -> Acceptance:
        """Make a message durable. `session` pins it to an explicit session (REST), whose turns are never merged.

        Raises StoreError: nothing was written and the platform must not be acknowledged.
        """
        if message.sender.is_bot or not message.addressed:
            return Acceptance.IGNORED
        message = replace(message, text=clean_text(message.text).strip())
        if not message.text and not message.attachments and message.kind is ConversationKind.PRIVATE:
            return Acceptance.IGNORED
        async with self._locks.holding(message.place), self._line:
            if not await self._access.admits(message):
                return Acceptance.REFUSED
            row = await self._accept_with_retries(message, session)
        if row is None:
            return Acceptance.DUPLICATE
        with turn_context(row.id):
            log.info("message accepted for the %s lane", row.lane)
        await self._notify(row.stamp.conversation_id, row.lane)
        return Acceptance.ACCEPTED

    async def edit(self, event: MessageEdited) -> bool:
        """Change a turn that has not started; whether it was in time."""
        row = await self._store.find_turn_by_event(event.event_key)
        if row is None or row.state is not TurnState.ACCEPTED:
            return False
        content = await self._vault.open_turn(row)
        if content is None:
            return False
        changed = replace(content, text=clean_text(event.text).strip())
        sealed = await self._vault.keep_turn(row.stamp, row.id, changed)
        return sealed is None or await self._store.replace_turn_content(event.event_key, sealed)

    async def delete(self, event: MessageDeleted) -> bool:
        """Cancel a turn that has not started; whether it was in time."""
        return await self._store.cancel_accepted(event.event_key)

    async def tell(self, conversation_id: ConversationId, text: str) -> None:
        """Send a notice of our own into a conversation that somebody has written in; nothing happens elsewhere."""
        newest = await self._store.newest_turn(conversation_id)
        if newest is None:
            return
        stamp = replace(newest.stamp, mode=PrivacyMode.NORMAL, recall=(), learn=None)
        address = replace(newest.address, reply_to="", handle="")
        row, outbox = await self._notice(new_id(), stamp, address, self._clock.now(), text)
        if await self._store.accept(AcceptBatch(row=row, outbox=outbox)) is not None:
            await self._notify(conversation_id, Lane.MAIN)

    async def _notice(
        self, event: str, stamp: Stamp, address: ReplyAddress, sent_at: datetime, text: str
    ) -> tuple[InboxRow, OutboxRow]:
        """A row whose reply is ready: it holds nothing of the person."""
        row = InboxRow(
            id=TurnId(new_id()),
            event_key=event_key("notice", "", event),
            stamp=stamp,
            address=address,
            content=None,
            lane=Lane.MAIN,
            mergeable=False,
            is_command=True,
            state=TurnState.ACCEPTED,
            sent_at=sent_at,
            accepted_at=self._clock.now(),
        )
        return row, await self._outbox(row, CommandReply(text=text), ReplyKind.NOTICE)

    async def _accept_with_retries(self, message: InboundMessage, session: ChatSession | None) -> InboxRow | None:
        for attempt in range(ACCEPT_TRIES):
            try:
                return await self._accept_once(message, session)
            except StaleMember:
                if attempt == ACCEPT_TRIES - 1:
                    raise
        raise StaleMember

    async def _accept_once(self, message: InboundMessage, pinned: ChatSession | None) -> InboxRow | None:
        scene = await self._scene(message)
        request = await self._request(message, scene)
        transition = request.transition
        member = _changed_member(scene.member, transition)
        after = replace(scene, member=member)
        if transition and transition.mode_floor is not None:
            after = replace(after, floor=transition.mode_floor)
        change = await self._session(message, after, request, pinned)
        change = self._leave_incognito(scene, after, change)
        stamp = await self._stamp(after, request, change.session_id, pinned)
        greets = self._greets(message, scene, stamp)
        row = await self._row(message, stamp, request, first=greets)
        row = replace(row, note=change.note(stamp.mode))
        outbox = await self._ready_reply(row, request)
        stored = await self._store.accept(
            AcceptBatch(
                row=row,
                member=replace(member, welcomed=member.welcomed or greets)
                if greets or member != scene.member
                else None,
                close_sessions=change.close,
                open_session=change.opened,
                outbox=outbox,
                before=await self._welcome(message, scene, stamp) if greets else (),
                mode_floor=transition.mode_floor if transition else None,
                cursor=message.cursor,
            )
        )
        if stored is None:
            await self._vault.drop_turn([row.id], outbox.id if outbox else None)
        else:
            await self._after(scene, transition, change)
        return stored

    async def _after(self, scene: Scene, transition: Transition | None, change: SessionChange) -> None:
        if change.close and mode_of(scene) is PrivacyMode.NORMAL:
            self._session_ended(scene.space or own_profile(scene).namespace)
        # Only their own: a room's talk that ends at the same moment keeps its key.
        own = scene.own_session
        if own is not None and own.id in change.close and own.privacy_mode is PrivacyMode.INCOGNITO:
            await self._vault.forget_session(own.id)
        if transition and transition.cancel_running:
            await self._stop(scene.conversation.id)

    async def _scene(self, message: InboundMessage) -> Scene:
        sender, place = message.sender, message.place
        who = (place.platform, place.workspace_id, sender.external_id)
        scene = await self._store.read_scene(*who, place)
        if scene is None or sender.display_name not in ("", scene.identity.display_name):
            await self._store.resolve_identity(*who, sender.display_name)
            await self._store.resolve_conversation(place, message.kind)
            scene = await self._store.read_scene(*who, place)
            assert scene is not None
        member = scene.member
        if member.version == 0 and not self._policy.learning_default:
            scene = replace(scene, member=replace(member, mode=stricter(member.mode, PrivacyMode.PAUSE_MEMORIES)))
        return scene

    async def _request(self, message: InboundMessage, scene: Scene) -> Request:
        """What the message asks for; what cannot be used becomes a helpful answer, so that nothing is dropped."""
        try:
            return await self._understand(message, scene)
        except MemoryChatError as error:
            answer = CommandReply(text=error.user_message)
            return Request(message.text, message.audience, answer=answer, answer_kind=ReplyKind.ERROR)

    async def _understand(self, message: InboundMessage, scene: Scene) -> Request:
        if len(message.text) > self._policy.max_message_characters:
            raise MessageTooLong(
                user_message=f"That message has {len(message.text):,} characters; I can read up to "
                f"{self._policy.max_message_characters:,} at once. Please send it in pieces."
            )
        if not message.text and not message.attachments:
            raise EmptyMessage(user_message="I am here. Write me something after my name, or /help.")
        message = replace(message, text=await self._confirmed(message, scene))
        parsed = self._registry.parse(message.text)
        if parsed is None:
            text = message.text.removeprefix("/") if message.text.startswith("//") else message.text
            return Request(text, message.audience)
        return await self._command(message, scene, parsed)

    async def _confirmed(self, message: InboundMessage, scene: Scene) -> str:
        """The message's text; a bare "yes" or "no" is a command while a question of ours is open, and talk else."""
        word = pending_word(message.text)
        if word is None:
            return message.text
        pending = await self._store.peek_pending(scene.user.id, scene.conversation.id, "latest", self._clock.now())
        return f"/{word}" if pending is not None else message.text

    async def _command(self, message: InboundMessage, scene: Scene, parsed: ParsedCommand) -> Request:
        command = parsed.command
        in_room = message.kind is ConversationKind.SHARED
        private = command.private and in_room
        if private and self._private_replies(message) is PrivateReplies.NONE:
            answer = CommandReply(text="I answer that only where you alone can read it. Please write to me directly.")
            return Request(message.text, Audience.ROOM, answer=answer)
        audience = Audience.ASKER if private else message.audience
        if command.name == "ask":
            text = parsed.arguments.get("text", "").strip()
            if not text:
                raise EmptyMessage(user_message="Write your question after /ask.")
            return Request(text, Audience.ASKER if in_room else audience)
        if command.transition is None:
            return Request(message.text, audience, command=parsed)
        state = AcceptState(
            user=scene.user,
            member=scene.member,
            conversation=replace(scene.conversation, mode_floor=scene.floor),
            profiles=scene.profiles,
            role=message.sender.role,
            incognito_unavailable=await self._vault.unavailable(),
            running=await self._store.is_busy(scene.conversation.id),
            now=self._clock.now(),
        )
        transition = command.transition(state, parsed.arguments)
        if self._is_explicit(message) and not transition.cancel_running:
            # The session holds its own mode and profile; "you are incognito now" would not be true of it.
            raise Conflict(user_message=EXPLICIT)
        return Request(message.text, audience, transition=transition, answer=transition.reply)

    def _private_replies(self, message: InboundMessage) -> PrivateReplies:
        capabilities = self._capabilities.get(message.place.platform)
        return capabilities.private_replies if capabilities else PrivateReplies.NONE

    async def _session(
        self, message: InboundMessage, scene: Scene, request: Request, pinned: ChatSession | None
    ) -> SessionChange:
        if pinned is not None:
            return SessionChange(pinned.id)
        kind = scene.conversation.kind
        in_space = belongs_to_space(kind, request.audience, mode_of(scene))
        owner = scene.conversation.space_id if in_space and scene.conversation.space_id else scene.user.id
        profile_id = scene.space.profile_id if in_space and scene.space else own_profile(scene).id
        asked = bool(request.transition and request.transition.new_session)
        need = SessionNeed(profile_id, session_mode(kind, in_space, mode_of(scene)), asked)
        current = scene.space_session if in_space else scene.own_session
        if current is None and in_space:
            current = await self._opened_by(message, owner)
        idle = self._policy.incognito_idle if need.mode is PrivacyMode.INCOGNITO else self._policy.session_idle
        now = self._clock.now()
        reason = session_break(current, need, now, idle)
        if reason is SessionBreak.NONE and current is not None:
            return SessionChange(current.id)
        opened = ChatSession(
            id=SessionId(new_id()),
            user_id=owner,
            conversation_id=scene.conversation.id,
            memory_profile_id=profile_id,
            privacy_mode=need.mode,
            created_at=now,
            updated_at=now,
        )
        close = (current.id,) if current is not None and current.closed_at is None else ()
        return SessionChange(opened.id, close, opened, reason)

    def _leave_incognito(self, before: Scene, after: Scene, change: SessionChange) -> SessionChange:
        """In a room the incognito session is the person's own, beside the space's: it ends with the mode."""
        if mode_of(after) is PrivacyMode.INCOGNITO:
            return change
        own = before.own_session
        if own is None or own.privacy_mode is not PrivacyMode.INCOGNITO or own.id in (change.session_id, *change.close):
            return change
        return replace(change, close=(*change.close, own.id))

    async def _opened_by(self, message: InboundMessage, owner: object) -> ChatSession | None:
        """The session of the message that a thread starts at, when the bot answered it (rule 2)."""
        if not message.thread_root:
            return None
        place = message.place
        root = await self._store.find_turn_by_event(event_key(place.platform, place.workspace_id, message.thread_root))
        if root is None or root.stamp.owner_id != owner or root.stamp.audience is not Audience.ROOM:
            return None
        session = await self._store.get_chat_session(root.stamp.owner_id, root.stamp.session_id)
        return session if session.closed_at is None else None

    async def _stamp(self, scene: Scene, request: Request, session_id: SessionId, pinned: ChatSession | None) -> Stamp:
        mode = pinned.privacy_mode if pinned else mode_of(scene)
        profile = own_profile(scene)
        if pinned and pinned.memory_profile_id is not None:
            profile = next(item for item in scene.profiles if item.id == pinned.memory_profile_id)
        in_space = belongs_to_space(scene.conversation.kind, request.audience, mode)
        shared = tuple(share.namespace for share in scene.shares) if in_space else ()
        return Stamp(
            conversation_id=scene.conversation.id,
            session_id=session_id,
            author_id=scene.user.id,
            identity_id=scene.identity.id,
            owner_id=(scene.conversation.space_id or scene.user.id) if in_space else scene.user.id,
            profile_id=scene.space.profile_id if in_space and scene.space else profile.id,
            mode=mode,
            audience=request.audience,
            recall=recall_scope(mode=mode, in_space=in_space, own=profile.namespace, space=scene.space, shared=shared),
            learn=learn_scope(mode=mode, in_space=in_space, own=profile.namespace, space=scene.space),
        )

    async def _row(self, message: InboundMessage, stamp: Stamp, request: Request, *, first: bool) -> InboxRow:
        """`first`: a welcome goes before it, so that it may not pass the main lane."""
        turn_id = TurnId(new_id())
        content = TurnContent(
            text=request.text,
            sender_name=message.sender.display_name,
            attachments=message.attachments,
            handle=message.handle,
            role=message.sender.role,
        )
        # A command that acted already says nothing that its ready reply does not, so it is not kept at all.
        sealed = None if request.transition else await self._vault.keep_turn(stamp, turn_id, content)
        express = request.command is not None and request.command.command.while_running
        return InboxRow(
            id=turn_id,
            event_key=message.event_key,
            stamp=stamp,
            address=ReplyAddress.of(message),
            content=sealed,
            lane=Lane.EXPRESS if not first and (express or _stops(request)) else Lane.MAIN,
            mergeable=request.is_talk and not message.attachments and not self._is_explicit(message),
            is_command=not request.is_talk,
            state=TurnState.ACCEPTED,
            sent_at=message.sent_at,
            accepted_at=self._clock.now(),
        )

    async def _ready_reply(self, row: InboxRow, request: Request) -> OutboxRow | None:
        if request.answer is None:
            return None
        return await self._outbox(row, request.answer, request.answer_kind)

    async def _outbox(self, row: InboxRow, answer: CommandReply, kind: ReplyKind) -> OutboxRow:
        now = self._clock.now()
        outbox = OutboxRow.of(row, kind, now)
        reply = Reply(
            text=answer.text,
            kind=kind,
            audience=row.stamp.audience,
            mode=row.stamp.mode,
            badge=badge(row.stamp.mode),
            buttons=answer.buttons,
        )
        return replace(outbox, content=await self._vault.keep_reply(row.stamp, outbox.id, reply))

    async def _welcome(
        self, message: InboundMessage, scene: Scene, stamp: Stamp
    ) -> tuple[tuple[InboxRow, OutboxRow], ...]:
        """A row of its own before the first message's, whose event key makes it happen once and never again."""
        in_room = scene.conversation.kind is ConversationKind.SHARED
        place = scene.conversation.parent_id or scene.conversation.id
        key = f"{place}" if in_room else f"{place}:{scene.user.id}"
        text = room_welcome(self._policy.bot_name) if in_room else welcome(self._policy.bot_name, mode_of(scene))
        # The welcome holds nothing of the person, so that it is an ordinary reply also when the talk is incognito.
        open_stamp = replace(stamp, mode=PrivacyMode.NORMAL, recall=(), learn=None)
        return (await self._notice(f"welcome:{key}", open_stamp, ReplyAddress.of(message), message.sent_at, text),)

    def _greets(self, message: InboundMessage, scene: Scene, stamp: Stamp) -> bool:
        """A room is greeted where all can read it, so not by the answer to one asker alone."""
        alone = scene.conversation.kind is ConversationKind.SHARED and stamp.audience is Audience.ASKER
        return not (scene.member.welcomed or alone or self._is_explicit(message))

    def _is_explicit(self, message: InboundMessage) -> bool:
        """A place made by a person who read on a page what this is needs no welcome."""
        capabilities = self._capabilities.get(message.place.platform)
        return capabilities is not None and capabilities.explicit_sessions


def own_profile(scene: Scene) -> MemoryProfile:
    """The profile that the member chose for this place, else their default."""
    chosen = [profile for profile in scene.profiles if profile.id == scene.member.profile_id]
    return (chosen or [profile for profile in scene.profiles if profile.is_default])[0]


def mode_of(scene: Scene) -> PrivacyMode:
    """The member's own mode, or what a manager set for all when that is stricter."""
    return stricter(scene.member.mode, scene.floor)


def _changed_member(member: Member, transition: Transition | None) -> Member:
    if transition is None:
        return member
    return replace(
        member,
        mode=transition.mode if transition.mode is not None else member.mode,
        profile_id=transition.profile_id if transition.profile_id is not None else member.profile_id,
    )


def _stops(request: Request) -> bool:
    return bool(request.transition and request.transition.cancel_running)
