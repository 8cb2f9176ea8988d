"""What a process that is killed leaves behind, in each kind of store, and what the next one begins with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import URL, create_engine, make_url, select

from adapters.stores.memory import MemoryStore
from adapters.stores.sql import SqlStore
from adapters.stores.sql.postgres import postgres_url
from adapters.stores.sql.schema import chat_messages, inbox, mem0_memories, outbox
from adapters.stores.sql.server import PostgresStore
from core.ports import Clock, Store


@dataclass(frozen=True)
class Left:
    """States of all turns and replies, each message as (turn, role, text), each memory as the turns it came from."""

    turns: set[str]
    replies: set[str]
    messages: list[tuple[str | None, str, str]]
    sources: list[tuple[str, ...]]


class Keeping(Protocol):
    """`store` is what a process opens that starts now; `die`: the process that has one open is killed in this moment;
    `left`: the rows, sealed with no key."""

    def store(self) -> Store: ...

    def die(self) -> None: ...

    def left(self) -> Left: ...


class InMemory:
    """The store is what outlives the process."""

    def __init__(self, clock: Clock) -> None:
        self._store = MemoryStore(clock)

    def store(self) -> Store:
        return self._store

    def die(self) -> None:
        """Nothing that it wrote can get lost."""

    def left(self) -> Left:
        tables = self._store._tables
        return Left(
            {str(row.state) for row in tables.inbox.values()},
            {str(row.state) for row in tables.outbox.values()},
            [(row.turn_id, row.role, row.content.text) for row in tables.messages.values()],
            [tuple(row.source_turns) for row in tables.memories.values()],
        )


class OnDisk:
    """SQLite: the next process begins with the files as they were in the moment of the kill."""

    def __init__(self, clock: Clock, folder: Path, template: Path) -> None:
        self._clock = clock
        self._folder = folder / "home"
        self._folder.mkdir()
        shutil.copyfile(template, self._folder / "memorychat.db")

    def store(self) -> Store:
        # The plug is not pulled: what the process has written the system has, whether it is on the disk yet or not.
        return SqlStore(self._address(), self._clock, pragmas=("synchronous=OFF",))

    def die(self) -> None:
        left = self._folder.with_name(f"{self._folder.name}-left")
        left.mkdir()
        # The index of the log is memory that processes share; who comes first builds it anew.
        for path in sorted(self._folder.glob("memorychat.db*")):
            if not path.name.endswith("-shm"):
                shutil.copyfile(path, left / path.name)
        self._folder = left

    def left(self) -> Left:
        return _rows(make_url(self._address()))

    def _address(self) -> str:
        return f"sqlite:///{self._folder}/memorychat.db"


class OnServer:
    """Postgres: it learns of a kill by the connections that end."""

    def __init__(self, clock: Clock, url: str) -> None:
        self._clock = clock
        self._url = url

    def store(self) -> Store:
        return PostgresStore(self._url, self._clock)

    def die(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )

    def left(self) -> Left:
        return _rows(postgres_url(self._url))


def _rows(url: URL) -> Left:
    said = select(chat_messages.c.turn_id, chat_messages.c.role, chat_messages.c.content)
    engine = create_engine(url)
    with engine.connect() as connection:
        left = Left(
            set(connection.scalars(select(inbox.c.state))),
            set(connection.scalars(select(outbox.c.state))),
            [(row.turn_id, row.role, row.content) for row in connection.execute(said)],
            [tuple(turns) for turns in connection.scalars(select(mem0_memories.c.source_turns))],
        )
    engine.dispose()
    return left
