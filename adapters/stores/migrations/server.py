"""The schema on a Postgres server: `postgres/*.sql`, which Supabase's own tool applies as well, in the files' order.

Each file is one transaction that ends with its version, so that an interrupted upgrade goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, inspect

from adapters.stores.sql.engine import mapped
from adapters.stores.sql.faults import as_store_error
from adapters.stores.sql.postgres import postgres_engine
from adapters.stores.sql.schema import metadata

T = TypeVar("T")

_FOLDER = Path(__file__).parent
_ONE_AT_A_TIME = "select pg_advisory_xact_lock(7308604758)"
_LOOK_ANEW = "select 1 from pg_catalog.pg_proc limit 1"
"""Waiting for an advisory lock leaves a session with the functions it knew before; opening a table does not."""


def files() -> dict[str, Path]:
    """By version, in order."""
    return {path.name.partition("_")[0]: path for path in sorted((_FOLDER / "postgres").glob("[0-9]*.sql"))}


def current(url: str) -> str | None:
    """The version, None for a database that is empty; `""` when tables with our names are not ours. Raises
    StoreError."""
    return _on(url, lambda engine: _current_of(engine))


def upgrade(url: str) -> None:
    """Apply what is missing. The caller has made sure that the version is known. Raises StoreError."""

    def work(engine: Engine) -> None:
        for version, path in files().items():
            with engine.begin() as connection:
                connection.exec_driver_sql(_ONE_AT_A_TIME)
                connection.exec_driver_sql(_LOOK_ANEW)
                if (_version(connection) or "") < version:
                    _apply(connection, version, path)

    _on(url, work)


def _on(url: str, work: Callable[[Engine], T]) -> T:
    # Here, because nobody on SQLite needs the driver.
    from psycopg import Error

    engine = postgres_engine(url, 1)
    try:
        # READ COMMITTED: whoever waited for an upgrade has to see what it did.
        return mapped(work, engine.execution_options(isolation_level="READ COMMITTED"))
    except Error as error:
        raise as_store_error(error) from error
    finally:
        engine.dispose()


def _current_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        found = _version(connection)
        if found is None and set(inspect(connection).get_table_names("public")) & set(metadata.tables):
            return ""
        return found


def _version(connection: Connection) -> str | None:
    if connection.exec_driver_sql("select to_regprocedure('public.schema_version()')").scalar() is None:
        return None
    version: str = connection.exec_driver_sql("select public.schema_version()").scalar_one()
    return version


def _apply(connection: Connection, version: str, path: Path) -> None:
    # On the driver's cursor, which takes a whole file and leaves its per cent signs alone.
    cursor = connection.connection.cursor()
    try:
        if connection.exec_driver_sql("select to_regprocedure('auth.uid()')").scalar() is None:
            cursor.execute((_FOLDER / "preamble.sql").read_text("utf-8"))
        cursor.execute(path.read_text("utf-8"))
        # Supabase's tool keeps this list; with the line in it, it does not apply the file once more.
        if connection.exec_driver_sql("select to_regclass('supabase_migrations.schema_migrations')").scalar():
            line = "insert into supabase_migrations.schema_migrations (version) values (%s) on conflict do nothing"
            cursor.execute(line, (version,))
    finally:
        cursor.close()
