"""What counts as a command, and what stays talk."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands.model import Command
from core.commands.parse import pending_word
from core.commands.registry import build_registry
from core.errors import BadArgument, InputError, UnknownCommand

REGISTRY = build_registry()
TALK = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def leaves() -> list[Command]:
    return [leaf for command in REGISTRY.commands for leaf in (command.subcommands or (command,))]


def parsed(text: str) -> tuple[str, dict[str, str]] | None:
    found = REGISTRY.parse(text)
    return None if found is None else (found.command.path, dict(found.arguments))


@pytest.mark.parametrize(
    ("text", "path", "arguments"),
    [
        ("/help", "help", {}),
        ("/HELP", "help", {}),
        ("  /help  ", "help", {}),
        ("/help@MemoryChatBot privacy", "help", {"command": "privacy"}),
        ("/start from-a-link", "start", {"payload": "from-a-link"}),
        ("/profile", "profile list", {}),
        ("/profile use My  Work", "profile use", {"name": "My  Work"}),
        ("/Profile USE work", "profile use", {"name": "work"}),
        ("/profile rename old new name", "profile rename", {"name": "old", "new": "new name"}),
        ("/profile instructions", "profile instructions", {}),
        ("/remember  two lines\n  stay ", "remember", {"text": "two lines\n  stay"}),
        ("/ask what is it?", "ask", {"text": "what is it?"}),
        ("/privacy Pause room", "privacy", {"mode": "pause", "scope": "room"}),
        ("/incognito room", "incognito", {"scope": "room"}),
        ("/confirm aB-_9", "confirm", {"token": "aB-_9"}),
        ("/forget last summer", "forget", {"what": "last summer"}),
    ],
)
def test_with_the_slash(text: str, path: str, arguments: dict[str, str]) -> None:
    assert parsed(text) == (path, arguments)


@pytest.mark.parametrize(
    ("text", "path", "arguments"),
    [
        ("help", "help", {}),
        ("Status", "status", {}),
        ("new", "new", {}),
        ("stop", "stop", {}),
        ("retry", "retry", {}),
        (" Pause ", "pause", {}),
        ("resume room", "resume", {"scope": "room"}),
        ("incognito", "incognito", {}),
        ("incognito  ON", "incognito", {"switch": "on"}),
        ("privacy incognito", "privacy", {"mode": "incognito"}),
        ("profile", "profile list", {}),
        ("profile list", "profile list", {}),
        ("profile use work", "profile use", {"name": "work"}),
        ("memories 2", "memories", {"query": "2"}),
        ("forget last", "forget", {"what": "last"}),
        ("forget 3", "forget", {"what": "3"}),
    ],
)
def test_the_same_words_without_the_slash(text: str, path: str, arguments: dict[str, str]) -> None:
    assert parsed(text) == (path, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/ 2",
        "/2",
        "/usr/bin",
        "/etc/passwd is a file",
        "//help",
        "//",
        "8 / 2",
        "help me",
        "new shoes please",
        "stop it",
        "pause the music",
        "incognito mode is nice",
        "privacy matters",
        "profile of a killer",
        "profile use of force is wrong",
        "profile delete work",
        "forget it",
        "forget",
        "forget my birthday",
        "remember when we met?",
        "remember the milk",
        "ask him",
        "link in bio",
        "why",
        "erase",
        "yes",
        "confirm",
        "help\n\nplease come",
        "help " * 200,
    ],
)
def test_talk_stays_talk(text: str) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("/halp", "/help"), ("/incognitoo", "/incognito"), ("/memory", "/memories"), ("/Forgett x", "/forget")],
)
def test_an_unknown_word_names_the_nearest_command(text: str, nearest: str) -> None:
    with pytest.raises(UnknownCommand) as caught:
        parsed(text)
    assert f"`{nearest}`" in caught.value.user_message


def test_nothing_near_points_to_help() -> None:
    with pytest.raises(UnknownCommand) as caught:
        parsed("/xyzzyx")
    assert "Did you mean" not in caught.value.user_message
    assert "/help" in caught.value.user_message


def test_a_hidden_command_is_never_suggested() -> None:
    with pytest.raises(UnknownCommand) as caught:
        parsed("/confirmm")
    assert "`/confirm`" not in caught.value.user_message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/privacy incgnito", "Did you mean `incognito`?"),
        ("/incognito maybe", "on, off"),
        ("/pause now", "`/pause [room]`"),
        ("/stop everything now", "`/stop`"),
        ("/remember", "what to keep"),
        ("/profile use", "the profile's name"),
        ("/profile usee work", "`/profile use`"),
        ("/profile sing", "list, use, new"),
    ],
)
def test_a_wrong_argument_says_what_would_work(text: str, says: str) -> None:
    with pytest.raises(BadArgument) as caught:
        parsed(text)
    assert says in caught.value.user_message


@pytest.mark.parametrize(
    ("text", "word"),
    [("yes", "confirm"), (" YES! ", "confirm"), ("Confirm", "confirm"), ("no.", "cancel"), ("cancel", "cancel")],
)
def test_an_answer_to_a_question(text: str, word: str) -> None:
    assert REGISTRY.pending_word(text) == pending_word(text) == word


@pytest.mark.parametrize("text", ["", "yes please", "yesterday", "nope", "/confirm"])
def test_no_answer_to_a_question(text: str) -> None:
    assert pending_word(text) is None


@given(TALK)
def test_any_text_is_talk_or_a_command_or_a_clear_refusal(text: str) -> None:
    try:
        found = REGISTRY.parse(text)
    except InputError:
        assert text.strip().startswith("/")
    else:
        assert found is None or found.command in leaves()


@given(TALK)
def test_a_doubled_slash_is_always_talk(text: str) -> None:
    assert REGISTRY.parse("//" + text) is None


@given(TALK.map(str.strip).filter(bool))
def test_free_text_arrives_untouched(text: str) -> None:
    assert parsed(f"/ask {text}") == ("ask", {"text": text})


@given(st.sampled_from([leaf for leaf in leaves() if not leaf.arguments]), TALK)
def test_more_words_make_talk_of_a_spoken_command(command: Command, more: str) -> None:
    words = f"{command.path} {more}".split()
    if len(words) > len(command.path.split()) and len(words) > 3:
        assert REGISTRY.parse(" ".join(words)) is None


@given(st.sampled_from(leaves()), st.text(string.ascii_letters, min_size=1, max_size=20))
def test_the_case_and_the_name_of_the_bot_do_not_matter(command: Command, bot: str) -> None:
    head, *tail = command.path.split()
    needed = " ".join("x" for argument in command.arguments if argument.required)
    plain = f"/{' '.join([head, *tail])} {needed}"
    named = f"/{head.upper()}@{bot} {' '.join(tail).upper()} {needed}"
    assert parsed(named) == parsed(plain)


def test_names_fit_every_platform() -> None:
    """Telegram: `[a-z0-9_]{1,32}`, 100 commands; Discord: 25 choices and subcommands, summaries of 100 characters."""
    names = [command.name for command in REGISTRY.commands]
    assert len(names) == len(set(names)) <= 100
    for command in (*REGISTRY.commands, *leaves()):
        assert set(command.name) <= set(string.ascii_lowercase)
        assert len(command.name) <= 32
        assert 0 < len(command.summary) <= 100
        assert len(command.subcommands) <= 25
        for argument in command.arguments:
            assert len(argument.choices) <= 25
            assert 0 < len(argument.help) <= 100
        positions = [argument.rest for argument in command.arguments]
        assert not any(positions[:-1]), "only the last argument can take the rest"


def test_every_command_of_the_design_is_there_and_can_act() -> None:
    wanted = [
        "help",
        "status",
        "new",
        "stop",
        "retry",
        "ask",
        "profile",
        "incognito",
        "pause",
        "resume",
        "privacy",
        "memories",
        "remember",
        "forget",
        "why",
        "link",
        "unlink",
        "export",
        "erase",
        "usage",
        "timezone",
    ]
    assert sorted(command.name for command in REGISTRY.visible) == sorted(wanted)
    for leaf in leaves():
        assert leaf.name == "ask" or (leaf.transition is None) != (leaf.handler is None)


def test_finding_a_command_by_name() -> None:
    assert REGISTRY.find("Privacy").name == "privacy"
    with pytest.raises(UnknownCommand):
        REGISTRY.find("profiles use")
