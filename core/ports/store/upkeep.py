"""What the jobs and the operator's commands need."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Maintenance(Protocol):
    async def open(self) -> None:
        """Connect and check the schema. Raises SchemaMismatch, StoreReadOnly, StoreUnavailable."""
        ...

    async def close(self) -> None: ...

    async def take_runner_lock(self, owner: str) -> None:
        """Raises AnotherRunner. The lock goes with the process, also when it is killed."""
        ...

    async def release_runner_lock(self) -> None: ...

    async def claim_job_run(self, job: str, tick: datetime) -> bool:
        """Whether this process is the first to run a job for a tick."""
        ...

    async def purge(self, now: datetime) -> int:
        """Drop expired pending rows, notices and event keys that no redelivery can match any more."""
        ...

    async def compact(self) -> None:
        """Checkpoint and shrink where the engine needs it, so that deleted bytes leave the disk."""
        ...

    async def has_sealed_rows(self) -> bool:
        """Whether any content needs a key to be read."""
        ...
