"""Checks of an installation: what works, what is off, what is broken and how to mend it. No secret is shown."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from core.direct import DIRECT
from core.errors import ConfigurationError, MemoryChatError, StoreError
from core.types import MemoryNamespace, ProfileId, UserId, new_id

if TYPE_CHECKING:
    from bot.bootstrap import App
    from bot.settings import Settings

LOW_SPACE = 200 * 1024 * 1024
"""Bytes of free disk below which the home folder is reported."""


class State(Enum):
    """The sign that is shown."""

    GOOD = "✓"
    BROKEN = "✗"
    OFF = "–"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was checked, how it is, and for BROKEN how to mend it."""

    subject: str
    state: State
    detail: str
    mend: str = ""


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every check, in the order in which one would mend things."""
    home = check_home(settings.home.folder)
    yield home
    if home.state is not State.BROKEN:
        async for finding in _check_application(settings):
            yield finding
    for finding in check_platforms(settings):
        if finding.state is not State.GOOD:
            yield finding
            continue
        for asked in await ask_platform(settings, finding.subject):
            yield asked


async def ask_platform(settings: Settings, subject: str) -> list[Finding]:
    """What the platform itself says of tokens, scopes, intents, webhook and second pollers."""
    from bot.platforms import left_to_do, problems_of

    problems = await problems_of(settings, subject.lower(), is_running=await _is_running(settings))
    if problems:
        return [Finding(subject, State.BROKEN, problem) for problem in problems]
    left = [Finding(subject, State.OFF, line) for line in await left_to_do(settings, subject.lower())]
    return [Finding(subject, State.GOOD, "tokens and permissions work"), *left]


async def _is_running(settings: Settings) -> bool:
    """Whether the bot is running on this database; taken to be so where that cannot be told."""
    from bot.bootstrap import build

    try:
        async with build(settings, answering=False) as app:
            await app.store.take_runner_lock("doctor")
            await app.store.release_runner_lock()
    except MemoryChatError:
        return True
    return False


def check_home(folder: Path) -> Finding:
    """Whether the folder, or the one that it will be made in, can be written and has room."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        return Finding("Home folder", State.BROKEN, f"{existing} is no folder", "Set MEMORYCHAT_HOME to another one.")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        mend = "Make it writable for this user, or set MEMORYCHAT_HOME to another folder."
        return Finding("Home folder", State.BROKEN, f"{existing} cannot be written ({error.strerror})", mend)
    free = shutil.disk_usage(existing).free
    if free < LOW_SPACE:
        return Finding("Home folder", State.BROKEN, f"{free // 2**20} MB are left on its disk", "Make room there.")
    if folder.exists() and folder.stat().st_mode & 0o077:
        return Finding("Home folder", State.BROKEN, f"{folder} is open to other users", f"Run: chmod 700 {folder}")
    return Finding("Home folder", State.GOOD, f"{folder}, {free // 2**30} GB free")


async def _check_application(settings: Settings) -> AsyncIterator[Finding]:
    from bot.bootstrap import build

    try:
        async with build(settings, answering=False) as app:
            yield await _check_database(app)
            yield await _check_keys(app)
            yield await _check_incognito(app)
            yield await _check_memory(app)
            yield await _check_model(app)
    except StoreError as error:
        yield Finding("Database", State.BROKEN, error.user_message, _database_mend(settings))
    except ConfigurationError as error:
        for problem in error.problems:
            yield Finding("Settings", State.BROKEN, problem, "Change that variable in .env or the environment.")


def _database_mend(settings: Settings) -> str:
    if settings.on_supabase:
        return "Check SUPABASE_URL and SUPABASE_SERVICE_KEY, and that supabase/migrations were applied to the project."
    return "Check DATABASE_URL and the home folder's rights."


async def _check_database(app: App) -> Finding:
    await app.store.list_conversations(DIRECT)
    settings = app.settings
    kind = "Supabase" if settings.on_supabase else "Postgres" if settings.on_postgres else "SQLite"
    return Finding("Database", State.GOOD, f"{kind}, schema up to date")


async def _check_keys(app: App) -> Finding:
    """Seals a word under a scope of its own and destroys it again."""
    if not app.settings.privacy.sealing:
        return Finding("Keys", State.OFF, "sealing is off: texts are stored in the clear")
    scope = f"doctor:{new_id()}"
    try:
        works = await app.sealer.open(scope, await app.sealer.seal(scope, "doctor")) == "doctor"
    except (MemoryChatError, OSError):
        works = False
    finally:
        await app.sealer.destroy(scope)
    if not works:
        return Finding("Keys", State.BROKEN, "sealing does not work", "Check MEMORYCHAT_MASTER_KEY or the key file.")
    where = "MEMORYCHAT_MASTER_KEY" if app.settings.privacy.master_key else "a key file of yours"
    return Finding("Keys", State.GOOD, f"texts are sealed; master key from {where}, keep a copy of it")


async def _check_incognito(app: App) -> Finding:
    reason = await app.ephemeral.unavailable()
    if reason is None:
        return Finding("Incognito", State.GOOD, "held in memory only")
    return Finding("Incognito", State.BROKEN, reason, "Switch the persistence of that Redis off.")


async def _check_memory(app: App) -> Finding:
    """Loads the embedder and searches an empty namespace with it."""
    try:
        await app.memory.warm()
        await app.memory.search_memories([MemoryNamespace(UserId(new_id()), ProfileId(new_id()))], "hello", limit=1)
    except (MemoryChatError, OSError, ImportError) as error:
        mend = "Run `make chat` once more to install the packages, or check the EMBEDDINGS settings."
        return Finding("Memory", State.BROKEN, f"the embedder cannot be used ({type(error).__name__})", mend)
    return Finding("Memory", State.GOOD, f"embedder ready ({app.settings.embeddings.kind})")


async def _check_model(app: App) -> Finding:
    if app.model.is_offline:
        return Finding("Model", State.OFF, "none configured: answers quote memories; OPENAI_API_KEY changes that")
    try:
        await app.model.check()
    except MemoryChatError as error:
        detail = f"{app.model.name} gave no answer ({error.code.replace('_', ' ')})"
        return Finding("Model", State.BROKEN, detail, _MODEL_MENDS.get(error.code, "Check OPENAI_BASE_URL."))
    return Finding("Model", State.GOOD, f"{app.model.name} answers")


_MODEL_MENDS = {
    "model_auth": "Check OPENAI_API_KEY.",
    "model_rejected": "Check OPENAI_MODEL: does that server have it?",
    "model_rate_limited": "Wait a little, or check the account's budget.",
    "model_timeout": "Is the server at OPENAI_BASE_URL up? OPENAI_TIMEOUT sets how long I wait.",
}


@dataclass(frozen=True, slots=True)
class _TokenRule:
    platform: str
    field: str
    variable: str
    shape: re.Pattern[str]
    mend: str


_TOKEN_RULES = (
    _TokenRule("slack", "bot_token", "SLACK_BOT_TOKEN", re.compile(r"xoxb-[\w-]{10,}"), "It begins with xoxb-."),
    _TokenRule("slack", "app_token", "SLACK_APP_TOKEN", re.compile(r"xapp-[\w-]{10,}"), "It begins with xapp-."),
    _TokenRule(
        "slack", "signing_secret", "SLACK_SIGNING_SECRET", re.compile(r"[0-9a-f]{32}"), "It is 32 hexadecimal digits."
    ),
    _TokenRule(
        "telegram",
        "bot_token",
        "TELEGRAM_BOT_TOKEN",
        re.compile(r"\d{6,}:[\w-]{30,}"),
        "BotFather gives it as a number, a colon and 35 characters.",
    ),
    _TokenRule(
        "telegram",
        "webhook_secret",
        "TELEGRAM_WEBHOOK_SECRET",
        re.compile(r"[\w-]{1,256}"),
        "Telegram takes letters, digits, _ and - only.",
    ),
    _TokenRule(
        "discord",
        "bot_token",
        "DISCORD_BOT_TOKEN",
        re.compile(r"[\w-]{20,}\.[\w-]{5,}\.[\w-]{25,}"),
        "It has three parts with dots between; take the token of the Bot page, not a client secret.",
    ),
)


def check_platforms(settings: Settings) -> Iterator[Finding]:
    """Whether each token that is set looks like one; no call is made."""
    on = settings.platforms
    for name in ("slack", "telegram", "discord"):
        if name not in on:
            yield Finding(name.capitalize(), State.OFF, f"not configured; {name.upper()}_BOT_TOKEN switches it on")
            continue
        wrong = list(_wrong_tokens(settings, name))
        yield from wrong
        if not wrong:
            yield Finding(name.capitalize(), State.GOOD, "tokens look right")


def _wrong_tokens(settings: Settings, platform: str) -> Iterator[Finding]:
    group = getattr(settings, platform)
    for rule in _TOKEN_RULES:
        secret = getattr(group, rule.field) if rule.platform == platform else None
        if secret is not None and not rule.shape.fullmatch(secret.get_secret_value()):
            yield Finding(platform.capitalize(), State.BROKEN, f"{rule.variable} does not look like one", rule.mend)
