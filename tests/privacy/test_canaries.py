"""Exceptions of every client library, with a person's words in their messages, bodies and parameters: none of it comes
out of the product's log, however it gets there."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator

import cryptography.exceptions
import discord
import httpx
import httpx2
import mem0.exceptions
import openai
import postgrest
import procrastinate.exceptions
import psycopg
import pydantic
import pytest
import redis.exceptions
import slack_sdk.errors
import sqlalchemy
import supabase_auth.errors
import telegram.error
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from adapters.keys.aes import AesGcmSealer
from bot.cli.common import report
from bot.logs import set_up_logging
from core.errors import MemoryChatError
from core.sealing import Sealed
from tests.privacy.homes import Home
from tests.support.models import ScriptedModel

CANARY = "Quartzfinch-amberlynx"
TOKEN = "xoxb-123456789012-abcdefghijklmnop"
TEXT = f"My dog is called {CANARY}, and the token is {TOKEN}."


def openai_error() -> None:
    request = httpx.Request("POST", f"http://model.test/v1/chat?q={CANARY}", content=TEXT.encode())
    response = httpx.Response(400, text=TEXT, request=request)
    raise openai.BadRequestError(TEXT, response=response, body={"error": {"message": TEXT}})


def openai_shape() -> None:
    openai.types.chat.ChatCompletion.model_validate({"id": CANARY, "choices": TEXT})


def slack_error() -> None:
    raise slack_sdk.errors.SlackApiError(TEXT, {"ok": False, "error": CANARY, "text": TEXT})


def telegram_error() -> None:
    raise telegram.error.BadRequest(TEXT)


def telegram_token() -> None:
    raise telegram.error.InvalidToken(f"the token {TOKEN} of {CANARY} was rejected")


def discord_error() -> None:
    class Response:
        status, reason = 400, CANARY

    raise discord.HTTPException(Response(), {"message": TEXT, "code": 1})  # type: ignore[arg-type]  # as aiohttp's


def sqlalchemy_error() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"select * from {CANARY.replace('-', '_')} where a = :a"), {"a": TEXT})


def sqlite_error() -> None:
    sqlite3.connect(":memory:").execute(f'select "{CANARY}" from "{TEXT}"')


def psycopg_error() -> None:
    raise psycopg.errors.UniqueViolation(f"duplicate key: Key (text)=({TEXT}) already exists.")


def procrastinate_error() -> None:
    try:
        psycopg_error()
    except psycopg.Error as error:
        raise procrastinate.exceptions.ConnectorException(TEXT) from error


def qdrant_local() -> None:
    QdrantClient(":memory:").get_collection(CANARY)


def qdrant_answer() -> None:
    raise UnexpectedResponse(400, CANARY, TEXT.encode(), httpx.Headers({"x": CANARY}))


def mem0_error() -> None:
    raise mem0.exceptions.ValidationError(TEXT, "VALIDATION", details={"text": TEXT})


def redis_error() -> None:
    raise redis.exceptions.ResponseError(f"WRONGTYPE {TEXT}")


def httpx_status() -> None:
    httpx.Response(500, text=TEXT, request=httpx.Request("GET", f"http://x.test/{CANARY}")).raise_for_status()


def httpx2_status() -> None:
    httpx2.Response(500, text=TEXT, request=httpx2.Request("GET", f"http://x.test/{CANARY}")).raise_for_status()


def supabase_rows() -> None:
    raise postgrest.exceptions.APIError({"message": TEXT, "code": "23505", "details": TEXT, "hint": CANARY})


def supabase_sign_in() -> None:
    raise supabase_auth.errors.AuthApiError(TEXT, 400, None)


def pydantic_error() -> None:
    class Shape(pydantic.BaseModel):
        text: int

    Shape.model_validate({"text": TEXT, CANARY: TEXT})


def cryptography_error() -> None:
    try:
        raise ValueError(TEXT)
    except ValueError as error:
        raise cryptography.exceptions.InvalidTag from error


def json_error() -> None:
    json.loads(f'{{"text": "{TEXT}"')


def encoding_error() -> None:
    f"{TEXT}\udcff".encode()


def lookup_error() -> None:
    {}[TEXT]


def group_of_errors() -> None:
    raise ExceptionGroup(TEXT, [ValueError(TEXT)])


def noted_error() -> None:
    error = RuntimeError(TEXT)
    error.add_note(TEXT)
    raise error


RAISED: tuple[Callable[[], None], ...] = (
    openai_error,
    openai_shape,
    slack_error,
    telegram_error,
    telegram_token,
    discord_error,
    sqlalchemy_error,
    sqlite_error,
    psycopg_error,
    procrastinate_error,
    qdrant_local,
    qdrant_answer,
    mem0_error,
    redis_error,
    httpx_status,
    httpx2_status,
    supabase_rows,
    supabase_sign_in,
    pydantic_error,
    cryptography_error,
    json_error,
    encoding_error,
    lookup_error,
    group_of_errors,
    noted_error,
)
LIBRARIES = (
    *("openai", "httpx", "httpx2", "httpcore", "slack_sdk", "slack_bolt", "telegram.ext", "discord.client", "mem0"),
    *("qdrant_client", "sqlalchemy.engine", "psycopg", "psycopg.pool", "procrastinate", "redis", "aiohttp.client"),
    *("supabase", "postgrest", "pydantic", "cryptography", "uvicorn.access", "asyncio", "websockets", "py.warnings"),
)


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The product's own log at its loudest, and then every library's too: the operator may have turned them up."""
    handlers, level = logging.root.handlers[:], logging.root.level
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    stream = io.StringIO()
    set_up_logging("DEBUG", request.param, stream=stream)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def is_clean(text: str) -> bool:
    halves = (CANARY[:11], CANARY[12:], CANARY, TOKEN, TEXT[:20])
    return not any(half in text for half in halves)


@pytest.mark.parametrize("raised", RAISED)
def test_no_exception_of_a_library_brings_words_into_the_log(log: io.StringIO, raised: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # each raises its own
        raised()
    error = caught.value
    assert not is_clean(f"{error!s} {error!r} {error.__cause__!s} {vars(error)} {getattr(error, 'doc', '')}"), (
        "it holds them"
    )
    for name in ("core.engine", "adapters.stores", *LIBRARIES):
        try:
            raise error
        except Exception:
            logging.getLogger(name).exception("something failed")
            logging.getLogger(name).debug("why: %s", error if name in LIBRARIES else type(error).__name__)
    assert log.getvalue().count("\n") >= 2 * len(LIBRARIES)
    assert is_clean(log.getvalue())


@pytest.mark.parametrize("raised", RAISED)
async def test_a_task_that_nobody_waited_for_tells_nothing(log: io.StringIO, raised: Callable[[], None]) -> None:
    async def work() -> None:
        raised()

    task = asyncio.create_task(work())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": task.exception(), "task": task}
    )
    assert log.getvalue()
    assert is_clean(log.getvalue())


@pytest.mark.parametrize("raised", RAISED)
def test_the_command_line_prints_no_words_of_an_exception(
    log: io.StringIO, capsys: pytest.CaptureFixture[str], raised: Callable[[], None]
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # each raises its own
        raised()
    assert report(caught.value) != 0
    printed = capsys.readouterr()
    assert is_clean(printed.out + printed.err)
    assert is_clean(log.getvalue())


@pytest.mark.parametrize("raised", RAISED)
async def test_a_turn_that_meets_it_leaves_no_words_in_the_log(home: Home, raised: Callable[[], None]) -> None:
    """Raised by the model in the middle of an answer: a bug of the adapter's, as the engine meets it."""

    class Broken(ScriptedModel):
        def _fail_as_told(self) -> None:
            if self.calls and CANARY in self.calls[-1].text:
                raised()

    async with home.process(Broken()) as town:
        ana = town.person("ana")
        await ana.says("/incognito")
        replies = await ana.hears(f"Where is {CANARY}?")
        assert replies
        assert is_clean(" ".join(reply.text for reply in replies).replace("Where is", ""))
        assert await home.holds(CANARY) == []
    log = (home.folder / "debug.log").read_text()
    assert log
    assert is_clean(log)


async def test_a_broken_seal_tells_nothing(log: io.StringIO, home: Home) -> None:
    async with home.opened() as (_, sealer):
        if not isinstance(sealer, AesGcmSealer):
            return
        sealed = await sealer.seal("session:a", TEXT)
        broken = Sealed(sealed.text[:-4] + "AAAA", sealed.key_id)
        attempts: list[Awaitable[str]] = [sealer.open("session:a", broken), sealer.open("session:b", sealed)]
        for attempt in attempts:
            with pytest.raises(MemoryChatError) as caught:
                await attempt
            logging.getLogger("adapters.keys").error("not opened", exc_info=caught.value)
            assert is_clean(str(caught.value))
    assert is_clean(log.getvalue())
