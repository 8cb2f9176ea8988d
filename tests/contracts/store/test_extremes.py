"""Texts, sizes and times at the edges; what comes out is what went in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.batches import ProfilePatch, UserPatch
from core.ports import Store
from core.sealing import Sealed
from core.types import ConversationKind, JsonValue, MessageId, Place, TurnId, new_id
from tests.contracts.store.cast import CONSOLE, Cast

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
payloads: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@relaxed
@given(texts, st.dictionaries(texts, payloads, max_size=3))
async def test_any_text_comes_back_as_it_went_in(
    store: Store, cast: Cast, text: str, payload: dict[str, JsonValue]
) -> None:
    ann = await cast.person()
    user = await store.update_user(ann.user.id, UserPatch(display_name=text, metadata=payload))
    assert await store.get_user_by_id(ann.user.id) == user
    assert (user.display_name, user.metadata) == (text, payload)
    patch = ProfilePatch(instructions=text, description=text)
    profile = await store.update_memory_profile(ann.user.id, ann.namespace.profile_id, patch)
    assert (await store.get_memory_profile(ann.user.id, profile.id)).instructions == text
    identity, created = await store.resolve_identity(CONSOLE, text, new_id() + text, text)
    assert created
    assert await store.find_identity(CONSOLE, text, identity.external_id) == identity
    row = await cast.accepted(ann, note=text, content=Sealed(text, "k"))
    assert await store.get_turn(ann.user.id, row.id) == row
    record = await cast.remembered(ann.namespace, text=Sealed(text), author_name=text, metadata=payload)
    assert await store.get_mem0_memory_reference(ann.user.id, record.id) == record


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\x00\x00", "é\x00\U0001f600"])
async def test_a_nul_neither_cuts_nor_joins(store: Store, cast: Cast, text: str) -> None:
    ann = await cast.person()
    record = await cast.remembered(ann.namespace, text=Sealed(text, None), author_name=text)
    assert (await store.get_mem0_memory_reference(ann.user.id, record.id)).text.text == text
    first = await store.resolve_conversation(Place(CONSOLE, "", f"c{text}1"), ConversationKind.PRIVATE)
    second = await store.resolve_conversation(Place(CONSOLE, "", f"c{text}2"), ConversationKind.PRIVATE)
    assert first.id != second.id
    assert await store.find_conversation(Place(CONSOLE, "", f"c{text}1")) == first


async def test_a_megabyte_is_kept_whole(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    large = Sealed("ü" * 1_000_000, "k")
    message = await store.create_chat_message(ann.user.id, replace(cast.said(ann), content=large))
    assert await store.get_session_messages(ann.user.id, ann.session.id) == [message]
    record = await cast.remembered(ann.namespace, text=large, vector=large)
    assert (await store.get_mem0_memory_references(ann.namespace))[0] == record


async def test_a_microsecond_and_a_time_zone_are_not_lost(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    east = timezone(timedelta(hours=13))
    said_at = datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=east)
    record = await cast.remembered(ann.namespace, said_at=said_at)
    later = await cast.remembered(ann.namespace, said_at=said_at + timedelta(microseconds=1))
    found = await store.get_mem0_memory_references(ann.namespace)
    assert [item.id for item in found] == [later.id, record.id]
    assert found[1].said_at == said_at
    assert found[1].said_at.utcoffset() is not None
    early = await cast.remembered(ann.namespace, said_at=datetime(1, 1, 2, tzinfo=UTC))
    assert (await store.get_mem0_memory_references(ann.namespace))[-1].said_at == early.said_at


async def test_a_clock_that_steps_back_breaks_no_order(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    first = await cast.accepted(ann)
    cast.clock.set(cast.now - timedelta(days=1))
    second = await cast.accepted(ann, id=TurnId(new_id()))
    assert (first.seq, second.seq) == (1, 2)
    one = await store.create_chat_message(ann.user.id, cast.said(ann))
    cast.clock.set(cast.now - timedelta(days=1))
    two = await store.create_chat_message(ann.user.id, replace(cast.said(ann), id=MessageId(new_id())))
    assert await store.get_session_messages(ann.user.id, ann.session.id) == [one, two]
