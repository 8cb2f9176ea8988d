"""The privacy policy as a table, and as properties over every combination."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidNamespace
from core.privacy import badge, belongs_to_space, learn_scope, policy_of, recall_scope, stricter
from core.types import Audience, ConversationKind, MemoryNamespace, PrivacyMode, ProfileId, UserId, new_id


def namespace() -> MemoryNamespace:
    return MemoryNamespace(UserId(new_id()), ProfileId(new_id()))


OWN, SPACE, SHARED = namespace(), namespace(), namespace()
COMBINATIONS = list(product(PrivacyMode, ConversationKind, Audience))


@pytest.mark.parametrize(("mode", "kind", "audience"), COMBINATIONS)
def test_what_a_reply_may_recall(mode: PrivacyMode, kind: ConversationKind, audience: Audience) -> None:
    in_space = belongs_to_space(kind, audience, mode)
    recalled = recall_scope(mode=mode, in_space=in_space, own=OWN, space=SPACE, shared=(SHARED,))
    readable_by_room = kind is ConversationKind.SHARED and audience is Audience.ROOM
    if mode is PrivacyMode.INCOGNITO:
        assert recalled == ()
    elif readable_by_room:
        assert recalled == (SPACE, SHARED)
    else:
        assert recalled == (OWN,)


@pytest.mark.parametrize(("mode", "kind", "audience"), COMBINATIONS)
def test_where_a_turn_is_learned(mode: PrivacyMode, kind: ConversationKind, audience: Audience) -> None:
    in_space = belongs_to_space(kind, audience, mode)
    learned = learn_scope(mode=mode, in_space=in_space, own=OWN, space=SPACE)
    if mode is not PrivacyMode.NORMAL:
        assert learned is None
    else:
        assert learned == (SPACE if kind is ConversationKind.SHARED and audience is Audience.ROOM else OWN)


def test_only_incognito_is_kept_off_the_disk() -> None:
    assert [policy_of(mode).persist for mode in PrivacyMode] == [True, True, False]


@given(st.sampled_from(PrivacyMode), st.sampled_from(PrivacyMode))
def test_the_stricter_mode_allows_no_more_than_either(one: PrivacyMode, other: PrivacyMode) -> None:
    both = policy_of(stricter(one, other))
    for policy in (policy_of(one), policy_of(other)):
        assert both.recall <= policy.recall
        assert both.learn <= policy.learn
        assert both.persist <= policy.persist
    assert stricter(one, other) is stricter(other, one)


def test_every_mode_but_normal_has_a_badge() -> None:
    assert badge(PrivacyMode.NORMAL) == ""
    assert len({badge(mode) for mode in PrivacyMode}) == len(PrivacyMode)


A_UUID = "0b8f1c9e-6a55-4c1e-9d43-2f6f3f0a7c11"


@pytest.mark.parametrize(
    "part",
    ["*", "", " ", "a:b", "A" * 300, A_UUID.upper(), f" {A_UUID}", A_UUID[:-1] + "á", A_UUID.replace("-", ""), "null"],
)
def test_a_namespace_is_built_from_canonical_ids_only(part: str) -> None:
    with pytest.raises(InvalidNamespace):
        MemoryNamespace(UserId(part), ProfileId(new_id()))
    with pytest.raises(InvalidNamespace):
        MemoryNamespace(UserId(new_id()), ProfileId(part))


@given(st.text(max_size=400))
def test_no_text_parses_into_somebody_elses_namespace(text: str) -> None:
    try:
        parsed = MemoryNamespace.parse(text)
    except InvalidNamespace:
        return
    assert str(parsed) == text
