"""APScheduler triggers: they say when, the jobs say what. Each tick of a job runs in one process only (`job_runs`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.bootstrap import App
from core.errors import MemoryChatError
from core.tracing import where

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """`run` may be called again before the last run's effect is needed; `every` is the time between two ticks."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]


def jobs_of(app: App) -> tuple[Job, ...]:
    clock, engine, store = app.clock, app.engine, app.store
    return (
        Job("outbox-retry", timedelta(seconds=5), engine.responder.retry_unsent),
        Job("learn-quiet", timedelta(seconds=30), engine.learner.quiet),
        Job("purge", timedelta(hours=1), lambda: store.purge(clock.now())),
        Job("retention", timedelta(hours=1), partial(_retain, app)),
        Job("compact", timedelta(hours=6), store.compact),
    )


async def _retain(app: App) -> None:
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


class Scheduler:
    """`async with Scheduler(app):` runs the jobs until the block ends."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._scheduler = AsyncIOScheduler(timezone="UTC")

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
            if await self._app.store.claim_job_run(job.name, _tick(self._app.clock.now(), job.every)):
                await job.run()
        except MemoryChatError as error:
            log.warning("job %s failed: %s at %s", job.name, type(error).__name__, where(error))


def _tick(now: datetime, every: timedelta) -> datetime:
    """The start of the interval that `now` lies in, the same in every process."""
    seconds = int(every.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, tz=now.tzinfo)
