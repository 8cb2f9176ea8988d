"""Accept: everything that happens to a message before its platform is acknowledged (design §3.2).

Serial per conversation. Afterwards the message is durable and stamped: who wrote it, in which session, under which
mode, for which readers, and which memories its reply may use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime

from core.access import AccessControl
from core.batches import AcceptBatch, Scene
from core.capabilities import PlatformCapabilities
from core.commands.model import CommandReply, Transition
from core.commands.registry import Registry
from core.errors import StaleMember
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
from core.pacing import Pacing
from core.policy import EnginePolicy
from core.ports import Clock, Store
from core.privacy import badge, stricter
from core.requests import Request, Requests
from core.stamping import (
    SessionChange,
    SessionChooser,
    changed_member,
    leave_incognito,
    mode_of,
    own_profile,
    stamp_of,
)
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
    PlatformName,
    PrivacyMode,
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


Foresee = Callable[[str], None]
Notify = Callable[[ConversationId, Lane, int | None], Awaitable[None]]
Stop = Callable[[ConversationId], Awaitable[bool]]
SessionEnded = Callable[[MemoryNamespace], None]


class Inbox:
    """`foresee` hears the text that a search will ask for, `notify` wakes the queue, `stop` cancels what runs,
    `session_ended` hears of namespaces that may learn now."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        registry: Registry,
        access: AccessControl,
        clock: Clock,
        policy: EnginePolicy,
        capabilities: Mapping[PlatformName, PlatformCapabilities],
        pacing: Pacing,
        *,
        foresee: Foresee,
        notify: Notify,
        stop: Stop,
        session_ended: SessionEnded,
    ) -> None:
        self._store = store
        self._vault = vault
        self._access = access
        self._clock = clock
        self._policy = policy
        self._requests = Requests(store, vault, registry, clock, policy, capabilities)
        self._sessions = SessionChooser(store, clock, policy)
        self._pacing = pacing
        self._foresee = foresee
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
        self._pacing.arrived()
        message = replace(message, text=clean_text(message.text).strip())
        async with self._locks.holding(message.place), self._line:
            if not await self._access.admits(message):
                return Acceptance.REFUSED
            row = await self._accept_with_retries(message, session)
        if row is None:
            return Acceptance.DUPLICATE
        with turn_context(row.id):
            log.info("message accepted for the %s lane", row.lane)
        await self._notify(row.stamp.conversation_id, row.lane, row.seq)
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
            await self._notify(conversation_id, Lane.MAIN, None)

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
        request = await self._requests.read(message, scene)
        transition = request.transition
        member = changed_member(scene.member, transition)
        after = replace(scene, member=member)
        if transition and transition.mode_floor is not None:
            after = replace(after, floor=transition.mode_floor)
        change = await self._sessions.choose(message, after, request, pinned)
        change = leave_incognito(scene, after, change)
        stamp = stamp_of(after, request, change.session_id, pinned)
        if message.forwarded:
            stamp = replace(stamp, learn=None)
        if stamp.recall and request.is_talk:
            self._foresee(request.text)
        greets = self._greets(message, scene, stamp)
        row = await self._row(message, stamp, request, first=greets)
        row = replace(row, note=change.note(stamp.mode))
        outbox = await self._ready_reply(row, request)
        stored = await self._store.accept(
            AcceptBatch(
                row=row,
                member=await self._member(scene, member, greets=greets),
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

    async def _member(self, scene: Scene, member: Member, *, greets: bool) -> Member | None:
        """What is written of `member`, as the request leaves them. In a thread they follow their mode in the room until
        they choose another one there, so that a greeting alone is noted at the room."""
        if member != scene.member:
            return replace(member, welcomed=member.welcomed or greets)
        if not greets:
            return None
        room = scene.conversation.parent_id
        at_room = self._newcomer(await self._store.get_member(room, member.user_id)) if room else member
        return replace(at_room, welcomed=True)

    def _newcomer(self, member: Member) -> Member:
        known = member.version or member.welcomed or self._policy.learning_default
        return member if known else replace(member, mode=stricter(member.mode, PrivacyMode.PAUSE_MEMORIES))

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
            # Together, so that they share a commit.
            await asyncio.gather(
                self._store.resolve_identity(*who, sender.display_name),
                self._store.resolve_conversation(place, message.kind),
            )
            scene = await self._store.read_scene(*who, place)
            assert scene is not None
        return replace(scene, member=self._newcomer(scene.member))

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
            mergeable=request.is_talk and not self._stands_alone(message),
            is_command=not request.is_talk,
            state=TurnState.ACCEPTED,
            sent_at=message.sent_at,
            accepted_at=self._clock.now(),
        )

    def _stands_alone(self, message: InboundMessage) -> bool:
        """Whether it is never joined with others: those are learned from, or have no files to fetch."""
        return bool(message.attachments) or message.forwarded or self._requests.is_explicit(message)

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
        return not (scene.member.welcomed or alone or self._requests.is_explicit(message))


def _stops(request: Request) -> bool:
    return bool(request.transition and request.transition.cancel_running)
