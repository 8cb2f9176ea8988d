"""The session and the stamp that a message is accepted with (design §1, §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.batches import Scene
from core.commands.model import Transition
from core.compose import TALK_EXPIRED
from core.messages import InboundMessage, Stamp, event_key
from core.policy import EnginePolicy
from core.ports import Clock, Store
from core.privacy import belongs_to_space, learn_scope, recall_scope, stricter
from core.requests import Request
from core.sessions import SessionBreak, SessionNeed, session_break, session_mode
from core.types import Audience, ChatSession, Member, MemoryProfile, PrivacyMode, SessionId, new_id


@dataclass(frozen=True, slots=True)
class SessionChange:
    session_id: SessionId
    close: tuple[SessionId, ...] = ()
    opened: ChatSession | None = None
    reason: SessionBreak = SessionBreak.NONE

    def note(self, mode: PrivacyMode) -> str:
        """What the reply has to tell besides its answer: an incognito talk that ended by itself."""
        return TALK_EXPIRED if self.reason is SessionBreak.IDLE and mode is PrivacyMode.INCOGNITO else ""


class SessionChooser:
    def __init__(self, store: Store, clock: Clock, policy: EnginePolicy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    async def choose(
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


def leave_incognito(before: Scene, after: Scene, change: SessionChange) -> SessionChange:
    """In a room the incognito session is the person's own, beside the space's: it ends with the mode."""
    if mode_of(after) is PrivacyMode.INCOGNITO:
        return change
    own = before.own_session
    if own is None or own.privacy_mode is not PrivacyMode.INCOGNITO or own.id in (change.session_id, *change.close):
        return change
    return replace(change, close=(*change.close, own.id))


def stamp_of(scene: Scene, request: Request, session_id: SessionId, pinned: ChatSession | None) -> Stamp:
    """Who wrote it, under which mode, for which readers, and what its reply may recall and teach."""
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


def own_profile(scene: Scene) -> MemoryProfile:
    """The profile that the member chose for this place, else their default."""
    chosen = [profile for profile in scene.profiles if profile.id == scene.member.profile_id]
    return (chosen or [profile for profile in scene.profiles if profile.is_default])[0]


def mode_of(scene: Scene) -> PrivacyMode:
    """The member's own mode, or what a manager set for all when that is stricter."""
    return stricter(scene.member.mode, scene.floor)


def changed_member(member: Member, transition: Transition | None) -> Member:
    if transition is None:
        return member
    return replace(
        member,
        mode=transition.mode if transition.mode is not None else member.mode,
        profile_id=transition.profile_id if transition.profile_id is not None else member.profile_id,
    )
