"""What every memory does, whatever store it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.memory.embedder import OnnxEmbedder
from core.errors import EmptyMessage, ErasedMeanwhile, InvalidNamespace, NotFound
from core.ports import MemoryOrigin
from core.text import clean_text
from core.types import MemoryId, MemoryNamespace, MemoryState, PlatformName, ProfileId, TurnId, UserId, new_id
from tests.support.remembering import House, Mind


async def test_what_is_told_is_recalled_in_other_words(ana: Mind) -> None:
    await ana.add("My dog is called Rex")
    await ana.add("I work as a nurse in Oslo")
    assert (await ana.found("What's the name of my pet?"))[0] == "My dog is called Rex"
    assert (await ana.found("where is my job"))[0] == "I work as a nurse in Oslo"


async def test_names_and_numbers_are_found_exactly(ana: Mind) -> None:
    for number in range(20):
        await ana.add(f"The parcel {number:03} went to locker {number + 500}")
    assert (await ana.found("Which locker did parcel 013 go to?"))[0] == "The parcel 013 went to locker 513"


async def test_a_true_match_of_low_similarity_is_not_cut_off(ana: Mind) -> None:
    # mem0's own threshold of 0.1 cuts matches that share a rare name only.
    await ana.add("Zyxwort 4471 QQ")
    assert await ana.found("could you look up something about zyxwort for the tax office") == ["Zyxwort 4471 QQ"]


async def test_small_talk_recalls_nothing(ana: Mind) -> None:
    await ana.add("My dog is called Rex")
    for text in ("hi!", "thanks a lot", "ok cool", "   ", "", "haha"):
        assert await ana.found(text) == []


async def test_a_memory_keeps_who_said_it_when_and_where(ana: Mind) -> None:
    turn = TurnId(new_id())
    kept = await ana.add("Ich wohne in Köln", author_name="Ana", platform=PlatformName("slack"), source_turns=(turn,))
    again = await ana.memory.get_memory(ana.namespace, kept.id)
    assert again == kept
    assert (again.author_id, again.author_name, again.platform) == (ana.user_id, "Ana", "slack")
    assert (again.source_turns, again.said_at, again.language) == ((turn,), ana.clock.now(), "de")
    assert again.state is MemoryState.LEARNED


async def test_the_same_text_is_kept_once(ana: Mind) -> None:
    first = await ana.add("I like tea.")
    again = await ana.add("  i like   TEA")
    assert again.id == first.id
    assert await ana.memory.prepare_memories(ana.namespace, "I like tea", ana.origin()) == ()
    assert await ana.memory.count_memories(ana.namespace) == 1


async def test_any_text_can_be_kept(ana: Mind) -> None:
    for text in ("nul \0 inside", "lone \ud800 surrogate", "🦊" * 300, "שלום עולם", "x" * 100_000, "* : /"):
        kept = await ana.add(text)
        assert (await ana.memory.get_memory(ana.namespace, kept.id)).text == clean_text(text)
    assert len(await ana.texts()) == 6
    with pytest.raises(EmptyMessage):
        await ana.add(" \n ")


async def test_memories_come_newest_first_in_pages(ana: Mind) -> None:
    for number in range(7):
        await ana.add(f"fact number {number}")
    pages = [await ana.memory.get_memories(ana.namespace, limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [memory.text for page in pages for memory in page] == [f"fact number {n}" for n in reversed(range(7))]


async def test_an_update_is_found_by_its_new_words_alone(ana: Mind) -> None:
    kept = await ana.add("My dentist is Dr. Miller")
    await ana.found("dentist")
    changed = await ana.memory.update_memory(ana.namespace, kept.id, "My dentist is Dr. Kowalska")
    assert (changed.id, changed.said_at, changed.author_id) == (kept.id, kept.said_at, kept.author_id)
    assert await ana.found("Who is my dentist?") == ["My dentist is Dr. Kowalska"]
    assert await ana.found("Miller") == []


async def test_what_is_deleted_is_gone(ana: Mind) -> None:
    kept = await ana.add("My dog is called Rex")
    await ana.add("My cat is called Tom")
    assert await ana.found("Rex")
    await ana.memory.delete_memory(ana.namespace, kept.id)
    assert "My dog is called Rex" not in await ana.found("my dog Rex", floor=False)
    with pytest.raises(NotFound):
        await ana.memory.get_memory(ana.namespace, kept.id)
    with pytest.raises(NotFound):
        await ana.memory.delete_memory(ana.namespace, kept.id)


async def test_another_persons_memory_does_not_exist(home: House, ana: Mind) -> None:
    ben = await home.mind()
    secret = await ana.add("My salary is 5200")
    work = await ana.profile("work")
    assert await ben.found("salary", floor=False) == []
    for stranger, namespace in ((ben, ben.namespace), (ana, work)):
        for attempt in (
            stranger.memory.get_memory(namespace, secret.id),
            stranger.memory.update_memory(namespace, secret.id, "mine now"),
            stranger.memory.delete_memory(namespace, secret.id),
        ):
            with pytest.raises(NotFound):
                await attempt
    with pytest.raises(NotFound):
        await ana.memory.get_memory(ana.namespace, MemoryId("*"))
    assert await ana.texts() == ["My salary is 5200"]


@pytest.mark.parametrize("part", ["*", "", " ", "a:b", "%", "00000000-0000-0000-0000-00000000000*"])
async def test_no_wildcard_gets_into_a_namespace(ana: Mind, part: str) -> None:
    with pytest.raises(InvalidNamespace):
        ana.memory.create_user_identifier(UserId(part), new_id())
    with pytest.raises(InvalidNamespace):
        ana.memory.create_user_identifier(ana.user_id, part)
    assert ana.memory.create_user_identifier(ana.user_id, ana.namespace.profile_id) == str(ana.namespace)


async def test_profiles_are_apart_and_can_be_searched_together(ana: Mind) -> None:
    work = await ana.profile("work")
    await ana.add("My favourite colour is green")
    await ana.add("My project is called Albatross", work)
    assert await ana.found("Albatross") == []
    assert await ana.found("my project Albatross", work) == ["My project is called Albatross"]
    both = await ana.found("my project Albatross and my favourite colour", ana.namespace, work)
    assert set(both) == {"My project is called Albatross", "My favourite colour is green"}


async def test_a_text_in_two_profiles_is_recalled_once(ana: Mind) -> None:
    work = await ana.profile("work")
    await ana.add("I am allergic to peanuts")
    await ana.add("I am allergic to peanuts.", work)
    assert len(await ana.found("allergic to peanuts", ana.namespace, work)) == 1


async def test_a_profile_can_be_copied_into_another(home: House, ana: Mind) -> None:
    work = await ana.profile("work")
    first = await ana.add("I am allergic to peanuts", author_name="Ana")
    await ana.add("I like tea")
    await ana.add("I like tea!", work)
    assert await ana.memory.copy_memories_to_profile(ana.namespace, work) == 1
    assert await ana.memory.copy_memories_to_profile(ana.namespace, work) == 0
    copy = (await ana.recalled("peanuts", work))[0].memory
    assert (copy.text, copy.said_at, copy.author_name) == (first.text, first.said_at, "Ana")
    assert copy.id != first.id
    ben = await home.mind()
    with pytest.raises(InvalidNamespace):
        await ana.memory.copy_memories_to_profile(ana.namespace, ben.namespace)


async def test_erasing_leaves_nothing_and_the_namespace_is_usable_again(ana: Mind) -> None:
    work = await ana.profile("work")
    await ana.add("My dog is called Rex")
    await ana.add("My cat is called Tom")
    await ana.add("I like tea", work)
    assert await ana.found("Rex")
    assert await ana.memory.delete_all_memories(ana.namespace) == 2
    assert await ana.texts() == []
    assert await ana.found("Rex the dog", floor=False) == []
    assert await ana.texts(work) == ["I like tea"]
    await ana.add("My dog is called Max")
    assert await ana.found("What is my dog called?") == ["My dog is called Max"]


async def test_a_write_that_an_erasure_overtook_is_refused(ana: Mind) -> None:
    [record] = await ana.memory.prepare_memories(ana.namespace, "My dog is called Rex", ana.origin())
    before = await ana.store.get_namespace_state(ana.namespace)
    await ana.memory.delete_all_memories(ana.namespace)
    with pytest.raises(ErasedMeanwhile):
        await ana.store.store_mem0_memory_reference(record, erase_generation=before.erase_generation)


async def test_a_prepared_memory_is_recallable_once_its_transaction_is_through(ana: Mind) -> None:
    [record] = await ana.memory.prepare_memories(ana.namespace, "My dog is called Rex", ana.origin())
    assert record.state is MemoryState.RECENT
    assert await ana.found("my dog") == []
    await ana.store.store_mem0_memory_reference(record)
    assert await ana.found("What is my dog called?") == ["My dog is called Rex"]


async def test_only_what_a_message_tells_is_prepared(ana: Mind) -> None:
    for text in ("What is my dog called?", "tell me a joke", "hi there", "my password is hunter2", "thanks!"):
        assert await ana.memory.prepare_memories(ana.namespace, text, ana.origin()) == ()
    await ana.told("I moved to Lyon. How far is it from Paris? My card is 4111 1111 1111 1111.")
    assert await ana.texts() == ["I moved to Lyon."]


async def test_every_process_sees_what_any_process_writes(home: House, ana: Mind) -> None:
    other = await home.mind(ana)
    kept = await ana.add("My dog is called Rex")
    assert await other.found("dog") == ["My dog is called Rex"]
    changed = await other.memory.update_memory(ana.namespace, kept.id, "My dog is called Max")
    assert await ana.found("dog") == [changed.text]
    await other.add("My cat is called Tom")
    assert "My cat is called Tom" in await ana.found("cat called Tom")
    await ana.memory.delete_memory(ana.namespace, kept.id)
    assert "My dog is called Max" not in await other.found("dog Max", floor=False)
    await other.memory.delete_all_memories(ana.namespace)
    assert await ana.found("cat Tom", floor=False) == []


async def test_sixty_four_writes_at_once_are_all_kept(home: House, ana: Mind) -> None:
    other = await home.mind(ana)
    work = await ana.profile("work")
    minds = [(mind, space) for mind in (ana, other) for space in (ana.namespace, work)]
    origin = MemoryOrigin(ana.clock.now(), ana.user_id)
    await asyncio.gather(
        *(
            mind.memory.add_memory(space, f"At {number} o'clock writer {writer} told fact {number}", origin)
            for writer, (mind, space) in enumerate(minds)
            for number in range(16)
        )
    )
    third = await home.mind(ana)
    assert await third.memory.count_memories(ana.namespace) == await third.memory.count_memories(work) == 32
    found = {text for space in (ana.namespace, work) for text in await third.texts(space)}
    assert found == {f"At {n} o'clock writer {w} told fact {n}" for w in range(4) for n in range(16)}
    assert (await third.found("writer 3 told fact 7", work))[0] == "At 7 o'clock writer 3 told fact 7"


async def test_searching_while_others_write_never_fails(home: House, ana: Mind) -> None:
    other = await home.mind(ana)
    await ana.add("My dog is called Rex")

    async def write() -> None:
        for number in range(12):
            kept = await other.add(f"note {number} about gardening")
            if number % 3 == 0:
                await other.memory.delete_memory(ana.namespace, kept.id)

    async def read() -> None:
        for _ in range(12):
            assert "My dog is called Rex" in await ana.found("What is my dog called?")

    await asyncio.gather(write(), read(), read())


async def test_a_namespace_of_nobody_is_empty(ana: Mind) -> None:
    nowhere = MemoryNamespace(ana.user_id, ProfileId(new_id()))
    assert await ana.found("anything at all", nowhere) == []
    assert await ana.memory.count_memories(nowhere) == 0
    assert await ana.memory.search_memories((), "anything") == []
    with pytest.raises((NotFound, ErasedMeanwhile)):
        await ana.add("lost", nowhere)


class Meanwhile(OnnxEmbedder):
    """While a text is embedded, something else happens once."""

    def __init__(self, happens: Callable[[], Awaitable[None]], name: str = "another/384") -> None:
        super().__init__()
        self._name = name
        self.happens: list[Callable[[], Awaitable[None]]] = [happens]

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.happens:
            await self.happens.pop()()
        return await super().embed(texts)


async def test_what_another_process_forgets_meanwhile_does_not_come_back(home: House, ana: Mind) -> None:
    rex = await ana.add("My dog is called Rex")
    tea = await ana.add("I like tea")
    changing = await home.mind(ana, embedder=Meanwhile(lambda: ana.memory.delete_memory(ana.namespace, rex.id)))
    with pytest.raises(NotFound):
        await changing.memory.update_memory(ana.namespace, rex.id, "My dog is called Max")
    assert await ana.texts() == ["I like tea"]
    coffee = await ana.add("I like coffee")
    beside = await home.mind(ana, embedder=Meanwhile(lambda: ana.memory.delete_memory(ana.namespace, coffee.id)))
    assert (await beside.memory.update_memory(ana.namespace, tea.id, "I like green tea")).text == "I like green tea"
    assert await ana.texts() == ["I like green tea"]
    last = Meanwhile(lambda: ana.memory.delete_memory(ana.namespace, tea.id), "a third/384")
    reindexing = await home.mind(ana, embedder=last)
    assert await reindexing.memory.reindex() == 0
    assert await ana.texts() == []
    for mind in (changing, beside, reindexing):
        await mind.memory._embedder.close()
