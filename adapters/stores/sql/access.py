from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from adapters.stores.sql import rows
from adapters.stores.sql.engine import Group, insert, reads, writes
from adapters.stores.sql.schema import access_grants
from core.ports.access import CODE_LIFE, AccessGrant, AccessState
from core.types import PlatformName

_KEY = ("platform", "workspace_id", "external_id")
_WAITING = access_grants.c.state == AccessState.WAITING


class SqlAccess(Group):
    @writes
    def request_access(self, connection: Connection, request: AccessGrant, most: int) -> AccessGrant | None:
        mine = [access_grants.c[name] == getattr(request, name) for name in _KEY]
        over = access_grants.c.changed_at < request.changed_at - CODE_LIFE
        connection.execute(delete(access_grants).where(*mine, _WAITING, over))
        known = connection.execute(select(access_grants).where(*mine)).first()
        if known is not None:
            return rows.grant_of(known)
        waiting = select(func.count()).where(access_grants.c.platform == request.platform, _WAITING)
        if connection.execute(waiting).scalar_one() >= most:
            return None
        statement = insert(access_grants).values(rows.grant_values(request)).on_conflict_do_nothing()
        connection.execute(statement)
        return rows.grant_of(connection.execute(select(access_grants).where(*mine)).one())

    @writes
    def set_access(self, connection: Connection, grant: AccessGrant) -> None:
        values = rows.grant_values(grant)
        changed = {name: value for name, value in values.items() if name not in _KEY}
        statement = insert(access_grants).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=changed))

    @writes
    def approve_access(self, connection: Connection, code: str, now: datetime) -> AccessGrant | None:
        valid = (access_grants.c.code == code, _WAITING, access_grants.c.changed_at >= now - CODE_LIFE)
        allowed = {"state": AccessState.ALLOWED, "code": "", "changed_at": now}
        row = connection.execute(
            update(access_grants).where(*valid).values(allowed).returning(*access_grants.c)
        ).first()
        return rows.grant_of(row) if row else None

    @writes
    def drop_access(self, connection: Connection, platform: PlatformName, workspace_id: str, external_id: str) -> bool:
        which = (
            access_grants.c.platform == platform,
            access_grants.c.workspace_id == workspace_id,
            access_grants.c.external_id == external_id,
        )
        return bool(connection.execute(delete(access_grants).where(*which)).rowcount)

    @reads
    def list_access(self, connection: Connection) -> list[AccessGrant]:
        wanted = select(access_grants).order_by(access_grants.c.changed_at, *(access_grants.c[name] for name in _KEY))
        return [rows.grant_of(row) for row in connection.execute(wanted)]
