"""What surrounds every request, as plain ASGI, so that streams stream and a client that goes away is noticed."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.errors import answer
from core.types import new_id

log = logging.getLogger(__name__)


MAX_HEADERS = 65_536
"""Bytes, all together. The server in front of us has no limit of its own."""


class BodyTooLarge(HTTPException):
    """As the framework's own kind, so that reading a body passes it on."""

    def __init__(self) -> None:
        super().__init__(413, "That is too large.")


class Metrics:
    """Counts by route and status; nothing of any person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("memorychat_http_requests", "Requests answered", labels, registry=self.registry)
        self.seconds = Histogram(
            "memorychat_http_request_seconds", "Until the answer began", ("method", "route"), registry=self.registry
        )


class Surroundings:
    """Request id, security headers, limits on the body, a plain 500 for what nobody foresaw, and a line in the log."""

    def __init__(self, app: ASGIApp, *, headers: dict[str, str], max_body: int, metrics: Metrics) -> None:
        self._app = app
        self._headers = headers
        self._max_body = max_body
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._headers, self._max_body)
        try:
            await self._serve(exchange)
        finally:
            self._count(exchange)

    async def _serve(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS:
                await exchange.refuse(431, "The headers are too large.", "too_large")
                return
            length = Headers(scope=scope).get("content-length", "")
            if length.isdecimal() and int(length[:20]) > self._max_body:
                raise BodyTooLarge
            await self._app(scope, exchange.receive, exchange.send)
        except BodyTooLarge:
            await exchange.refuse(413, "That is too large.", "too_large")
        except Exception as error:
            log.error("request failed: %s", type(error).__name__, exc_info=error)
            await exchange.refuse(500, "Something went wrong on my side. Please try again.", "error")

    def _count(self, exchange: _Exchange) -> None:
        route = getattr(exchange.scope.get("route"), "path", "other")
        method, seconds = exchange.scope["method"], time.perf_counter() - exchange.began
        method = method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
        self._metrics.requests.labels(method, route, str(exchange.status)).inc()
        self._metrics.seconds.labels(method, route).observe(exchange.waited or seconds)
        log.info("%s %s %d %.0f ms request=%s", method, route, exchange.status, seconds * 1000, exchange.request_id)


class _Exchange:
    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], max_body: int) -> None:
        self.scope = scope
        self.request_id = new_id()
        self.began = time.perf_counter()
        self.waited = 0.0
        self.status = 0
        self._receive = receive
        self._send = send
        self._headers = headers
        self._left = max_body

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.waited = time.perf_counter() - self.began
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self.request_id
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def refuse(self, status: int, detail: str, code: str) -> None:
        """Unless the answer has begun: then all that is left is to end it."""
        if not self.status:
            await answer(status, detail, code)(self.scope, self._receive, self.send)
