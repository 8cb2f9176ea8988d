from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime

from adapters.stores import rules
from adapters.stores.sql.audit import AuditRow, audit_row
from adapters.stores.sql.schema import job_runs, metadata, pending, runner_leases
from adapters.stores.supabase.group import Group
from adapters.stores.supabase.rest import Rest
from adapters.stores.supabase.values import to_json
from core.errors import AnotherRunner, MemoryChatError
from core.ports.access import CODE_LIFE
from core.ports.clock import Clock
from core.types import ConversationId, Metadata, UserId

LEASE = 15.0
"""Seconds by the server's clock; a killed runner is over after that at the latest."""
log = logging.getLogger(__name__)


class SupabaseMaintenance(Group):
    def __init__(self, rest: Rest, clock: Clock, *, lease: float = LEASE) -> None:
        super().__init__(rest, clock)
        self._lease = lease
        self._keeper: asyncio.Task[None] | None = None
        self._owner = ""

    async def take_runner_lock(self, owner: str) -> None:
        """A lease that is kept up while this process lives. Whoever finds it gone to another one stops working: every
        call raises AnotherRunner from then on, this one too."""
        if self._rest.overtaken:
            raise AnotherRunner
        if self._keeper is not None:
            return
        if not await self._hold(owner):
            raise AnotherRunner
        self._owner = owner
        self._keeper = asyncio.create_task(self._keep(owner))

    async def release_runner_lock(self) -> None:
        if self._keeper is None:
            return
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper
        self._keeper = None
        with suppress(MemoryChatError):
            # Gone by itself a moment later where it cannot be given back.
            await self._rest.drop(runner_leases, {"owner": self._owner}, safe=True)

    async def _hold(self, owner: str) -> bool:
        return bool(await self._rest.call("mc_hold_runner", {"owner": owner, "seconds": self._lease}, safe=True))

    async def _keep(self, owner: str) -> None:
        held = True
        while held:
            await asyncio.sleep(self._lease / 4)
            with suppress(MemoryChatError):
                held = await self._hold(owner)
        log.error("another process took the runner's lease; this one writes nothing any more")
        self._rest.overtaken = True

    async def put_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, payload: Metadata, expires_at: datetime
    ) -> None:
        key = {"user_id": user_id, "conversation_id": conversation_id, "token": token}
        values = {**key, "payload": rules.plain(payload), "expires_at": expires_at}
        await self._rest.add(pending, values, key=list(key), replace=True)

    async def take_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        which = {"user_id": user_id, "conversation_id": conversation_id, "token": token}
        taken = await self._rest.drop(pending, which)
        return taken[0].payload if taken and taken[0].expires_at > now else None

    async def peek_pending(
        self, user_id: UserId, conversation_id: ConversationId, token: str, now: datetime
    ) -> Metadata | None:
        which = {"user_id": user_id, "conversation_id": conversation_id, "token": token}
        row = await self._rest.first(pending, which, lambda query: query.gt("expires_at", to_json(now)))
        return row.payload if row else None

    async def claim_job_run(self, job: str, tick: datetime) -> bool:
        return bool(await self._rest.add(job_runs, {"job": job, "tick": tick}, key=("job", "tick")))

    async def purge(self, now: datetime) -> int:
        given = {
            "now": now,
            "event_keys": now - rules.EVENT_KEY_LIFE,
            "link_failures": now - rules.LINK_FAILURE_LIFE,
            "access_grants": now - CODE_LIFE,
            "notices": now - rules.NOTICE_LIFE,
            "job_runs": now - rules.JOB_RUN_LIFE,
        }
        return int(await self._rest.call("mc_purge", given, safe=True))

    async def compact(self) -> None:
        """Nothing to do: the server's autovacuum does it."""

    async def audit_rows(self) -> AsyncIterator[AuditRow]:
        """Every row of every table, for those who look for what must not be there."""
        for table in metadata.sorted_tables:
            key = [column.name for column in table.primary_key.columns]
            for row in await self._rest.find(table, {}, order=key):
                yield audit_row(table, vars(row))

    async def has_sealed_rows(self) -> bool:
        return bool(await self._rest.call("mc_has_sealed_rows", safe=True))
