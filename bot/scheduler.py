"""APScheduler triggers: they say when, the jobs say what. Each tick of a job runs in one process only (`job_runs`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.bootstrap import App
from bot.upkeep import back_up, retain, sum_up_usage, verify_index
from core.errors import MemoryChatError
from core.tracing import where
from core.types import new_id

log = logging.getLogger(__name__)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Job:
    """`run` may be called again before the last run's effect is needed; `every` is the time between two ticks; `local`:
    it is about what this process holds, so each process runs it."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]
    about: str
    local: bool = False


def jobs_of(app: App) -> tuple[Job, ...]:
    clock, engine, store, memory, backups = app.clock, app.engine, app.store, app.memory, app.settings.backups
    jobs = [
        Job("outbox-retry", 5 * SECOND, engine.responder.retry_unsent, "send replies that were put off"),
        Job("learn-quiet", 30 * SECOND, engine.learner.quiet, "learn where nobody has spoken for a while"),
        Job(
            "incognito-expiry", MINUTE, app.ephemeral.expire, "drop incognito talks that were idle too long", local=True
        ),
        Job(
            "purge", HOUR, lambda: store.purge(clock.now()), "drop expired codes, confirmations, notices and event keys"
        ),
        Job("retention", HOUR, partial(retain, app), "remove what is older than the settings or its profile allow"),
        Job("reindex", HOUR, memory.reindex, "embed memories that another embedder made"),
        Job(
            "index-verify",
            6 * HOUR,
            partial(verify_index, app),
            "compare the index with the rows, and mend it",
            local=True,
        ),
        Job("compact", 6 * HOUR, store.compact, "checkpoint the log and give free pages back"),
        Job("usage", 24 * HOUR, partial(sum_up_usage, app), "log yesterday's use, roll old days up into months"),
    ]
    if backups.folder is not None:
        jobs.append(Job("backup", backups.every, partial(back_up, app), "copy the database to BACKUP_FOLDER"))
    return tuple(jobs)


class Scheduler:
    """`async with Scheduler(app):` runs the jobs until the block ends."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._here = new_id()

    async def __aenter__(self) -> Scheduler:
        for job in jobs_of(self._app):
            self._scheduler.add_job(
                self._run, "interval", (job,), seconds=job.every.total_seconds(), max_instances=1, coalesce=True
            )
        self._scheduler.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._scheduler.shutdown(wait=False)

    async def _run(self, job: Job) -> None:
        try:
            name = f"{job.name}:{self._here}" if job.local else job.name
            if await self._app.store.claim_job_run(name, _tick(self._app.clock.now(), job.every)):
                await job.run()
        except MemoryChatError as error:
            log.warning("job %s failed: %s at %s", job.name, type(error).__name__, where(error))


def _tick(now: datetime, every: timedelta) -> datetime:
    """The start of the interval that `now` lies in, the same in every process."""
    seconds = int(every.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=now.tzinfo)
