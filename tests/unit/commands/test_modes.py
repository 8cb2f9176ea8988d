"""Commands that act at accept: a state goes in, a transition comes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands.profile import MAX_COMMAND_BYTES, use_command
from core.commands.registry import AcceptState, Transition, build_registry
from core.errors import BadArgument, Forbidden, IncognitoUnavailable, InvalidName, NotFound
from core.messages import RoomRole
from core.privacy import stricter
from core.profiles import clean_profile_name
from core.types import (
    Conversation,
    ConversationId,
    ConversationKind,
    Member,
    MemoryProfile,
    Place,
    PlatformName,
    PrivacyMode,
    ProfileId,
    User,
    UserId,
    UserKind,
    new_id,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NORMAL, PAUSE, INCOGNITO = PrivacyMode.NORMAL, PrivacyMode.PAUSE_MEMORIES, PrivacyMode.INCOGNITO
ANA = User(UserId(new_id()), UserKind.PERSON, NOON, NOON, display_name="Ana")
REGISTRY = build_registry()


def profile(name: str, *, default: bool = False) -> MemoryProfile:
    return MemoryProfile(ProfileId(new_id()), ANA.id, name, default, NOON, NOON)


PERSONAL, WORK = profile("personal", default=True), profile("Work")


def state(
    mode: PrivacyMode = NORMAL,
    *,
    room: bool = False,
    manager: bool = False,
    floor: PrivacyMode = NORMAL,
    unavailable: str | None = None,
) -> AcceptState:
    kind = ConversationKind.SHARED if room else ConversationKind.PRIVATE
    place = Place(PlatformName("test"), "", "chat")
    conversation = Conversation(ConversationId(new_id()), place, kind, NOON, mode_floor=floor)
    return AcceptState(
        user=ANA,
        member=Member(conversation.id, ANA.id, mode=mode),
        conversation=conversation,
        profiles=(PERSONAL, WORK),
        role=RoomRole.MANAGER if manager else RoomRole.MEMBER,
        incognito_unavailable=unavailable,
        running=False,
        now=NOON,
    )


def run(text: str, before: AcceptState) -> Transition:
    parsed = REGISTRY.parse(text)
    assert parsed is not None
    assert parsed.command.transition is not None
    return parsed.command.transition(before, parsed.arguments)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("/incognito", NORMAL, INCOGNITO),
        ("/incognito on", PAUSE, INCOGNITO),
        ("/incognito on", INCOGNITO, None),
        ("/incognito off", INCOGNITO, NORMAL),
        ("/incognito off", PAUSE, None),
        ("/incognito off", NORMAL, None),
        ("/pause", NORMAL, PAUSE),
        ("/pause", PAUSE, None),
        ("/pause", INCOGNITO, None),
        ("/resume", PAUSE, NORMAL),
        ("/resume", NORMAL, None),
        ("/resume", INCOGNITO, None),
        ("/privacy", PAUSE, None),
        ("/privacy normal", INCOGNITO, NORMAL),
        ("/privacy pause", INCOGNITO, PAUSE),
        ("/privacy incognito", NORMAL, INCOGNITO),
        ("/privacy incognito", INCOGNITO, None),
    ],
)
def test_modes_change_as_asked_and_never_loosen_by_the_way(
    text: str, before: PrivacyMode, after: PrivacyMode | None
) -> None:
    transition = run(text, state(before))
    assert transition.mode is after
    assert transition.mode_floor is None
    assert not transition.new_session


def test_incognito_is_announced_honestly() -> None:
    text = run("/incognito", state()).reply.text
    for promise in ("store no word", "chat platform", "language model", "/incognito off"):
        assert promise in text


def test_leaving_incognito_says_that_the_talk_is_gone() -> None:
    assert "over and gone" in run("/incognito off", state(INCOGNITO)).reply.text


@pytest.mark.parametrize("text", ["/pause", "/resume"])
def test_what_would_loosen_incognito_is_offered_as_a_button(text: str) -> None:
    transition = run(text, state(INCOGNITO))
    (button,) = transition.reply.buttons
    assert run(button.command, state(INCOGNITO)).mode is not None


@pytest.mark.parametrize("text", ["/incognito", "/privacy incognito", "/incognito on room"])
def test_incognito_that_cannot_be_held_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(IncognitoUnavailable) as caught:
        run(text, state(room=True, manager=True, unavailable="two processes share no memory"))
    assert "two processes share no memory" in caught.value.user_message


def test_leaving_incognito_works_even_where_it_cannot_be_held() -> None:
    assert run("/incognito off", state(INCOGNITO, unavailable="no")).mode is NORMAL


@pytest.mark.parametrize("mode", list(PrivacyMode))
def test_the_overview_offers_the_other_modes(mode: PrivacyMode) -> None:
    reply = run("/privacy", state(mode)).reply
    offered = {run(button.command, state(mode)).mode for button in reply.buttons}
    assert offered == set(PrivacyMode) - {mode}


def test_a_manager_sets_the_mode_of_a_room() -> None:
    transition = run("/pause room", state(room=True, manager=True))
    assert (transition.mode, transition.mode_floor) == (None, PAUSE)
    loosened = run("/resume room", state(room=True, manager=True, floor=PAUSE))
    assert (loosened.mode, loosened.mode_floor) == (None, NORMAL)


def test_the_same_room_mode_again_changes_nothing() -> None:
    transition = run("/privacy pause room", state(room=True, manager=True, floor=PAUSE))
    assert transition.mode_floor is None
    assert "already" in transition.reply.text


@pytest.mark.parametrize("text", ["/pause room", "/incognito room", "/privacy normal room", "/resume room"])
def test_a_member_cannot_set_it_for_everybody(text: str) -> None:
    with pytest.raises(Forbidden):
        run(text, state(room=True, floor=PAUSE))


def test_there_is_no_room_in_a_private_chat() -> None:
    with pytest.raises(BadArgument):
        run("/pause room", state())


def test_a_members_own_mode_counts_for_them_alone() -> None:
    transition = run("/pause", state(room=True))
    assert (transition.mode, transition.mode_floor) == (PAUSE, None)
    assert "you alone" in transition.reply.text


def test_below_the_rooms_mode_the_wish_is_kept_and_the_truth_told() -> None:
    transition = run("/resume", state(PAUSE, room=True, floor=PAUSE))
    assert transition.mode is NORMAL
    assert "managers" in transition.reply.text
    assert "managers" in run("/privacy", state(room=True, floor=PAUSE)).reply.text


@given(
    st.sampled_from(["/pause", "/resume", "/incognito", "/incognito off", "/privacy", "/privacy pause"]),
    st.sampled_from(list(PrivacyMode)),
    st.sampled_from(list(PrivacyMode)),
)
def test_the_reply_names_the_mode_that_holds_afterwards(text: str, own: PrivacyMode, floor: PrivacyMode) -> None:
    titles = {NORMAL: "Normal mode", PAUSE: "Memory paused", INCOGNITO: "ncognito"}
    before = state(own, room=True, floor=floor)
    transition = run(text, before)
    assert titles[stricter(transition.mode or own, floor)] in transition.reply.text


def test_new_and_stop() -> None:
    assert run("/new", state()).new_session
    assert "room" in run("/new", state(room=True)).reply.text
    stopped = run("/stop", state())
    assert stopped.cancel_running
    assert not stopped.new_session


@pytest.mark.parametrize(
    "text", ["/profile use work", "/profile use  WORK", "/profile use WORK_ID", "profile use work"]
)
def test_a_profile_is_chosen_by_name_or_id(text: str) -> None:
    transition = run(text.replace("WORK_ID", WORK.id), state())
    assert transition.profile_id == WORK.id
    assert "**Work** now" in transition.reply.text


def test_in_a_room_the_profile_is_for_private_answers() -> None:
    assert "you alone" in run("/profile use work", state(room=True)).reply.text


def test_the_profile_in_use_stays_without_a_new_talk() -> None:
    transition = run("/profile use personal", state())
    assert transition.profile_id is None
    assert "already" in transition.reply.text


def test_an_unknown_profile_names_the_nearest_of_ones_own() -> None:
    with pytest.raises(NotFound) as caught:
        run("/profile use werk", state())
    assert "**Work**" in caught.value.user_message
    with pytest.raises(NotFound) as caught:
        run(f"/profile use {new_id()}", state())
    assert "personal, Work" in caught.value.user_message


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_the_button_of_every_possible_profile_leads_to_it(text: str) -> None:
    try:
        named = profile(clean_profile_name(text))
    except InvalidName:
        return
    command = use_command(named)
    assert len(command.encode()) <= MAX_COMMAND_BYTES
    assert run(command, replace(state(), profiles=(PERSONAL, named))).profile_id == named.id
