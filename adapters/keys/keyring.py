"""Data keys in a database of their own: `SqlKeyring` on a server, `FileKeyring` (file.py) on one machine.

`current` never answers from memory that may be stale: another process may have destroyed the key a moment ago, and
what would then be sealed under it would be lost. Calls that come together are answered together, in one transaction.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from adapters.keys.failures import map_failure
from adapters.keys.master import KEY_BYTES, MasterKey
from adapters.keys.wrapping import unwrap, wrap
from core.errors import ConfigurationError, KeyMissing
from core.ports import DataKey
from core.types import new_id

T = TypeVar("T")

CHECK_SCOPE = "keyring"
"""The scope of a key that seals nothing: it tells whether the master key is the right one."""

TRIES = 5

BATCH = 500
"""As many scopes are looked up in one statement, far below every database's limit of parameters."""


@dataclass(frozen=True, slots=True)
class KeyringStatus:
    """`keys` counts the data keys; `place` and `master_source` say where they and the master key are."""

    keys: int
    place: str
    master_source: str


class SqlKeyring:
    """`url` is one of SQLAlchemy or libpq; `schema` keeps the table apart from others in the same database.

    Every method raises StoreUnavailable, StoreFull or StoreReadOnly when the database does.
    """

    def __init__(self, url: str | sa.URL, master: MasterKey, *, schema: str | None = None) -> None:
        self._master = master
        self._schema = schema
        self._engine = _make_engine(url)
        self._table = sa.Table(
            "memorychat_keys",
            sa.MetaData(schema=schema),
            sa.Column("id", sa.String(36), primary_key=True),
            sa.Column("scope", sa.String(200), nullable=False, unique=True),
            sa.Column("wrapped", sa.LargeBinary, nullable=False),
            sqlite_with_rowid=False,
        )
        wanted = self._table.c.scope.in_(sa.bindparam("scopes", expanding=True))
        self._of_scopes = sa.select(self._table).where(wanted).order_by(self._table.c.id)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keyring")
        self._wanted: dict[str, asyncio.Future[DataKey]] = {}
        self._serving: asyncio.Task[None] | None = None

    async def open(self, *, data_present: bool) -> None:
        """Before anything else: make the table where there is none, and check the master key.

        `data_present`: the database holds sealed rows, so that an empty keyring is a wrong one.

        Raises:
            ConfigurationError: another master key wraps these keys, or the keyring is empty and must not be.
        """
        await self._run(partial(self._open, data_present))

    async def current(self, scope: str) -> DataKey:
        future = self._wanted.get(scope)
        if future is None:
            future = self._wanted[scope] = asyncio.get_running_loop().create_future()
            if self._serving is None or self._serving.done():
                self._serving = asyncio.create_task(self._serve())
        return await asyncio.shield(future)

    async def get(self, key_id: str) -> DataKey:
        return await self._run(partial(self._get, key_id))

    async def destroy(self, *scopes: str) -> int:
        return await self._run(partial(self._destroy, scopes))

    async def rewrap(self) -> int:
        """Wrap every data key anew under the first part of the master key; how many there were.

        A process that does not have that part by now cannot open anything until it is started again.
        """
        return await self._run(self._rewrap)

    async def export(self) -> bytes:
        """All data keys as JSON, still wrapped by the master key. A copy outlives every erasure: guard it."""
        rows = await self._run(partial(self._rows, sa.true()))
        keys = [{"id": row.id, "scope": row.scope, "wrapped": b64encode(row.wrapped).decode()} for row in rows]
        return json.dumps({"memorychat_keyring": 1, "keys": keys}, indent=1).encode()

    async def restore(self, exported: bytes) -> int:
        """Add the exported keys of scopes that have none here; how many.

        Raises:
            ConfigurationError: no export, or one that this master key does not open.
        """
        return await self._run(partial(self._restore, exported))

    async def status(self) -> KeyringStatus:
        return KeyringStatus(await self._run(self._count) - 1, self._place(), self._master.source)

    async def close(self) -> None:
        if self._serving is not None:
            await self._serving
        await self._run(self._engine.dispose)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        for left in reversed(range(TRIES)):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except sa.exc.DBAPIError as error:
                # Two processes that want the same new keys at once: the server lets one of them begin again.
                if type(error.orig).__name__ != "DeadlockDetected" or not left:
                    raise map_failure(error) from None
        raise AssertionError("unreachable")

    async def _serve(self) -> None:
        while self._wanted:
            wanted = {scope: self._wanted.pop(scope) for scope in list(self._wanted)[:BATCH]}
            try:
                found = await self._run(partial(self._current, tuple(wanted)))
            except Exception as error:
                for future in wanted.values():
                    future.set_exception(error)
            else:
                for scope, future in wanted.items():
                    future.set_result(found[scope])

    # What follows runs in the thread and blocks.

    def _place(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def _open(self, data_present: bool) -> None:
        self._make_table()
        check = self._rows(self._table.c.scope == CHECK_SCOPE)
        if not check and data_present:
            raise ConfigurationError(
                f"The keyring {self._place()} is empty, but the database holds sealed rows. Bring their keyring back: "
                "a new one could not open them."
            )
        try:
            self._current((CHECK_SCOPE,))
        except KeyMissing:
            raise ConfigurationError(
                f"The master key ({self._master.source}) is not the one that wraps the keyring {self._place()}."
            ) from None

    def _make_table(self) -> None:
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":  # whose IF NOT EXISTS fails when two come at once
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('memorychat_keys'))"))
            if self._schema is not None:
                connection.execute(sa.schema.CreateSchema(self._schema, if_not_exists=True))
            connection.execute(sa.schema.CreateTable(self._table, if_not_exists=True))

    def _current(self, scopes: Sequence[str]) -> dict[str, DataKey]:
        found = self._find(scopes)
        missing = [scope for scope in scopes if scope not in found]
        if missing:
            fresh = [DataKey(new_id(), scope, secrets.token_bytes(KEY_BYTES)) for scope in missing]
            self._add([{"id": key.id, "scope": key.scope, "wrapped": wrap(self._master, key)} for key in fresh])
            found |= self._find(missing)  # another process may have been first
        return found

    def _find(self, scopes: Sequence[str]) -> dict[str, DataKey]:
        with self._engine.connect() as connection:
            rows = connection.execute(self._of_scopes, {"scopes": scopes}).all()
        return {row.scope: self._unwrap(row) for row in rows}

    def _get(self, key_id: str) -> DataKey:
        for row in self._rows(self._table.c.id == key_id):
            return self._unwrap(row)
        raise KeyMissing(key_id)

    def _rows(self, where: sa.ColumnElement[bool]) -> Sequence[sa.Row[tuple[str, str, bytes]]]:
        with self._engine.connect() as connection:
            return connection.execute(sa.select(self._table).where(where).order_by(self._table.c.id)).all()

    def _count(self) -> int:
        with self._engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(self._table)).scalar_one()

    def _unwrap(self, row: sa.Row[tuple[str, str, bytes]]) -> DataKey:
        return unwrap(self._master, row.id, row.scope, row.wrapped)

    def _add(self, rows: list[dict[str, object]]) -> None:
        """Those whose scope or id is taken are left out."""
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        with self._engine.begin() as connection:
            connection.execute(insert(self._table).on_conflict_do_nothing(), rows)

    def _destroy(self, scopes: Sequence[str]) -> int:
        with self._engine.begin() as connection:
            gone = self._delete(connection, scopes)
        # Deleted rows stay in a Postgres table until it is vacuumed; autovacuum does it later where we may not.
        with suppress(sa.exc.DBAPIError), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text(f"VACUUM {self._table}"))
        return gone

    def _delete(self, connection: sa.Connection, scopes: Sequence[str]) -> int:
        batches = (scopes[start : start + BATCH] for start in range(0, len(scopes), BATCH))
        doomed = (sa.delete(self._table).where(self._table.c.scope.in_(batch)) for batch in batches)
        return sum(connection.execute(statement).rowcount for statement in doomed)

    def _rewrap(self) -> int:
        table = self._table
        with self._engine.begin() as connection:
            # A write first: it takes SQLite's lock, and the row lock on which a second rewrap waits.
            connection.execute(sa.update(table).where(table.c.scope == CHECK_SCOPE).values(scope=CHECK_SCOPE))
            keys = [self._unwrap(row) for row in connection.execute(sa.select(table)).all()]
            for key in keys:
                wrapped = wrap(self._master, key)
                connection.execute(sa.update(table).where(table.c.id == key.id).values(wrapped=wrapped))
        return len(keys) - 1

    def _restore(self, exported: bytes) -> int:
        try:
            keys = [
                unwrap(self._master, item["id"], item["scope"], b64decode(item["wrapped"]))
                for item in json.loads(exported)["keys"]
            ]
        except KeyMissing:
            raise ConfigurationError(f"The master key ({self._master.source}) does not open this export.") from None
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError("This is not an export of a keyring.") from None
        before = self._count()
        self._add([{"id": key.id, "scope": key.scope, "wrapped": wrap(self._master, key)} for key in keys])
        return self._count() - before


def _make_engine(url: str | sa.URL) -> sa.Engine:
    """One connection, used by one thread."""
    address = sa.make_url(url)
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    on_server = address.get_backend_name() == "postgresql"
    return sa.create_engine(address, pool_size=1, max_overflow=0, pool_pre_ping=on_server)
