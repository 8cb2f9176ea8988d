"""The jobs that need more than one call: what they do. When they do it says `bot/scheduler.py`."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from bot.bootstrap import App

log = logging.getLogger(__name__)

BACKUP_NAME = "memorychat-{:%Y%m%d-%H%M%S}.db"
BACKUPS = "memorychat-????????-??????.db"


async def retain(app: App) -> None:
    """Messages and memories that are older than the settings, or than their profile allows, go."""
    privacy = app.settings.privacy
    gone = await app.store.expire(
        app.clock.now(), _days(privacy.message_retention_days), _days(privacy.memory_retention_days)
    )
    if any(gone.values()):
        log.info("retention removed %d messages and %d memories", gone["messages"], gone["memories"])
        await app.store.compact()


def _days(number: int) -> timedelta | None:
    """0 means for ever."""
    return timedelta(days=number) if number else None


async def verify_index(app: App) -> None:
    if wrong := await app.memory.verify():
        log.warning("the memory index had %d wrong entries, which are mended", wrong)


async def sum_up_usage(app: App) -> None:
    """Yesterday's use of everybody together, in one line of the log. Of a month before the last one nobody needs to
    know any more on which days a person wrote: its days become one row."""
    today = app.clock.now().date()
    day = today - timedelta(days=1)
    used = await app.store.get_usage(None, day)
    told = (day, used.messages, used.prompt_tokens, used.completion_tokens)
    log.info("usage of %s: %d messages, %d tokens read, %d written", *told)
    last_month = today.replace(day=1) - timedelta(days=1)
    if gone := await app.store.roll_up_usage(last_month):
        log.info("usage of %d days of people rolled up into months", gone)


async def back_up(app: App) -> None:
    """One more copy of the database, and those that are too many go. Raises ConfigurationError, StoreError."""
    where = app.settings.backups
    assert where.folder is not None
    database = Path(str(make_url(app.settings.database_address).database))
    await asyncio.to_thread(_copy, database, where.folder, BACKUP_NAME.format(app.clock.now()), where.keep)


def _copy(database: Path, folder: Path, name: str, keep: int) -> None:
    from adapters.stores.backup import backup

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = backup(database, folder / name)
    log.info("backed up %d bytes", size)
    for old in sorted(folder.glob(BACKUPS))[:-keep]:
        old.unlink(missing_ok=True)
