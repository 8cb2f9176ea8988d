"""An event loop whose time passes only where everybody waits for it: an hour of waiting takes no time at all."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from adapters.clock import ManualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Selector(selectors.DefaultSelector):
    """Skips what the loop would wait for its next timer, unless a thread is at work for it."""

    passed = 0.0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.threads:
            return super().select(timeout if not self.threads or timeout is None else min(timeout, 0.01))
        if ready := super().select(0):
            return ready
        self.passed += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: ManualClock) -> None:
        self._virtual = _Selector()
        self._clock = clock
        self._told = 0.0
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds; the clock is moved with it."""
        self._clock.advance(self._virtual.passed - self._told)
        self._told = self._virtual.passed
        return self._told

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._virtual.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._virtual.threads -= 1


def run_virtually(clock: ManualClock, story: Coroutine[Any, Any, T]) -> T:
    """`story` to its end; `clock` goes with the loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(story)
