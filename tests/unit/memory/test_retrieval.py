"""Words, the index and their fusion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from adapters.memory import namespaces
from adapters.memory.dates import asked_periods
from adapters.memory.index import QdrantIndex
from adapters.memory.lexicon import Lexicon
from adapters.memory.terms import document_terms, query_terms
from core.errors import MemoryUnavailable
from core.types import MemoryId, MemoryNamespace, ProfileId, UserId, new_id
from tests.support.remembering import NOON, House, Mind, texts_of


def space() -> MemoryNamespace:
    return MemoryNamespace(UserId(new_id()), ProfileId(new_id()))


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "She was running races", "run a race"),
        ("de", "meine Katzen", "die Katze"),
        ("es", "me gustan los gatos", "un gato"),
        ("fr", "mes chats préférés", "mon chat préféré"),
        ("ru", "мои кошки", "моя кошка"),
    ],
)
def test_inflected_words_meet_in_their_stem(language: str, one: str, other: str) -> None:
    assert set(document_terms(one, language)) & set(document_terms(other, language))


def test_stop_words_signs_and_accents_do_not_count() -> None:
    assert document_terms("What is the name of my dog?", "en") == ["name", "dog"]
    assert document_terms("…!? 👍", "en") == []
    assert document_terms("contraseñas", "es") == document_terms("contrasenas", "es")
    assert document_terms("Anna's car", "en") == ["anna", "car"]


def test_numbers_stay_whole_and_han_is_paired() -> None:
    assert document_terms("flight LH1234 on 2026", "en") == ["flight", "lh1234", "2026"]
    assert document_terms("我住在北京", "zh") == ["我住", "住在", "在北", "北京"]
    assert "东京" in document_terms("Sushi 在东京 2024", "zh")


def test_a_question_is_stemmed_as_every_language_present_would() -> None:
    [forms] = query_terms("gatos", ("en", "es"))
    assert set(document_terms("gatos", "es")) <= set(forms)
    assert set(document_terms("gatos", "en")) <= set(forms)


@given(st.text(), st.sampled_from(["en", "de", "zh", "xx", ""]))
def test_any_text_has_terms(text: str, language: str) -> None:
    terms = document_terms(text, language)
    assert len(terms) == len(set(terms))
    assert all(terms)


def test_coverage_weighs_rare_words_more() -> None:
    lexicon = Lexicon()
    ids = [MemoryId(str(number)) for number in range(20)]
    for memory_id in ids[:-1]:
        lexicon.add(memory_id, f"the garden has tree number {memory_id}", "en")
    lexicon.add(ids[-1], "an albatross sat there", "en")
    covered = lexicon.cover("Did an albatross come to the garden?")
    assert covered.of(ids[-1]) > covered.of(ids[0]) > 0
    assert covered.best(2) == [ids[-1], ids[0]]
    assert covered.of(MemoryId("elsewhere")) == 0
    assert 0 < lexicon.cover("albatross sat there").of(ids[-1]) <= 1
    assert lexicon.cover("is it the").best(5) == []
    assert Lexicon().cover("albatross").best(5) == []


TEXTS = st.sampled_from(["red apple", "green apple pie", "blue sky", "", "manzana roja", "sky"])


@given(st.lists(TEXTS, max_size=12), st.lists(TEXTS, max_size=12))
def test_a_lexicon_that_changed_is_as_one_that_began_so(gone: list[str], kept: list[str]) -> None:
    lexicon, plain = Lexicon(), Lexicon()
    for number, text in enumerate(gone):
        lexicon.add(MemoryId(f"gone {number}"), text, "en")
    for number, text in enumerate(kept):
        lexicon.add(MemoryId(str(number)), text, "en")
        plain.add(MemoryId(str(number)), text, "en")
        if number < len(gone):
            lexicon.remove(MemoryId(f"gone {number}"), "en")
    for number in range(len(kept), len(gone)):
        lexicon.remove(MemoryId(f"gone {number}"), "en")
    covered, expected = (one.cover("red green blue apple manzana") for one in (lexicon, plain))
    assert all(covered.of(MemoryId(str(number))) == expected.of(MemoryId(str(number))) for number in range(len(kept)))
    assert sorted(covered.best(50)) == sorted(expected.best(50))
    assert all(covered.of(MemoryId(f"gone {number}")) == 0 for number in range(len(gone)))


# --- the index -------------------------------------------------------------------------------------------------------


def rows(*values: tuple[float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    matrix = np.asarray(values, np.float32).reshape(len(values), 2)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


@pytest.fixture(params=["embedded", "server layout"])
def index(request: pytest.FixtureRequest) -> Iterator[QdrantIndex]:
    server = request.param != "embedded"
    made = QdrantIndex.over(QdrantClient(":memory:"), 2) if server else QdrantIndex(2)
    yield made
    made.close()


def test_the_index_finds_the_nearest_of_one_namespace(index: QdrantIndex) -> None:
    mine, theirs = space(), space()
    a, b, c = (MemoryId(new_id()) for _ in range(3))
    index.fill(mine, {a: 1, b: 1}, rows((1, 0), (0, 1)))
    index.fill(theirs, {c: 1}, rows((1, 0)))
    found = index.nearest(mine, rows((1, 0.1))[0], 5)
    assert list(found) == [a, b]
    assert found[a] == pytest.approx(0.995, abs=1e-3)
    assert index.cosines(mine, rows((1, 0.1))[0], [b]) == pytest.approx({b: found[b]}, abs=1e-5)
    assert index.cosines(mine, rows((1, 0))[0], []) == {}


def test_the_index_takes_changes(index: QdrantIndex) -> None:
    mine = space()
    a, b = MemoryId(new_id()), MemoryId(new_id())
    index.fill(mine, {}, rows())
    index.put(mine, {a: 1, b: 1}, rows((1, 0), (0, 1)))
    index.put(mine, {a: 2}, rows((-1, 0)))
    assert list(index.nearest(mine, rows((1, 0))[0], 1)) == [b]
    index.remove(mine, [b])
    assert list(index.nearest(mine, rows((1, 0))[0], 5)) == [a]
    index.erase(mine)
    index.fill(mine, {}, rows())
    assert index.nearest(mine, rows((1, 0))[0], 5) == {}


def test_a_server_that_missed_writes_is_mended_and_holds_no_text() -> None:
    client = QdrantClient(":memory:")
    mine, theirs = space(), space()
    a, b, c, d = (MemoryId(new_id()) for _ in range(4))
    first = QdrantIndex.over(client, 2)
    first.fill(mine, {a: 1, b: 1}, rows((1, 0), (0, 1)))
    first.fill(theirs, {d: 1}, rows((1, 0)))
    second = QdrantIndex.over(client, 2)
    second.fill(mine, {b: 4, c: 5}, rows((-1, 0), (1, 0)))
    assert list(second.nearest(mine, rows((1, 0))[0], 5)) == [c, b]
    assert list(first.nearest(theirs, rows((1, 0))[0], 5)) == [d]
    points, _ = client.scroll("memorychat_2", limit=10)
    assert {key for point in points for key in (point.payload or {})} == {"namespace", "generation"}


def test_a_server_that_is_not_there_is_an_unavailable_memory() -> None:
    index = QdrantIndex(2, url="http://127.0.0.1:9")
    with pytest.raises(MemoryUnavailable):
        index.open()
    with pytest.raises(MemoryUnavailable):
        index.nearest(space(), rows((1, 0))[0], 5)


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        ("What happened in January?", datetime(2026, 1, 9, tzinfo=UTC), True),
        ("What happened in January?", datetime(2026, 2, 9, tzinfo=UTC), False),
        ("what did I plan for 5 may 2025", datetime(2025, 5, 9, tzinfo=UTC), True),
        ("what did I plan for 5 may 2025", datetime(2026, 5, 9, tzinfo=UTC), False),
        ("How about 2024?", datetime(2024, 12, 31, 23, tzinfo=UTC), True),
        ("what did I do yesterday", NOON - timedelta(days=1), True),
        ("what did I do yesterday", NOON, False),
        ("was war letzte Woche", NOON - timedelta(days=7), True),
        ("¿qué pasó en marzo?", datetime(2026, 3, 1, tzinfo=UTC), True),
        ("qu'ai-je fait en mars ?", datetime(2026, 3, 1, tzinfo=UTC), True),
        ("что было в марте", datetime(2026, 3, 1, tzinfo=UTC), True),
        ("我6月做了什么", datetime(2026, 6, 1, tzinfo=UTC), True),
    ],
)
def test_a_question_names_a_time(question: str, said: datetime, expected: bool) -> None:
    periods = asked_periods(question, NOON)
    assert periods
    assert any(period.holds(said) for period in periods) is expected


@pytest.mark.parametrize("question", ["May I eat this?", "we march on", "What is my dog called?", "room 12024", ""])
def test_most_questions_name_no_time(question: str) -> None:
    assert asked_periods(question, NOON) == []


@given(st.text())
def test_any_question_may_be_asked_for_its_times(question: str) -> None:
    assert all(period.holds(NOON) in (True, False) for period in asked_periods(question, NOON))


async def test_of_like_memories_the_one_of_the_asked_month_comes_first(ana: Mind) -> None:
    await ana.add("We went to the lake with the dogs", said_at=datetime(2026, 6, 3, tzinfo=UTC))
    await ana.add("We went to the lake with our dogs", said_at=datetime(2026, 8, 3, tzinfo=UTC))
    assert (await ana.found("Where did we go in June?"))[0] == "We went to the lake with the dogs"
    assert (await ana.found("Where did we go in August?"))[0] == "We went to the lake with our dogs"


# --- together --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
async def test_embedded_and_server_rank_alike(home: House, shared: bool) -> None:
    index = QdrantIndex.over(QdrantClient(":memory:"), 384) if shared else None
    ana = await home.mind(index=index)
    for text in ("My dog is called Rex", "I work in Oslo", "My sister Anna is a nurse", "Rex is ill"):
        await ana.add(text)
    found = await ana.recalled("What is my dog Rex called?", floor=False)
    assert found[0].memory.text == "My dog is called Rex"
    assert [round(item.score, 3) for item in found] == pytest.approx(
        [
            round(item.score, 3)
            for item in await (await home.mind(ana)).recalled("What is my dog Rex called?", floor=False)
        ],
        abs=2e-3,
    )


async def test_a_server_shared_by_processes_forgets_at_once(home: House) -> None:
    client = QdrantClient(":memory:")
    ana = await home.mind(index=QdrantIndex.over(client, 384))
    other = await home.mind(ana, index=QdrantIndex.over(client, 384))
    kept = await ana.add("My dog is called Rex")
    assert await other.found("dog")
    await other.memory.delete_memory(ana.namespace, kept.id)
    assert client.count("memorychat_384").count == 0
    await ana.add("My cat is called Tom")
    await ana.found("cat")
    await other.memory.delete_all_memories(ana.namespace)
    assert client.count("memorychat_384").count == 0


async def test_a_stored_question_ranks_below_its_answer(ana: Mind) -> None:
    await ana.add("Where did you go for the summer holiday?", author_id=UserId(new_id()))
    await ana.add("Portugal, and it was lovely")
    for number in range(8):
        await ana.add(f"unrelated remark number {number}")
    found = await ana.found("Where did they go for the summer holiday?", floor=False)
    assert "Portugal, and it was lovely" in found[:2]


async def test_a_named_speaker_counts(ana: Mind) -> None:
    await ana.add("I love hiking in the mountains", author_name="Ben")
    await ana.add("I love hiking in the mountains very much", author_name="Carla")
    assert (await ana.found("What does Ben love?"))[0] == "I love hiking in the mountains"
    assert (await ana.found("What does Carla love?"))[0] == "I love hiking in the mountains very much"


async def test_an_update_stands_before_what_it_updates_though_no_model_said_so(ana: Mind) -> None:
    await ana.add("I drive a 2014 Skoda Octavia")
    await ana.add("Sold the Skoda, we have a Kia now")
    for number in range(10):
        await ana.add(f"Remark {number} about the weather")
    found = await ana.recalled("What car do I have?", floor=False)
    assert texts_of(found)[:2] == ["Sold the Skoda, we have a Kia now", "I drive a 2014 Skoda Octavia"]
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)


async def test_later_remarks_on_other_things_do_not_push_ahead(ana: Mind) -> None:
    await ana.add("My dentist is Dr. Miller")
    await ana.add("My accountant is Mrs. Young")
    assert (await ana.found("Who is my dentist?"))[0] == "My dentist is Dr. Miller"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Can I eat a Snickers bar?", ["I am allergic to peanuts"]),
        ("what are my allergies", ["I am allergic to peanuts"]),
        ("what's the capital of Mongolia?", []),
        ("tell me a joke", []),
        ("why is the sky blue?", []),
    ],
)
async def test_talk_about_oneself_recalls_what_is_far_in_wording_and_other_talk_nothing(
    ana: Mind, text: str, expected: list[str]
) -> None:
    await ana.add("I am allergic to peanuts")
    assert await ana.found(text) == expected


async def test_of_equal_texts_in_meaning_the_later_one_comes_first(ana: Mind) -> None:
    work = await ana.profile("work")
    await ana.add("My locker is number 12")
    await ana.add("My locker is number 12", work)
    [found] = await ana.recalled("locker number", ana.namespace, work)
    assert found.memory.namespace == work


async def test_idle_and_crowded_namespaces_leave_memory_and_come_back(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "MAX_NAMESPACES", 2)
    ana = await home.mind()
    spaces = [await ana.profile(f"p{number}") for number in range(4)]
    for number, one in enumerate(spaces):
        await ana.add(f"My code name is falcon{number}", one)
    assert await ana.found("code name", *spaces, floor=False) != []
    held = ana.memory._namespaces._opened
    assert len(held) == 2
    home.clock.advance(namespaces.IDLE_SECONDS + 1)
    assert await ana.found("code name falcon0", spaces[0]) == ["My code name is falcon0"]
    assert list(held) == [spaces[0]]


async def test_rows_of_another_embedder_are_found_by_words_and_embedded_again(home: House) -> None:
    class Renamed:
        name = "another/384"
        dimension = 384
        is_ready = True

        def __getattr__(self, attribute: str) -> object:
            return getattr(home.embedder, attribute)

    old = await home.mind(embedder=Renamed())  # type: ignore[arg-type]  # the same vectors under another name
    for number in range(70):
        await old.add(f"Parcel {number} is in locker {number + 100}")
    new = await home.mind(old)
    assert (await new.found("parcel 7 locker"))[0] == "Parcel 7 is in locker 107"
    assert await new.memory.reindex() == 70
    assert await new.memory.reindex() == 0
    record = (await home.store.get_mem0_memory_references(old.namespace, 1))[0]
    assert record.embedder == home.embedder.name
    assert (await new.found("Where is the package with number 7?"))[0] == "Parcel 7 is in locker 107"
