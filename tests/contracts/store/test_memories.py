from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from core.batches import LearnBatch
from core.errors import ErasedMeanwhile, NotFound
from core.ports import Store
from core.sealing import Sealed
from core.types import MemoryId, MemoryNamespace, MemoryState, NamespaceState, ProfileId, new_id
from tests.contracts.store.cast import Cast


async def test_a_memory_comes_back_as_it_was_stored(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    record = cast.memory(ann.namespace, superseded_by=MemoryId(new_id()), vector=None)
    stored = await store.store_mem0_memory_reference(record)
    assert stored == replace(record, generation=1)
    assert await store.get_mem0_memory_reference(ann.user.id, record.id) == stored
    assert await store.get_mem0_memory_references(ann.namespace) == [stored]


async def test_storing_again_replaces_the_row(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    first = await cast.remembered(ann.namespace)
    second = await store.store_mem0_memory_reference(replace(first, text=Sealed("changed", None)))
    assert (second.text, second.generation) == (Sealed("changed", None), 2)
    assert await store.get_mem0_memory_references(ann.namespace) == [second]


async def test_another_persons_memory_cannot_be_touched(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    mine = await cast.remembered(ann.namespace)
    stolen = MemoryNamespace(eve.user.id, ann.namespace.profile_id)
    for call in (
        store.get_mem0_memory_reference(eve.user.id, mine.id),
        store.delete_mem0_memory_reference(eve.user.id, mine.id),
        store.store_mem0_memory_reference(replace(mine, namespace=eve.namespace)),
        store.store_mem0_memory_reference(cast.memory(stolen)),
        store.store_mem0_memory_reference(cast.memory(MemoryNamespace(ann.user.id, ProfileId(new_id())))),
        store.erase_namespace(stolen),
        store.apply_learning(LearnBatch(eve.namespace, 0, add=(mine,))),
        store.apply_learning(LearnBatch(eve.namespace, 0, add=(replace(mine, namespace=eve.namespace),))),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(ErasedMeanwhile):
        await store.apply_learning(LearnBatch(stolen, 0, add=(cast.memory(stolen),)))
    await store.apply_learning(LearnBatch(eve.namespace, 0, remove=(mine.id,), supersede=((mine.id, mine.id),)))
    assert await store.get_mem0_memory_references(stolen) == []
    assert (await store.get_memory_changes(stolen, 0)).records == ()
    assert await store.find_memories_by_turn(eve.user.id, mine.source_turns[0]) == []
    assert await store.get_mem0_memory_references(ann.namespace) == [mine]
    assert await store.get_namespace_state(ann.namespace) == NamespaceState(1, 0)


async def test_sixty_four_writes_at_once_lose_nothing(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    stored = await asyncio.gather(*(cast.remembered(ann.namespace) for _ in range(64)))
    assert sorted(record.generation for record in stored) == list(range(1, 65))
    assert await store.count_mem0_memory_references(ann.namespace) == 64
    assert len(await store.get_mem0_memory_references(ann.namespace, 100)) == 64


async def test_pages_are_newest_said_first_and_stable(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    made = []
    for number in range(9):
        cast.clock.advance(number % 2)
        made.append(await cast.remembered(ann.namespace))
    old = await cast.remembered(ann.namespace, state=MemoryState.SUPERSEDED)
    newest_first = made[::-1]
    assert await store.get_mem0_memory_references(ann.namespace) == newest_first
    pages = [await store.get_mem0_memory_references(ann.namespace, 4, offset) for offset in (0, 4, 8, 12)]
    assert [record for page in pages for record in page] == newest_first
    assert await store.get_mem0_memory_references(ann.namespace, include_superseded=True) == [old, *newest_first]
    assert await store.count_mem0_memory_references(ann.namespace) == 9


async def test_a_reader_is_told_what_changed_since(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    assert await store.get_namespace_state(ann.namespace) == NamespaceState()
    one, two = await cast.remembered(ann.namespace), await cast.remembered(ann.namespace)
    changes = await store.get_memory_changes(ann.namespace, 1)
    assert (changes.records, changes.complete, changes.state) == ((two,), False, NamespaceState(2, 0))
    assert (await store.get_memory_changes(ann.namespace, 2)).records == ()
    await store.delete_mem0_memory_reference(ann.user.id, one.id)
    changes = await store.get_memory_changes(ann.namespace, 2)
    assert (changes.records, changes.complete, changes.state.generation) == ((two,), True, 3)
    after = await store.get_memory_changes(ann.namespace, 3)
    assert (after.records, after.complete) == ((), False)
    three = await cast.remembered(ann.namespace)
    assert (await store.get_memory_changes(ann.namespace, 3)).records == (three,)
    assert (await store.get_memory_changes(ann.namespace, 99)).complete


async def test_learning_is_one_write(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    recent, old, kept = [await cast.remembered(ann.namespace) for _ in range(3)]
    fact = cast.memory(ann.namespace, state=MemoryState.LEARNED)
    cast.clock.advance(5)
    batch = LearnBatch(ann.namespace, 0, add=(fact,), remove=(recent.id,), supersede=((old.id, fact.id),))
    assert await store.apply_learning(batch) == NamespaceState(4, 0)
    changes = await store.get_memory_changes(ann.namespace, 3)
    assert changes.complete
    superseded = replace(old, state=MemoryState.SUPERSEDED, superseded_by=fact.id, updated_at=cast.now, generation=4)
    by_id = {record.id: record for record in changes.records}
    assert by_id == {old.id: superseded, kept.id: kept, fact.id: replace(fact, generation=4)}
    adding = LearnBatch(ann.namespace, 0, add=(cast.memory(ann.namespace),))
    assert await store.apply_learning(adding) == NamespaceState(5, 0)
    assert not (await store.get_memory_changes(ann.namespace, 4)).complete


async def test_an_erased_namespace_takes_no_late_write(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    row = cast.row(ann)
    await store.create_chat_message(ann.user.id, cast.said(ann, row))
    await cast.remembered(ann.namespace)
    assert await store.erase_namespace(ann.namespace) == 1
    assert await store.get_namespace_state(ann.namespace) == NamespaceState(2, 1)
    assert await store.get_unlearned_messages(ann.namespace, 10) == []
    assert await store.find_namespaces_to_learn(cast.now, 1) == []
    with pytest.raises(ErasedMeanwhile):
        await store.apply_learning(LearnBatch(ann.namespace, 0, add=(cast.memory(ann.namespace),)))
    with pytest.raises(ErasedMeanwhile):
        await store.store_mem0_memory_reference(cast.memory(ann.namespace), erase_generation=0)
    assert await store.count_mem0_memory_references(ann.namespace) == 0
    late = await store.store_mem0_memory_reference(cast.memory(ann.namespace), erase_generation=1)
    changes = await store.get_memory_changes(ann.namespace, 1)
    assert (changes.complete, changes.records) == (True, (late,))
    assert await store.erase_namespace(ann.namespace) == 1
    assert await store.erase_namespace(ann.namespace) == 0
    assert (await store.get_namespace_state(ann.namespace)).erase_generation == 3


async def test_memories_are_found_by_the_turn_they_came_of(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    _, _, space = await cast.room()
    own = await cast.remembered(ann.namespace)
    in_room = await cast.remembered(space, author_id=ann.user.id, source_turns=own.source_turns[:1])
    assert await store.find_memories_by_turn(ann.user.id, own.source_turns[0]) == [own, in_room]
    assert await store.find_memories_by_turn(space.user_id, own.source_turns[0]) == [in_room]
    assert await store.find_memories_by_turn(ann.user.id, own.source_turns[1]) == [own]
    assert await store.get_authored_memories(ann.user.id) == [in_room]
    assert await store.get_authored_memories(space.user_id) == []


async def test_rows_of_another_embedder_are_found(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    old = [await cast.remembered(who.namespace, embedder="old/8") for who in (ann, bob, ann)]
    await cast.remembered(ann.namespace)
    assert await store.find_memories_to_embed("minilm/384", 10) == old
    assert await store.find_memories_to_embed("minilm/384", 2) == old[:2]
