from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Text, bindparam, case, cast, delete, func, or_, select, update

from adapters.stores import rules
from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.profiles import owns
from adapters.stores.sql.schema import chat_messages, mem0_memories, namespaces
from core.batches import LearnBatch, MemoryChanges
from core.errors import ErasedMeanwhile, NotFound
from core.types import (
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    NamespaceState,
    TurnId,
    UserId,
)

_table = mem0_memories
_insert = insert(_table)
# Built once, for it names every column; an id of another namespace is left alone.
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["id"],
    set_={column.name: _insert.excluded[column.name] for column in _table.c if column.name not in ("ordinal", "id")},
    where=(_table.c.profile_id == _insert.excluded.profile_id),
)

_first = insert(namespaces)
_MOVE_ON = _first.on_conflict_do_update(
    index_elements=["user_id", "profile_id"],
    set_={
        "generation": namespaces.c.generation + 1,
        "erase_generation": namespaces.c.erase_generation + _first.excluded.erase_generation,
        "removed_generation": case(
            (_first.excluded.removed_generation > 0, namespaces.c.generation + 1),
            else_=namespaces.c.removed_generation,
        ),
    },
).returning(namespaces.c.generation)

_GENERATIONS = select(namespaces.c.generation, namespaces.c.erase_generation, namespaces.c.removed_generation).where(
    namespaces.c.profile_id == bindparam("profile_id"), namespaces.c.user_id == bindparam("user_id")
)
_SINCE = (
    select(_table)
    .where(
        _table.c.profile_id == bindparam("profile_id"),
        _table.c.user_id == bindparam("user_id"),
        _table.c.generation > bindparam("since"),
    )
    .order_by(_table.c.ordinal)
)


class SqlMemories(Group):
    @writes
    def store_mem0_memory_reference(
        self, connection: Connection, record: MemoryRecord, *, erase_generation: int | None = None
    ) -> MemoryRecord:
        if not owns(connection, record.namespace):
            raise NotFound
        state = namespace_state(connection, record.namespace)
        if erase_generation is not None and erase_generation != state.erase_generation:
            raise ErasedMeanwhile
        return write_memories(connection, [record], move_on(connection, record.namespace))[0]

    @reads
    def get_mem0_memory_references(
        self,
        connection: Connection,
        namespace: MemoryNamespace,
        limit: int = 100,
        offset: int = 0,
        *,
        include_superseded: bool = False,
    ) -> list[MemoryRecord]:
        wanted = select(_table).where(*_in(namespace))
        if not include_superseded:
            wanted = wanted.where(_table.c.state != MemoryState.SUPERSEDED)
        wanted = wanted.order_by(_table.c.said_at.desc(), _table.c.ordinal.desc()).limit(limit).offset(offset)
        return [rows.memory_of(row) for row in connection.execute(wanted)]

    @reads
    def get_mem0_memory_reference(self, connection: Connection, user_id: UserId, memory_id: MemoryId) -> MemoryRecord:
        return _find(connection, user_id, memory_id)

    @reads
    def count_mem0_memory_references(self, connection: Connection, namespace: MemoryNamespace) -> int:
        recallable = _table.c.state != MemoryState.SUPERSEDED
        return connection.execute(select(func.count()).where(*_in(namespace), recallable)).scalar_one()

    @writes
    def delete_mem0_memory_reference(self, connection: Connection, user_id: UserId, memory_id: MemoryId) -> None:
        record = _find(connection, user_id, memory_id)
        connection.execute(delete(_table).where(_table.c.id == memory_id))
        move_on(connection, record.namespace, removed=True)

    @reads
    def get_namespace_state(self, connection: Connection, namespace: MemoryNamespace) -> NamespaceState:
        return namespace_state(connection, namespace)

    @reads
    def get_memory_changes(self, connection: Connection, namespace: MemoryNamespace, since: int) -> MemoryChanges:
        current, erased, removed = _generations(connection, namespace)
        complete = rules.needs_all(since, current, removed)
        key = {"profile_id": namespace.profile_id, "user_id": namespace.user_id, "since": -1 if complete else since}
        records = tuple(rows.memory_of(row) for row in connection.execute(_SINCE, key))
        return MemoryChanges(NamespaceState(current, erased), records, complete)

    @writes
    def apply_learning(self, connection: Connection, batch: LearnBatch) -> NamespaceState:
        namespace = batch.namespace
        state = namespace_state(connection, namespace)
        if not owns(connection, namespace) or batch.erase_generation != state.erase_generation:
            raise ErasedMeanwhile
        if batch.read_at is not None and _generations(connection, namespace)[2] > batch.read_at:
            raise ErasedMeanwhile
        if any(record.namespace != namespace for record in batch.add):
            raise NotFound
        gone = connection.execute(delete(_table).where(*_in(namespace), _table.c.id.in_(batch.remove))).rowcount
        generation = move_on(connection, namespace, removed=bool(gone))
        write_memories(connection, batch.add, generation)
        for old, by in batch.supersede:
            connection.execute(
                update(_table)
                .where(*_in(namespace), _table.c.id == old)
                .values(
                    state=MemoryState.SUPERSEDED,
                    superseded_by=by,
                    updated_at=self._clock.now(),
                    generation=generation,
                )
            )
        return namespace_state(connection, namespace)

    @reads
    def find_memories_by_turn(self, connection: Connection, user_id: UserId, turn_id: TurnId) -> list[MemoryRecord]:
        theirs = or_(_table.c.user_id == user_id, _table.c.author_id == user_id)
        # The ids in the JSON list are UUIDs: a substring is enough to find candidates, the list itself decides.
        named = cast(_table.c.source_turns, Text).contains(turn_id, autoescape=True)
        found = connection.execute(select(_table).where(theirs, named).order_by(_table.c.ordinal))
        return [record for record in map(rows.memory_of, found) if turn_id in record.source_turns]

    @reads
    def find_memories_to_embed(self, connection: Connection, embedder: str, limit: int) -> list[MemoryRecord]:
        stale = select(_table).where(_table.c.embedder != embedder).order_by(_table.c.ordinal).limit(limit)
        return [rows.memory_of(row) for row in connection.execute(stale)]

    @writes
    def erase_namespace(self, connection: Connection, namespace: MemoryNamespace) -> int:
        if not owns(connection, namespace):
            raise NotFound
        gone = connection.execute(delete(_table).where(*_in(namespace))).rowcount
        # What was said before must not be learned after.
        said = chat_messages.c.namespace == str(namespace)
        connection.execute(update(chat_messages).where(said).values(learned=True))
        move_on(connection, namespace, removed=True, erased=True)
        return gone


def namespace_state(connection: Connection, namespace: MemoryNamespace) -> NamespaceState:
    current, erased, _ = _generations(connection, namespace)
    return NamespaceState(current, erased)


def move_on(connection: Connection, namespace: MemoryNamespace, *, removed: bool = False, erased: bool = False) -> int:
    """The namespace's next generation."""
    values = {
        "profile_id": namespace.profile_id,
        "user_id": namespace.user_id,
        "generation": 1,
        "erase_generation": int(erased),
        "removed_generation": int(removed),
    }
    generation: int = connection.execute(_MOVE_ON, values).scalar_one()
    return generation


def removed_from(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Learning that is under way for these messages must not write any more."""
    named = select(chat_messages.c.namespace).where(*which, chat_messages.c.namespace.is_not(None)).distinct()
    for name in connection.execute(named).scalars().all():
        move_on(connection, MemoryNamespace.parse(name), removed=True)


def write_memories(connection: Connection, records: Sequence[MemoryRecord], generation: int) -> list[MemoryRecord]:
    """Insert, or replace the row of the same id and namespace. Raises NotFound for an id of another namespace."""
    stored = [rules.stamped(record, generation) for record in records]
    for record in stored:
        if not connection.execute(_UPSERT, rows.memory_values(record)).rowcount:
            raise NotFound
    return stored


def _in(namespace: MemoryNamespace) -> tuple[ColumnElement[bool], ...]:
    return (_table.c.profile_id == namespace.profile_id, _table.c.user_id == namespace.user_id)


def _find(connection: Connection, user_id: UserId, memory_id: MemoryId) -> MemoryRecord:
    mine = (_table.c.id == memory_id, _table.c.user_id == user_id)
    row = connection.execute(select(_table).where(*mine)).first()
    if row is None:
        raise NotFound
    return rows.memory_of(row)


def _generations(connection: Connection, namespace: MemoryNamespace) -> tuple[int, int, int]:
    """Current, erased, removed; zeros for a namespace that nothing was ever written to."""
    key = {"profile_id": namespace.profile_id, "user_id": namespace.user_id}
    row = connection.execute(_GENERATIONS, key).first()
    return (row[0], row[1], row[2]) if row else (0, 0, 0)
