"""A home folder with a real database, keyring, memory and log, and a search through every byte of it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from adapters.clock import ManualClock
from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.keys.plain import PlainSealer
from adapters.memory.embedder import Embedder
from adapters.stores.sql import SqlStore
from adapters.stores.sql.server import PostgresStore
from bot.audit import Finding, audit
from bot.logs import set_up_logging
from core.policy import EnginePolicy
from core.ports import EphemeralStore
from core.ports.observer import UNOBSERVED, Observer
from core.sealing import Sealer
from core.types import MemoryNamespace, UserId
from tests.support.models import ScriptedModel
from tests.support.world import Town, TownAdapter, world


@dataclass(frozen=True)
class Who:
    user_id: UserId
    namespace: MemoryNamespace


class Home:
    """`process` runs the product on it; a second one after the first is a restart. `sealed` False: plain rows.
    `server`: the address of a Postgres that has the rows; its own files are not searched here."""

    def __init__(
        self,
        folder: Path,
        template: Path | None,
        embedder: Embedder,
        *,
        sealed: bool,
        master: MasterKey | None = None,
        server: str = "",
    ) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.sealed = sealed
        self.hurried = False
        """True: nobody pulls the plug in this test, so that no commit waits for the disk."""
        self._embedder = embedder
        self._server = server
        self.master = master or MasterKey.generate()
        self._store: SqlStore | None = None
        self._sealer: Sealer | None = None
        if template is not None:
            shutil.copyfile(template, folder / "memorychat.db")

    @asynccontextmanager
    async def process(
        self,
        model: ScriptedModel,
        *,
        adapters: Sequence[TownAdapter] = (),
        policy: EnginePolicy | None = None,
        ephemeral: EphemeralStore | None = None,
        observer: Observer = UNOBSERVED,
    ) -> AsyncIterator[Town]:
        async with self.opened() as (store, sealer):
            self._store, self._sealer = store, sealer
            with (self.folder / "debug.log").open("a") as log, _logging_to(log):
                async with world(
                    store=store,
                    sealer=sealer,
                    model=model,
                    embedder=self._embedder,
                    clock=self.clock,
                    adapter=adapters[0] if adapters else None,
                    others=adapters[1:],
                    policy=policy,
                    ephemeral=ephemeral,
                    observer=observer,
                ) as town:
                    yield town
            self._store = self._sealer = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[SqlStore, Sealer]]:
        store = self._rows_kept_in()
        await store.open()
        keyring = FileKeyring(self.folder / "keyring.db", self.master)
        await keyring.open(data_present=False)
        try:
            yield store, AesGcmSealer(keyring) if self.sealed else PlainSealer()
        finally:
            await keyring.close()
            await store.close()

    def _rows_kept_in(self) -> SqlStore:
        if self._server:
            return PostgresStore(self._server, self.clock)
        pragmas = ("synchronous=OFF",) if self.hurried else ()
        return SqlStore(f"sqlite:///{self.folder}/memorychat.db", self.clock, pragmas=pragmas)

    async def holds(self, text: str) -> list[Finding]:
        """Where a text is, in every file and every row, unsealed."""
        if self._store is not None and self._sealer is not None:
            return await audit(self.folder, self._store, self._sealer, text)
        async with self.opened() as (store, sealer):
            return await audit(self.folder, store, sealer, text)

    async def keys(self) -> set[str]:
        """The ids of the data keys."""
        return {str(row[0]) for row in self._rows("keyring.db", "SELECT id FROM memorychat_keys")}

    async def scopes(self) -> set[str]:
        return {str(row[0]) for row in self._rows("keyring.db", "SELECT scope FROM memorychat_keys")}

    def receipts(self) -> list[tuple[str, bool]]:
        return [
            (str(row[0]), bool(row[1])) for row in self._rows("memorychat.db", "SELECT scope, verified FROM erasures")
        ]

    def _rows(self, file: str, query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.folder / file)
        try:
            return list(connection.execute(query))
        finally:
            connection.close()


async def who(town: Town, name: str) -> Who:
    identity = await town.store.find_identity(town.adapter.name, "", name)
    assert identity is not None
    profile = await town.store.get_default_memory_profile(identity.user_id)
    return Who(identity.user_id, profile.namespace)


@contextmanager
def _logging_to(stream: TextIO) -> Iterator[None]:
    """The product's own log set-up at its loudest."""
    handlers, level = logging.root.handlers[:], logging.root.level
    set_up_logging("DEBUG", "json", stream=stream)
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)
