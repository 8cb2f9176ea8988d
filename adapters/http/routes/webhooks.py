"""Where Slack and Telegram push to. The adapters check who it is from, and answer when it is durable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapters.http.dependencies import Services
from core.errors import NotFound

router = APIRouter(prefix="/webhooks", include_in_schema=False)


@runtime_checkable
class TakesRequests(Protocol):
    """Slack: the answer to a request of it."""

    async def handle_http(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]: ...


@runtime_checkable
class TakesPushes(Protocol):
    """Telegram: the status for an update of it."""

    async def handle_webhook(self, headers: Mapping[str, str], body: bytes) -> int: ...


@router.post("/{platform}")
@router.post("/{platform}/{rest:path}")
async def receive(platform: str, request: Request, services: Services) -> Response:
    adapter: object = next((item for item in services.platforms if item.name == platform), None)
    body = await request.body()
    if isinstance(adapter, TakesRequests):
        status, headers, content = await adapter.handle_http(dict(request.headers), body)
        return Response(content, status, headers)
    if isinstance(adapter, TakesPushes):
        return Response(status_code=await adapter.handle_webhook(dict(request.headers), body))
    raise NotFound
