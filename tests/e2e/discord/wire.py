"""A Discord behind real sockets, as small as it can be: REST with a few channels, and a gateway that can misbehave.

For what simcord leaves out: connecting, resuming, rate limits, nonces, time-outs and malformed answers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

BOT = {"id": "900", "username": "memory-bot", "global_name": None, "discriminator": "0", "avatar": None, "bot": True}
APPLICATION: dict[str, Any] = {
    "id": "900",
    "name": "Memory",
    "icon": None,
    "description": "",
    "bot_public": True,
    "flags": 0,
}
APPLICATION |= {"bot_require_code_grant": False, "verify_key": "", "summary": "", "team": None, "owner": BOT}


def person(user_id: int, name: str) -> dict[str, Any]:
    return {**BOT, "id": str(user_id), "username": name, "bot": False}


@dataclass
class Fault:
    """Answers `times` calls whose method and path match in the place of what would be done. `act` returns None to do it
    all the same."""

    call: str
    act: Callable[[], web.StreamResponse | None]
    times: int = 1


@dataclass
class Wire:
    """`async with Wire() as wire`; `greetings` are close codes for the next connections instead of a session,
    `refusals` are connections that are not even opened."""

    token: str = "a.b.c"
    greetings: list[int] = field(default_factory=list)
    refusals: int = 0
    flags: int = 0
    servers: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    identified: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _sequence: int = 0
    _next_id: int = 2_000_000_000_000_000_000
    _held: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Wire:
        app = web.Application()
        app.router.add_get("/gw/", self._gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._held.set()
        await self.hang_up()
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gw/"

    def fail(self, call: str, status: int, body: Any = None, times: int = 1, **headers: str) -> None:
        """`call` is a pattern of `METHOD /path`. A text body is the page of a proxy."""

        def act() -> web.StreamResponse:
            if isinstance(body, str):
                return web.Response(status=status, text=body, content_type="text/html", headers=headers)
            return _json(body or {"code": 0, "message": "as told"}, status, **headers)

        self.faults.append(Fault(call, act, times))

    def hang(self, call: str, *, after_doing_it: bool = False) -> None:
        """Never answer, having done it or not."""

        async def never(request: web.Request) -> web.StreamResponse:
            if after_doing_it:
                await self._do(request, await _body(request))
            await self._held.wait()
            raise web.HTTPGatewayTimeout

        self._hanging = (re.compile(call), never)

    _hanging: tuple[re.Pattern[str], Any] | None = None

    def connected(self) -> bool:
        return bool(self._sockets)

    async def event(self, name: str, data: Any) -> None:
        """To every connection."""
        self._sequence += 1
        for socket in self._sockets:
            await socket.send_json({"op": 0, "t": name, "s": self._sequence, "d": data})

    async def hang_up(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        for socket in [*self._sockets]:
            await socket.close(code=code)
        self._sockets.clear()

    async def direct_message(
        self, text: str, user_id: int = 201, channel_id: str = "801", *, heard: bool = True
    ) -> str:
        """Somebody writes to the bot; without `heard` only the channel's history knows. The message's id."""
        message = self._message(channel_id, person(user_id, "ada"), text)
        if heard:
            await self.event("MESSAGE_CREATE", message)
        return str(message["id"])

    def texts(self, channel_id: str = "801") -> list[str]:
        return [item["content"] for item in self.messages.values() if item["channel_id"] == channel_id]

    # -- REST ---------------------------------------------------------------------------------------------------------

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} /{request.match_info['path']}"
        body = await _body(request)
        self.calls.append((request.method, f"/{request.match_info['path']}", body))
        if request.headers.get("Authorization") != f"Bot {self.token}":
            return _json({"code": 0, "message": "401: Unauthorized"}, 401)
        if self._hanging and self._hanging[0].search(call):
            never, self._hanging = self._hanging[1], None
            answer: web.StreamResponse = await never(request)
            return answer
        for fault in self.faults:
            if fault.times and re.search(fault.call, call):
                fault.times -= 1
                if (told := fault.act()) is not None:
                    return told
        return await self._do(request, body)

    async def _do(self, request: web.Request, body: Any) -> web.StreamResponse:
        parts = request.match_info["path"].split("/")
        match (request.method, parts):
            case "GET", ["users", "@me"]:
                return _json(BOT)
            case "GET", ["oauth2", "applications", "@me"]:
                return _json({**APPLICATION, "flags": self.flags})
            case "GET", ["users", "@me", "guilds"]:
                return _json(self.servers)
            case "GET" | "PUT", ["applications", _, "commands"]:
                return _json([])
            case "GET", ["channels", channel]:
                return _json({"id": channel, "type": 1, "last_message_id": None, "recipients": [person(201, "ada")]})
            case "GET", ["channels", channel, "messages"]:
                after = int(request.query.get("after", 0))
                found = [item for item in self.messages.values() if item["channel_id"] == channel]
                return _json([item for item in reversed(found) if int(item["id"]) > after])
            case "POST", ["channels", channel, "messages"]:
                return _json(self._posted(channel, body))
            case "PATCH", ["channels", _, "messages", message]:
                self.messages[message]["content"] = body["content"]
                return _json(self.messages[message])
            case "POST", ["channels", _, "typing"]:
                return web.Response(status=204)
        return _json({"code": 0, "message": "404: Not Found"}, 404)

    def _posted(self, channel: str, body: Any) -> dict[str, Any]:
        known = (item for item in self.messages.values() if item.get("nonce") == body.get("nonce"))
        if body.get("enforce_nonce") and (found := next(known, None)):
            return found
        return self._message(channel, BOT, body["content"], body.get("nonce"))

    def _message(self, channel: str, author: Any, text: str, nonce: str | None = None) -> dict[str, Any]:
        self._next_id += 1
        message = {"id": str(self._next_id), "channel_id": channel, "author": author, "content": text, "type": 0}
        message |= {"timestamp": "2026-11-22T12:00:00+00:00", "edited_timestamp": None, "nonce": nonce, "tts": False}
        message |= {"mention_everyone": False, "pinned": False, "flags": 0}
        message |= {key: [] for key in ("mentions", "mention_roles", "attachments", "embeds", "components")}
        self.messages[message["id"]] = message
        return message

    # -- gateway ------------------------------------------------------------------------------------------------------

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 41_250}})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            sent = json.loads(message.data)
            if sent["op"] == 1:
                await socket.send_json({"op": 11})
            elif sent["op"] == 2:
                self.identified.append(sent["d"])
                if self.greetings and (code := self.greetings.pop(0)):
                    await socket.close(code=code)
                    break
                await self._begin(socket, "READY", self._session())
            elif sent["op"] == 6:
                self.resumed += 1
                await self._begin(socket, "RESUMED", {})
        if socket in self._sockets:
            self._sockets.remove(socket)
        return socket

    async def _begin(self, socket: web.WebSocketResponse, name: str, data: Any) -> None:
        self._sequence += 1
        await socket.send_json({"op": 0, "t": name, "s": self._sequence, "d": data})
        self._sockets.append(socket)

    def _session(self) -> dict[str, Any]:
        application = {"id": "900", "flags": 0}
        return {
            "v": 10,
            "user": BOT,
            "guilds": [],
            "session_id": "s",
            "resume_gateway_url": self.gateway_url,
            "application": application,
        }


async def _body(request: web.Request) -> Any:
    return await request.json() if request.content_type == "application/json" and request.can_read_body else None


def _json(body: Any, status: int = 200, **headers: str) -> web.Response:
    """The SDK knows JSON by exactly this content type."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers={"Content-Type": "application/json", **named}
    )
