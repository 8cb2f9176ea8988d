"""The settings: read from the environment and `.env`, refused in one readable line per mistake."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policies import make_policy
from bot.setting_types import as_written, parse_duration
from bot.settings import Settings, fields, get_settings, misspelt, settings_from, settings_warnings
from core.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
SECRET = "xoxb-very-secret-value"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def problems_of(**values: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        settings_from(values)
    assert caught.value.user_message == "\n".join(caught.value.problems)
    return caught.value.problems


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    listed = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert listed == {name: as_written(field.default) for _, name, field in fields()}
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), f"{line} has no comment"


def test_the_example_file_is_itself_a_valid_environment() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert settings_from(values) == settings_from({})


def test_every_setting_and_every_group_says_what_it_is_for() -> None:
    for group, name, field in fields():
        assert field.description, name
        assert inspect.getdoc(Settings.model_fields[group].annotation), group


def test_without_any_variable_everything_has_its_default() -> None:
    settings = get_settings()
    assert settings == settings_from({})
    assert (settings.openai.model, settings.openai.temperature, settings.openai.max_tokens) == (
        "gpt-4o-mini",
        0.7,
        1000,
    )
    assert (settings.openai.retries, settings.openai.configured) == (3, False)
    assert settings.privacy.session_idle == timedelta(hours=12)
    assert settings.home.folder == Path(".memorychat")
    assert settings.database_address == "sqlite:///.memorychat/memorychat.db"
    assert settings.platforms == {}


def test_the_environment_beats_the_file_and_an_empty_variable_switches_off(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / ".env").write_text("OPENAI_MODEL=from-file\nBOT_NAME='Ann Other'\nOPENAI_API_KEY=k\n", "utf-8")
    monkeypatch.setenv("OPENAI_MODEL", "from-environment")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = get_settings()
    assert settings.openai.model == "from-environment"
    assert settings.persona.bot_name == "Ann Other"
    assert settings.openai.api_key is None
    assert get_settings() is settings


def test_a_file_that_is_no_text_is_refused(empty_folder: Path) -> None:
    (empty_folder / ".env").write_bytes(b"\xff\xfeBROKEN=\xc3\x28")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        get_settings()


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("OPENAI_TEMPERATURE", "hot", "OPENAI_TEMPERATURE: 'hot' given; allowed is a number from 0 to 2"),
        ("OPENAI_TEMPERATURE", "3", "OPENAI_TEMPERATURE: '3' given; allowed is a number from 0 to 2"),
        ("OPENAI_MAX_TOKENS", "1.5", "OPENAI_MAX_TOKENS: '1.5' given; allowed is a whole number from 1 to 1000000"),
        (
            "OPENAI_BASE_URL",
            "localhost",
            "OPENAI_BASE_URL: 'localhost' given; allowed is an http:// or https:// address",
        ),
        (
            "OPENAI_BASE_URL",
            "http://[::1",
            "OPENAI_BASE_URL: 'http://[::1' given; allowed is an http:// or https:// address",
        ),
        (
            "DISCORD_GATEWAY_URL",
            "http://h",
            "DISCORD_GATEWAY_URL: 'http://h' given; allowed is a ws:// or wss:// address",
        ),
        ("HTTP_PORT", "70000", "HTTP_PORT: '70000' given; allowed is a whole number from 0 to 65535"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: 'LOUD' given; allowed is one of DEBUG, INFO, WARNING, ERROR"),
        ("SEALING", "perhaps", "SEALING: 'perhaps' given; allowed is on or off"),
        ("SLACK_ENGAGEMENT", "x", "SLACK_ENGAGEMENT: 'x' given; allowed is one of mention, all, off"),
        ("DAILY_MESSAGES", "-1", "DAILY_MESSAGES: '-1' given; allowed is a whole number, at least 0"),
        (
            "RATE_LIMIT_USER",
            "fast",
            "RATE_LIMIT_USER: 'fast' given; allowed is a number per second, minute, hour or day, such as 60/minute",
        ),
        (
            "LEARN_QUIET",
            "soon",
            "LEARN_QUIET: 'soon' given; allowed is a duration such as 30s, 15m, 12h or 7d",
        ),
        (
            "SESSION_IDLE",
            "5s",
            "SESSION_IDLE: '5s' given; allowed is a duration such as 30s, 15m, 12h or 7d, at least 1m",
        ),
        ("BOT_NAME", "a\nb", "BOT_NAME: 'a\\nb' given; allowed is one line of text that is not blank"),
        (
            "JWT_SECRET",
            "short",
            "JWT_SECRET: a value of 5 characters given; allowed is a text of at least 32 characters",
        ),
        ("REDIS_URL", "here", "REDIS_URL: a value of 4 characters given; allowed is a redis:// or rediss:// address"),
        (
            "DATABASE_URL",
            "mysql://u:p@h/d",
            "DATABASE_URL: a value of 15 characters given; "
            "allowed is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
        ),
    ],
)
def test_a_wrong_value_is_one_readable_line(variable: str, value: str, line: str) -> None:
    assert problems_of(**{variable: value}) == (line,)


def test_every_mistake_is_told_at_once_and_secrets_are_not() -> None:
    lines = problems_of(OPENAI_TEMPERATURE="9", SLACK_BOT_TOKEN=SECRET, JWT_SECRET=SECRET, HTTP_PORT="x")
    assert len(lines) == 4
    assert SECRET not in "\n".join(lines)


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"SLACK_BOT_TOKEN": SECRET}, "SLACK_APP_TOKEN"),
        ({"TELEGRAM_WEBHOOK_URL": "https://example.org"}, "TELEGRAM_WEBHOOK_SECRET"),
        ({"SUPABASE_SERVICE_KEY": "k"}, "SUPABASE_URL"),
        ({"QUEUE": "postgres"}, "DATABASE_URL"),
        ({"QUEUE": "postgres", "DATABASE_URL": "sqlite:///x.db"}, "DATABASE_URL"),
        ({"EMBEDDINGS": "openai"}, "EMBEDDINGS_BASE_URL"),
    ],
)
def test_settings_that_need_each_other(values: dict[str, str], variable: str) -> None:
    (line,) = problems_of(**values)
    assert variable in line
    assert SECRET not in line


def test_settings_that_go_together_are_taken() -> None:
    settings = settings_from(
        {
            "SLACK_BOT_TOKEN": SECRET,
            "SLACK_SIGNING_SECRET": "s" * 32,
            "SLACK_ACCESS_POLICY": "OPEN",
            "SLACK_ALLOWLIST": "U1, U2",
            "ACCESS_ALLOWLIST": "U3",
            "TELEGRAM_BOT_TOKEN": "1:t",
            "QUEUE": "Postgres",
            "DATABASE_URL": "postgresql://u:p@h/d",
        }
    )
    assert list(settings.platforms) == ["slack", "telegram"]
    assert settings.access_policy_of(settings.slack) == ("open", frozenset({"U1", "U2", "U3"}))
    assert settings.access_policy_of(settings.telegram) == ("pairing", frozenset({"U3"}))
    assert settings.on_postgres
    assert settings.database_address == "postgresql://u:p@h/d"
    assert {SECRET, "s" * 32, "1:t"} <= set(settings.secrets())
    assert SECRET not in repr(settings)


def test_misspelt_variables_are_told_with_the_nearest_setting() -> None:
    lines = misspelt({"OPENAI_API_KYE", "MEMORYCHAT_COLOUR", "PATH", "HTTP_PROXY"}, {"SLACK_TOKEN", "SOMETHING_ELSE"})
    assert lines == [
        "MEMORYCHAT_COLOUR in the environment is no setting and is ignored",
        "OPENAI_API_KYE in the environment is no setting; did you mean OPENAI_API_KEY?",
        "SLACK_TOKEN in .env is no setting; did you mean SLACK_BOT_TOKEN?",
        "SOMETHING_ELSE in .env is no setting and is ignored",
    ]


def test_the_warnings_look_at_this_process(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / ".env").write_text("BOT_NAM=x\n", "utf-8")
    monkeypatch.setenv("MEMORYCHAT_HOM", "x")
    assert [line.split()[0] for line in settings_warnings()] == ["MEMORYCHAT_HOM", "BOT_NAM"]
    assert get_settings().persona.bot_name == "MemoryChat"


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_a_duration_means_what_it_says_and_is_written_as_it_is_read(number: int, unit: str) -> None:
    seconds = number * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    duration = parse_duration(f" {number} {unit.upper()} ")
    assert duration == timedelta(seconds=seconds)
    assert parse_duration(as_written(duration)) == duration


@given(st.dictionaries(st.sampled_from([name for _, name, _ in fields()]), st.text(max_size=40)))
def test_whatever_is_given_is_taken_or_refused_readably(values: dict[str, str]) -> None:
    problems: tuple[str, ...] = ()
    try:
        settings_from(values)
    except ConfigurationError as error:
        problems = error.problems
    names = {name for _, name, _ in fields()}
    assert all(line.split(":")[0] in names and "\n" not in line for line in problems)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"DATABASE_URL": "sqlite:///here.db", "EMBEDDINGS": "multilingual", "OPENAI_API_KEY": SECRET}, True),
        ({"DATABASE_URL": "postgresql://bot@localhost/bot"}, False),
        ({"SUPABASE_URL": "https://project.example", "SUPABASE_SERVICE_KEY": SECRET}, False),
        ({"QDRANT_URL": "http://localhost:6333"}, False),
        ({"MEM0_API_KEY": SECRET}, False),
        ({"EMBEDDINGS": "openai", "OPENAI_API_KEY": SECRET}, False),
    ],
)
def test_turns_yield_to_arrivals_where_they_are_this_process_s_own_work(values: dict[str, str], expected: bool) -> None:
    policy = make_policy(settings_from(values))
    assert (policy.yields_to_arrivals, policy.turns_at_once) == ((True, 4) if expected else (False, 8))
