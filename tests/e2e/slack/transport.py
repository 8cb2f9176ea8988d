"""How the test server's payloads reach the app: envelopes on a WebSocket, or signed POSTs. Both retry as Slack does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

Json = dict[str, Any]
RETRIES = 3


@dataclass
class Sent:
    """One payload on its way. `answer` is what came with the acknowledgement."""

    kind: str
    payload: Json
    attempts: int = 0
    statuses: list[int] = field(default_factory=list)
    answer: Json = field(default_factory=dict)
    acked: asyncio.Event = field(default_factory=asyncio.Event)
    envelope_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class SocketTransport:
    """Tickets for sockets are good for one connection. What is not acknowledged is sent again on the next one."""

    def __init__(self) -> None:
        self.tickets: set[str] = set()
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.refuse_connections = 0
        self.waiting: dict[str, Sent] = {}
        self.holds_back = False

    def ticket(self) -> str:
        ticket = uuid.uuid4().hex
        self.tickets.add(ticket)
        return ticket

    async def send(self, sent: Sent) -> None:
        self.waiting[sent.envelope_id] = sent
        if self.sockets:
            await self._push(self.sockets[-1], sent)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets or self.refuse_connections > 0:
            self.refuse_connections -= 1
            self.tickets.discard(ticket)
            raise web.HTTPForbidden
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        for sent in list(self.waiting.values()):
            await self._push(socket, sent)
        async for message in socket:
            self._acknowledged(json.loads(message.data))
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def redeliver(self) -> None:
        """What was never acknowledged, once more on the connection that stands."""
        for sent in list(self.waiting.values()):
            await self._push(self.sockets[-1], sent)

    async def ask_to_reconnect(self) -> None:
        """Slack refreshes sockets about every hour."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def drop(self) -> None:
        """The line is cut without a word."""
        socket = self.sockets.pop()
        if socket._req is not None and socket._req.transport is not None:
            socket._req.transport.abort()

    async def close(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    async def _push(self, socket: web.WebSocketResponse, sent: Sent) -> None:
        envelope = {
            "type": sent.kind,
            "envelope_id": sent.envelope_id,
            "payload": sent.payload,
            "accepts_response_payload": sent.kind != "events_api",
            "retry_attempt": sent.attempts,
            "retry_reason": "timeout" if sent.attempts else "",
        }
        sent.attempts += 1
        try:
            await socket.send_json(envelope)
        except ConnectionError:
            return

    def _acknowledged(self, message: Json) -> None:
        sent = self.waiting.pop(message.get("envelope_id", ""), None)
        if sent is not None:
            sent.statuses.append(200)
            sent.answer = message.get("payload") or {}
            sent.acked.set()


class HttpTransport:
    """POSTs to the app's address: three retries for events, none for commands and presses."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret

    async def send(self, sent: Sent) -> None:
        retries = RETRIES if sent.kind == "events_api" else 0
        for attempt in range(retries + 1):
            headers, body = self.signed(sent)
            if attempt:
                headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_error"}
            sent.attempts += 1
            status, answer = await self.post(headers, body)
            sent.statuses.append(status)
            if status == 200:
                sent.answer = json.loads(answer) if answer.startswith(b"{") else {}
                sent.acked.set()
                return

    async def post(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session, session.post(self.url, data=body, headers=headers) as response:
            return response.status, await response.read()

    def signed(self, sent: Sent, at: float | None = None) -> tuple[dict[str, str], bytes]:
        content_type = "application/x-www-form-urlencoded"
        if sent.kind == "slash_commands":
            body = urlencode(sent.payload).encode()
        elif sent.kind == "interactive":
            body = urlencode({"payload": json.dumps(sent.payload)}).encode()
        else:
            body, content_type = json.dumps(sent.payload).encode(), "application/json"
        return {"Content-Type": content_type, **signature(self.secret, body, at)}, body


def signature(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
