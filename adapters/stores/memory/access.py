from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from adapters.stores.memory.tables import GrantKey, Group
from core.ports.access import CODE_LIFE, AccessGrant, AccessState
from core.types import PlatformName


class MemoryAccess(Group):
    async def request_access(self, request: AccessGrant, most: int) -> AccessGrant | None:
        grants, key = self._tables.access_grants, _key(request)
        known = grants.get(key)
        if known is not None and not (_waits(known) and known.changed_at < request.changed_at - CODE_LIFE):
            return known
        grants.pop(key, None)
        if sum(grant.platform == request.platform and _waits(grant) for grant in grants.values()) >= most:
            return None
        grants[key] = request
        return request

    async def set_access(self, grant: AccessGrant) -> None:
        self._tables.access_grants[_key(grant)] = grant

    async def approve_access(self, code: str, now: datetime) -> AccessGrant | None:
        for key, grant in self._tables.access_grants.items():
            if _waits(grant) and grant.code == code and grant.changed_at >= now - CODE_LIFE:
                allowed = replace(grant, state=AccessState.ALLOWED, code="", changed_at=now)
                self._tables.access_grants[key] = allowed
                return allowed
        return None

    async def drop_access(self, platform: PlatformName, workspace_id: str, external_id: str) -> bool:
        return self._tables.access_grants.pop((platform, workspace_id, external_id), None) is not None

    async def list_access(self) -> list[AccessGrant]:
        return sorted(self._tables.access_grants.values(), key=lambda grant: (grant.changed_at, *_key(grant)))


def _waits(grant: AccessGrant) -> bool:
    return grant.state is AccessState.WAITING


def _key(grant: AccessGrant) -> GrantKey:
    return grant.platform, grant.workspace_id, grant.external_id
