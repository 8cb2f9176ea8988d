"""What a mode allows, and which memories one reply may use (design §5). Pure rules, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import Audience, ConversationKind, MemoryNamespace, PrivacyMode

_STRICTNESS = (PrivacyMode.NORMAL, PrivacyMode.PAUSE_MEMORIES, PrivacyMode.INCOGNITO)

_BADGES = {
    PrivacyMode.NORMAL: "",
    PrivacyMode.PAUSE_MEMORIES: "⏸ memory paused",
    PrivacyMode.INCOGNITO: "🕶 incognito",
}


@dataclass(frozen=True, slots=True)
class PrivacyPolicy:
    """`recall`: memories may enter the prompt; `learn`: new ones may come of it; `persist`: its text may be stored."""

    recall: bool
    learn: bool
    persist: bool


_POLICIES = {
    PrivacyMode.NORMAL: PrivacyPolicy(recall=True, learn=True, persist=True),
    PrivacyMode.PAUSE_MEMORIES: PrivacyPolicy(recall=True, learn=False, persist=True),
    PrivacyMode.INCOGNITO: PrivacyPolicy(recall=False, learn=False, persist=False),
}


def policy_of(mode: PrivacyMode) -> PrivacyPolicy:
    return _POLICIES[mode]


def stricter(one: PrivacyMode, other: PrivacyMode) -> PrivacyMode:
    """The one that allows less."""
    return max(one, other, key=_STRICTNESS.index)


def badge(mode: PrivacyMode) -> str:
    """The sign that goes with every reply of a mode, `''` in normal mode."""
    return _BADGES[mode]


def belongs_to_space(kind: ConversationKind, audience: Audience, mode: PrivacyMode) -> bool:
    """Whether a turn's session and memory are the space's: what the room can read, unless its author is incognito."""
    return kind is ConversationKind.SHARED and audience is Audience.ROOM and mode is not PrivacyMode.INCOGNITO


def recall_scope(
    *,
    mode: PrivacyMode,
    in_space: bool,
    own: MemoryNamespace,
    space: MemoryNamespace | None,
    shared: Sequence[MemoryNamespace] = (),
) -> tuple[MemoryNamespace, ...]:
    """The namespaces that a reply may recall: the asker's own profile, or in a room the space's and those shared
    there."""
    if not policy_of(mode).recall:
        return ()
    if not in_space:
        return (own,)
    return ((space,) if space else ()) + tuple(shared)


def learn_scope(
    *, mode: PrivacyMode, in_space: bool, own: MemoryNamespace, space: MemoryNamespace | None
) -> MemoryNamespace | None:
    """The namespace that learns from a turn, or None."""
    if not policy_of(mode).learn:
        return None
    return space if in_space else own
