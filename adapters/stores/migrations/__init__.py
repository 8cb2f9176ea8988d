"""The database schema's versions: Alembic for SQLite, SQL files for Postgres, one numbering.

`HEAD` is the one that this code works on.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, make_url

from adapters.stores.migrations import server
from adapters.stores.sql.engine import mapped, sqlite_engine
from adapters.stores.sql.files import prepare
from core.errors import SchemaMismatch

HEAD = "0004"
_FOLDER = Path(__file__).parent

_NEWER = (
    "My database was written by a newer version of MemoryChat (schema {found}; I know up to {head}). "
    "Please update me, or point me at another home folder. Nothing was changed."
)
_FOREIGN = "That database is not MemoryChat's. Please point me at another one. Nothing was changed."


def current(url: str) -> str | None:
    """The schema's version, None where there is no database yet. Blocking; only reads.

    Raises SchemaMismatch for a database of something else, StoreError.
    """
    if _on_server(url):
        return _server_version(url)
    path = Path(str(make_url(url).database))
    if not os.path.exists(path):  # a name that no file can have raises in pathlib
        return None
    # Not the product's engine, whose settings would change a file that may not be ours.
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    return mapped(_current_of, engine)


def upgrade(url: str) -> None:
    """Make a database where there is none and bring it to `HEAD`, in one transaction. Blocking.

    Raises SchemaMismatch for a database of a newer version or of something else, which stays as it is; StoreError.
    """
    found = current(url)
    if found == HEAD:
        return
    refuse_unknown(found)
    if _on_server(url):
        server.upgrade(url)
        return
    parsed = make_url(url)
    engine = sqlite_engine(parsed, connections=1, begin="BEGIN IMMEDIATE")

    def work(engine: Engine) -> None:
        prepare(Path(str(parsed.database)))
        with engine.begin() as connection:
            _upgrade(connection)

    try:
        mapped(work, engine)
    finally:
        engine.dispose()


def mismatch(found: str | None) -> str:
    """What to tell the operator of a schema that is not `HEAD`."""
    if found is None or found < HEAD:
        return f"The database has schema {found or 'none'}, I need {HEAD}. Run `memorychat db upgrade`, then start me."
    return _NEWER.format(found=found, head=HEAD)


def _on_server(url: str) -> bool:
    return url.startswith("postgres")


def _server_version(url: str) -> str | None:
    found = server.current(url)
    if found == "":
        raise SchemaMismatch(user_message=_FOREIGN)
    return found


def _current_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return _current(connection)


def _current(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise SchemaMismatch(user_message=_FOREIGN)
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


def refuse_unknown(found: str | None) -> None:
    """Raises SchemaMismatch for a version that this code does not know."""
    known = {path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")}
    if found is not None and found not in known:
        raise SchemaMismatch(found, user_message=_NEWER.format(found=found, head=HEAD))


def _upgrade(connection: Connection) -> None:
    # Here, because importing Alembic takes longer than opening a database that is up to date.
    from alembic import command
    from alembic.config import Config

    # Another process may have upgraded while this one waited for the write lock; Alembic then finds nothing to do.
    refuse_unknown(_current(connection))
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


__all__ = ["HEAD", "current", "mismatch", "refuse_unknown", "upgrade"]
