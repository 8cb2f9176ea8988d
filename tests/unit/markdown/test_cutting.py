"""Long replies: where they are cut, and what the parts look like."""

from __future__ import annotations

from adapters.markdown import discord, slack, telegram


def test_limits_are_the_platforms() -> None:
    paragraph = "word " * 30 + "\n\n"
    assert max(map(len, slack.split(paragraph * 200))) <= 11_000
    assert max(map(len, discord.split(paragraph * 200))) <= 2_000
    assert max(telegram.units(part.text) for part in telegram.split(paragraph * 200)) <= 4_096


def test_short_replies_are_one_message() -> None:
    assert slack.split("**hi**") == discord.split("**hi**") == ["**hi**"]
    assert telegram.split("**hi**") == [telegram.TelegramText("hi", (telegram.Entity("bold", 0, 2),))]


def test_telegram_is_cut_at_paragraphs_then_sentences_then_words() -> None:
    assert [part.text for part in telegram.split("one two\n\nthree four\n\nfive", 20)] == [
        "one two\n\nthree four",
        "five",
    ]
    assert [part.text for part in telegram.split("One two three. Four five six.", 20)] == [
        "One two three.",
        "Four five six.",
    ]
    assert [part.text for part in telegram.split("one two three four five", 12)] == ["one two", "three four", "five"]


def test_what_is_cut_on_telegram_looks_the_same_on_both_sides() -> None:
    first, second = telegram.split("**one two three four five**", 14)
    assert (first.text, first.entities) == ("one two three", (telegram.Entity("bold", 0, 13),))
    assert (second.text, second.entities) == ("four five", (telegram.Entity("bold", 0, 9),))


def test_code_is_cut_at_lines_and_stays_code() -> None:
    markdown = "```python\n" + "\n".join(f"print({n})" for n in range(40)) + "\n```"
    for part in telegram.split(markdown, 100):
        assert part.entities == (telegram.Entity("pre", 0, len(part.text), language="python"),)
        assert all(line.startswith("print(") and line.endswith(")") for line in part.text.split("\n"))
    for message in discord.split(markdown, 100):
        assert message.startswith("```python\n")
        assert message.endswith("\n```")


def test_a_family_is_not_torn_apart() -> None:
    family = "👩‍👩‍👧‍👦"
    for part in telegram.split(family * 30, 40):
        assert part.text.replace(family, "") == ""


def test_telegram_counts_as_telegram_does() -> None:
    parts = telegram.split("🦊" * 3_000)
    assert [telegram.units(part.text) for part in parts] == [4_096, 6_000 - 4_096]
    (entity,) = telegram.render("🦊 **bold**").entities
    assert (entity.offset, entity.length) == (3, 4)


def test_telegram_never_has_more_than_100_entities() -> None:
    parts = telegram.split(" ".join(f"**b{n}**" for n in range(250)))
    assert [len(part.entities) for part in parts] == [100, 100, 50]
    assert " ".join(part.text for part in parts) == " ".join(f"b{n}" for n in range(250))


def test_a_growing_slack_text_only_grows() -> None:
    whole = "Hello <!channel> and @here, **bold**"
    rendered = slack.render(whole)
    assert all(rendered.startswith(slack.render(whole[:n])) for n in range(len(whole)) if not whole[:n].endswith("<!"))


def test_code_keeps_its_own_text_on_slack() -> None:
    assert slack.render("`<!DOCTYPE html>` <!-- x -->") == "`<!DOCTYPE html>` <!-- x -->"


def test_backticks_in_code_survive_discord() -> None:
    assert discord.render("`` a`b ``") == "``a`b``"
    assert discord.render("``` a`b``c ```") == "a\\`b\\`\\`c"
    assert discord.render("`` ` ``") == "`` ` ``"
