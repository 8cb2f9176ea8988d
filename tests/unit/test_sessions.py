"""Design §4, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.sessions import SessionBreak, SessionNeed, session_break, session_mode
from core.types import ChatSession, ConversationId, ConversationKind, PrivacyMode, ProfileId, SessionId, UserId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDLE = timedelta(hours=12)
WORK, HOME = ProfileId("work"), ProfileId("home")
NORMAL, PAUSE, INCOGNITO = PrivacyMode.NORMAL, PrivacyMode.PAUSE_MEMORIES, PrivacyMode.INCOGNITO

TALK = ChatSession(
    id=SessionId("s"),
    user_id=UserId("u"),
    conversation_id=ConversationId("c"),
    memory_profile_id=WORK,
    privacy_mode=NORMAL,
    created_at=NOW - timedelta(hours=13),
    updated_at=NOW - timedelta(minutes=1),
)

ROWS = [
    ("1: the first message opens one", None, SessionNeed(WORK, NORMAL), SessionBreak.FIRST),
    ("1: talk goes on", TALK, SessionNeed(WORK, NORMAL), SessionBreak.NONE),
    ("1: /new", TALK, SessionNeed(WORK, NORMAL, asked_new=True), SessionBreak.ASKED),
    ("1: exactly idle still holds", replace(TALK, updated_at=NOW - IDLE), SessionNeed(WORK, NORMAL), SessionBreak.NONE),
    (
        "1: idle for longer",
        replace(TALK, updated_at=NOW - IDLE - timedelta(seconds=1)),
        SessionNeed(WORK, NORMAL),
        SessionBreak.IDLE,
    ),
    ("3: profile change", TALK, SessionNeed(HOME, NORMAL), SessionBreak.PROFILE),
    ("3: entering incognito", TALK, SessionNeed(WORK, INCOGNITO), SessionBreak.MODE),
    ("3: leaving incognito", replace(TALK, privacy_mode=INCOGNITO), SessionNeed(WORK, NORMAL), SessionBreak.MODE),
    ("1: pausing", TALK, SessionNeed(WORK, PAUSE), SessionBreak.MODE),
    (
        "5: explicit sessions never idle out",
        replace(TALK, updated_at=NOW - timedelta(days=99)),
        SessionNeed(WORK, NORMAL, explicit=True),
        SessionBreak.NONE,
    ),
    ("5: profile deleted", replace(TALK, memory_profile_id=None), SessionNeed(WORK, NORMAL), SessionBreak.PROFILE),
    ("a closed one is over", replace(TALK, closed_at=NOW), SessionNeed(WORK, NORMAL), SessionBreak.FIRST),
]


@pytest.mark.parametrize(("rule", "current", "need", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_when_a_session_ends(rule: str, current: ChatSession | None, need: SessionNeed, expected: SessionBreak) -> None:
    assert session_break(current, need, NOW, IDLE) is expected


def test_a_rooms_session_is_normal_whatever_the_members_modes_are() -> None:
    assert session_mode(ConversationKind.SHARED, True, PAUSE) is NORMAL
    assert session_mode(ConversationKind.SHARED, False, INCOGNITO) is INCOGNITO
    assert session_mode(ConversationKind.PRIVATE, False, PAUSE) is PAUSE
