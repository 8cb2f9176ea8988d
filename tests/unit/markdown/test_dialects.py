"""What holds for every text in every dialect: it arrives whole, in messages that fit, and pings nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.markdown import discord, plain, slack, telegram
from tests.unit.markdown.strategies import documents, texts

Splitter = Callable[[str, int], list[str]]


def telegram_texts(markdown: str, limit: int) -> list[str]:
    return [part.text for part in telegram.split(markdown, limit)]


RENDERERS: dict[str, Callable[[str], str]] = {
    "plain": plain.render,
    "slack": slack.render,
    "discord": discord.render,
    "telegram": lambda markdown: telegram.render(markdown).text,
}
SPLITTERS: dict[str, Splitter] = {"slack": slack.split, "discord": discord.split, "telegram": telegram_texts}

unhurried = settings(deadline=None)  # how long one example takes is for the benchmarks to say
every_renderer = pytest.mark.parametrize("render", RENDERERS.values(), ids=RENDERERS)
every_splitter = pytest.mark.parametrize("dialect", SPLITTERS)


def words(text: str) -> list[str]:
    return re.findall(r"w\d+", re.sub(r"https?://\S+", "", text))


def is_subsequence(part: Sequence[str], whole: Iterable[str]) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def bare(text: str) -> str:
    """Without what cutting may add or take: white space, fences."""
    return re.sub(r"[\s`]|zz", "", text)


@every_renderer
@unhurried
@given(markdown=texts)
@example(markdown="> " * 500 + "w1")
@example(markdown="- " * 500 + "w1")
@example(markdown="![[" * 400 + "w1")
@example(markdown="**w1 *w2 " * 400)
def test_it_never_fails_and_is_always_the_same(render: Callable[[str], str], markdown: str) -> None:
    assert render(markdown) == render(markdown)


@every_renderer
@unhurried
@given(markdown=documents)
@example(markdown="> " * 500 + "w1")
@example(markdown="| w1 | w2 |\n|---|---|\n| w3 | w4 | w5 | w6 |\n")
@example(markdown="[w1]: https://h.example\n\n[w2]: <w3>\n")
@example(markdown="<div>w1</div>\n\n<w2>")
@example(markdown="```zz w1 w2\nw3\n```")
@example(markdown="``` w1 w2")
@example(markdown="|w1" * 2_000 + "\n" + "|-" * 2_000 + "\n" + "|w2\n" * 100)
@example(markdown="[![w1](https://h.example/1)](https://h.example/2) ![**w2**](w3)")
def test_every_word_arrives_in_order(render: Callable[[str], str], markdown: str) -> None:
    without_languages = re.sub(r"(`{3,}|~{3,})[ \t]*w\d+", r"\1", markdown)
    said, shown = words(without_languages), words(render(markdown))
    assert not set(said) - set(shown)
    if "|--" not in markdown:  # a wide table is given row by row, with the header's names in each
        assert is_subsequence(said, shown)


@every_splitter
@unhurried
@given(markdown=texts, limit=st.integers(40, 400))
def test_every_part_fits(dialect: str, markdown: str, limit: int) -> None:
    parts = SPLITTERS[dialect](markdown, limit)
    assert all(part.strip() for part in parts)
    length = len if dialect == "slack" else telegram.units
    assert all(length(part) <= limit for part in parts)


@every_splitter
@unhurried
@given(markdown=documents, limit=st.integers(40, 400))
def test_the_parts_together_are_the_whole(dialect: str, markdown: str, limit: int) -> None:
    parts = SPLITTERS[dialect](markdown, limit)
    assert bare("".join(parts)) == bare(RENDERERS[dialect](markdown))


@every_splitter
def test_nothing_to_say_is_no_message(dialect: str) -> None:
    assert SPLITTERS[dialect]("", 100) == []
    assert SPLITTERS[dialect](" \n\n ", 100) == []


@unhurried
@given(markdown=texts)
def test_slack_pings_nobody(markdown: str) -> None:
    assert not re.search(
        r"<@\w|<!(channel|here|everyone|subteam)\b|(?<!\w)@(channel|here|everyone)\b", slack.render(markdown)
    )


@unhurried
@given(markdown=texts)
def test_discord_pings_nobody(markdown: str) -> None:
    assert not re.search(r"@(everyone|here)\b|<@[!&]?\d", discord.render(markdown))


@unhurried
@given(markdown=texts)
@example(markdown="[w1](tg://user?id=1) ![w2](tg://user?id=1)")
def test_telegram_pings_nobody(markdown: str) -> None:
    whole = telegram.render(markdown)
    data = bytearray(whole.text.encode("utf-16-le"))
    for entity in whole.entities:
        assert entity.url is None or entity.url.startswith("http")
        if entity.type in ("code", "pre"):
            data[2 * entity.offset : 2 * (entity.offset + entity.length)] = b"\x20\x00" * entity.length
    outside_code = re.sub(r"https?://\S+", "", data.decode("utf-16-le"))
    assert not re.search(r"(?<!\w)@\w", outside_code)


@unhurried
@given(markdown=texts, limit=st.integers(40, 400), most=st.integers(1, 8))
@example(markdown="> *_*", limit=40, most=1)
def test_telegrams_entities_are_sound(markdown: str, limit: int, most: int) -> None:
    for part in telegram.split(markdown, limit, most):
        assert len(part.entities) <= most
        data = part.text.encode("utf-16-le")
        for entity in part.entities:
            assert entity.length > 0
            assert 0 <= entity.offset <= entity.offset + entity.length <= len(data) // 2
            data[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")
        spans = [(entity.offset, entity.offset + entity.length) for entity in part.entities]
        for a, b in spans:
            assert all(c >= b or d <= a or (a <= c and d <= b) or (c <= a and b <= d) for c, d in spans), (
                "nested or apart"
            )
        assert not any(a[0] < b[1] and b[0] < a[1] for a, b in _pairs(part, "blockquote")), "quotes do not nest"


def _pairs(part: telegram.TelegramText, kind: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    spans = [(entity.offset, entity.offset + entity.length) for entity in part.entities if entity.type == kind]
    return [(a, b) for n, a in enumerate(spans) for b in spans[n + 1 :]]
