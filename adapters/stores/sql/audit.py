"""Every row of every table, for those who look for what must not be there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Connection, Table, select

from adapters.stores.sql.engine import Group, reads
from adapters.stores.sql.schema import metadata
from core.sealing import Sealed, namespace_scope, session_scope

PAGE = 500


@dataclass(frozen=True, slots=True)
class AuditRow:
    """`plain` is every column as it stands, one a line; `sealed` are the texts to open, each with its key's scope."""

    table: str
    plain: str
    sealed: tuple[tuple[str, Sealed], ...] = ()


@runtime_checkable
class Auditable(Protocol):
    """A store whose every row can be looked at."""

    def audit_rows(self) -> AsyncIterator[AuditRow]: ...


class SqlAudit(Group):
    async def audit_rows(self) -> AsyncIterator[AuditRow]:
        for table in metadata.sorted_tables:
            offset = 0
            while page := await self._audit_page(table, offset):
                offset += len(page)
                for row in page:
                    yield row

    @reads
    def _audit_page(self, connection: Connection, table: Table, offset: int) -> list[AuditRow]:
        ordered = select(table).order_by(*table.primary_key.columns).limit(PAGE).offset(offset)
        return [audit_row(table, dict(row._mapping)) for row in connection.execute(ordered)]


def audit_row(table: Table, values: Mapping[str, Any]) -> AuditRow:
    names = [column.name for column in table.columns]
    sealed = tuple(
        (_scope(table, values), Sealed(values[name], values[f"{name}_key_id"]))
        for name in names
        if f"{name}_key_id" in names and name != "vector" and values[name] is not None
    )
    return AuditRow(table.name, "\n".join(str(values[name]) for name in names), sealed)


def _scope(table: Table, values: Mapping[str, Any]) -> str:
    if table.name == "mem0_memories":
        return namespace_scope(f"{values['user_id']}:{values['profile_id']}")
    return session_scope(str(values["id"] if table.name == "chat_sessions" else values["session_id"]))
