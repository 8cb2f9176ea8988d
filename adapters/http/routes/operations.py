from __future__ import annotations

from fastapi import APIRouter

from adapters.http.dependencies import Services
from adapters.http.errors import responses

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=responses())
async def readyz(services: Services) -> dict[str, str]:
    """The database answers, too. 503 when it does not."""
    await services.store.has_event("readyz")
    return {"status": "ready"}
