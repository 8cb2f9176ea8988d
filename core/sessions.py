"""When a stretch of talk goes on and when a new one begins. Design §4, rule by rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.types import ChatSession, ConversationKind, PrivacyMode, ProfileId


class SessionBreak(StrEnum):
    """Why a new session begins; NONE: the current one goes on."""

    NONE = "none"
    FIRST = "first"
    ASKED = "asked"
    PROFILE = "profile"
    MODE = "mode"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class SessionNeed:
    """What a turn needs of its session. `explicit` sessions (REST) never end by themselves."""

    profile_id: ProfileId
    mode: PrivacyMode
    asked_new: bool = False
    explicit: bool = False


def session_mode(kind: ConversationKind, in_space: bool, mode: PrivacyMode) -> PrivacyMode:
    """A room's session is normal whatever its members' modes are, because those belong to their turns (rule 4)."""
    return PrivacyMode.NORMAL if kind is ConversationKind.SHARED and in_space else mode


def session_break(current: ChatSession | None, need: SessionNeed, now: datetime, idle: timedelta) -> SessionBreak:
    """Why `current` cannot hold a turn with this need; `idle` is the longest silence a session survives."""
    if current is None or current.closed_at is not None:
        return SessionBreak.FIRST
    if need.asked_new:
        return SessionBreak.ASKED
    if current.memory_profile_id != need.profile_id:
        return SessionBreak.PROFILE
    if current.privacy_mode is not need.mode:
        return SessionBreak.MODE
    if not need.explicit and now - current.updated_at > idle:
        return SessionBreak.IDLE
    return SessionBreak.NONE
