"""The one thread that writes, with group commit.

A durable commit waits for the disk, some milliseconds each. What arrives meanwhile is committed together with one wait
for all of it, so that fifty conversations at once cost hardly more than one. What a loss of power may take back (see
`engine.hurried`) does not wait: killing the process loses none of it, and the next durable commit carries it along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from adapters.stores.sql.faults import FOREIGN, as_store_error
from core.errors import StoreUnavailable

T = TypeVar("T")

GROUP = 64
"""So many writes share a commit at most; it bounds how long the first one waits for the last one's work."""


@dataclass(frozen=True, slots=True)
class _Job:
    """`alone`: takes the engine and manages its own transactions. `durable`: on the disk before it is told of."""

    work: Callable[[Any], Any]
    future: asyncio.Future[Any]
    alone: bool = False
    durable: bool = True


class Writer:
    """Runs functions that take a Connection, each as one transaction to its caller.

    Functions have to be fit to be run again: a group in which one fails is rolled back, and each is run by itself.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    async def run(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Raises only errors of our own tree and those of `work`; StoreUnavailable after `close`."""
        result: T = await self._submit(work, durable=durable)
        return result

    async def outside(self, work: Callable[[Engine], T]) -> T:
        """Run what manages its own transactions (VACUUM, migrations)."""
        result: T = await self._submit(work, alone=True)
        return result

    async def _submit(self, work: Callable[[Any], Any], *, alone: bool = False, durable: bool = True) -> Any:
        if self._closed:
            raise StoreUnavailable("closed")
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="store-writer", daemon=True)
            self._thread.start()
        job = _Job(work, asyncio.get_running_loop().create_future(), alone, durable)
        self._jobs.put(job)
        return await job.future

    async def close(self) -> None:
        """Wait for what is under way. Idempotent."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._engine.dispose)

    def _serve(self) -> None:
        closing = False
        while not closing:
            jobs = self._waiting()
            closing = None in jobs
            for alone, group in groupby((job for job in jobs if job), key=lambda job: job.alone):
                if alone:
                    for job in group:
                        self._run_one(job)
                else:
                    self._run_group(list(group))

    def _waiting(self) -> list[_Job | None]:
        """At least one job, with those that came while the last group was at work."""
        jobs = [self._jobs.get()]
        with suppress(Empty):
            while len(jobs) < GROUP:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _run_group(self, group: Sequence[_Job]) -> None:
        if len(group) > 1 and self._run_together(group):
            return
        for job in group:
            self._run_one(job)

    def _run_together(self, group: Sequence[_Job]) -> bool:
        """False when one of them failed: nothing is written then, and each has to show by itself what it comes to."""
        try:
            with self._transaction(durable=any(job.durable for job in group)) as connection:
                results = [job.work(connection) for job in group]
        except Exception:  # whatever a job raises: each is run again by itself below, and tells its own caller
            return False
        for job, result in zip(group, results, strict=True):
            _tell(job, result=result)
        return True

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            # Before the transaction begins: SQLite takes no notice inside of one.
            driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            with connection.begin():
                yield connection

    def _run_one(self, job: _Job) -> None:
        try:
            if job.alone:
                result = job.work(self._engine)
            else:
                with self._transaction(durable=job.durable) as connection:
                    result = job.work(connection)
        except FOREIGN as error:
            ours = as_store_error(error)
            ours.__cause__ = error
            _tell(job, error=ours)
        except BaseException as error:
            _tell(job, error=error)
        else:
            _tell(job, result=result)


def _tell(job: _Job, *, result: object = None, error: BaseException | None = None) -> None:
    """Wake the caller, who may have been cancelled or whose event loop may be gone."""

    def wake() -> None:
        if job.future.cancelled():
            return
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    with suppress(RuntimeError):
        job.future.get_loop().call_soon_threadsafe(wake)
