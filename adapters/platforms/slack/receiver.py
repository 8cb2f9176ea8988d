"""Requests of Slack, by socket or by HTTP: through bolt to one handler, acknowledged after it has returned."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.platforms.payload import Payload, part_of, text_of
from adapters.platforms.slack.client import SDK_LOG
from adapters.platforms.slack.config import SlackConfig
from adapters.platforms.slack.translate import BotSelf

log = logging.getLogger(__name__)

HttpAnswer = tuple[int, dict[str, str], bytes]
Handle = Callable[[Payload], Awaitable[BoltResponse]]
"""Makes a request durable and gives the answer; one that is not 200 tells Slack to send it again."""

MAX_BODY = 3_000_000
DRAIN_SECONDS = 5.0
CONNECT_SECONDS = 10.0


class Receiver:
    """`handle` sees what is well-formed, authentic and not the bot's own doing."""

    def __init__(self, config: SlackConfig, handle: Handle) -> None:
        self._config = config
        self._handle = handle
        self._app: AsyncApp | None = None
        self._verifier = SignatureVerifier(config.signing_secret) if config.signing_secret else None
        self._socket: _Socket | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._is_open = False
        self._gaps: asyncio.Queue[datetime] = asyncio.Queue()

    def open(self, me: BotSelf) -> None:
        """From now on requests are taken."""

        async def authorize() -> AuthorizeResult:
            # The SDK's own way asks Slack at the first event, and acknowledges that event when the asking fails.
            token = self._config.bot_token
            return AuthorizeResult(
                enterprise_id=None, team_id=me.team_id, bot_id=me.bot_id, bot_user_id=me.user_id, bot_token=token
            )

        async def receive(body: dict[str, Any]) -> BoltResponse:
            try:
                return await self._handle(body)
            except Exception as error:
                log.error("request failed: %s", type(error).__name__, exc_info=error)
                return BoltResponse(status=503)

        # Without a token of its own bolt neither warns of `authorize` nor looks for one in the environment's stead.
        unused = AsyncWebClient(base_url=self._config.base_url, logger=SDK_LOG)
        app = AsyncApp(
            name="memorychat",
            client=unused,
            authorize=authorize,
            request_verification_enabled=False,  # done before, see `handle_http`
            logger=SDK_LOG,
        )
        # One middleware and no listener: what it returns is bolt's answer, so nothing is acknowledged before, and no
        # kind of request is left over as unhandled.
        app.middleware(receive)
        self._app = app
        self._is_open = True

    async def connect(self, url: str, web: AsyncWebClient) -> None:
        """Listen on the socket whose first address is `url`; later ones the SDK asks for itself. A socket that does not
        open soon is tried further in the background."""
        assert self._app is not None
        self._socket = _Socket(self._app, self._config, web, self)
        self._socket.client.wss_uri = url
        self._tasks = (asyncio.create_task(self._socket.open()), asyncio.create_task(self._watch(self._socket.client)))
        await asyncio.wait(self._tasks[:1], timeout=CONNECT_SECONDS)

    async def is_connected(self) -> bool:
        return self._socket is not None and await self._socket.client.is_connected()

    async def gap(self) -> datetime:
        """See `core.ports.platform.SupportsGaps`."""
        return await self._gaps.get()

    async def dispatch(self, body: object) -> BoltResponse:
        """A malformed request is acknowledged: it would be as malformed the next time."""
        if not self._is_open or self._app is None:
            return BoltResponse(status=503, body="")
        if not isinstance(body, dict) or ("event" in body and not text_of(part_of(body, "event"), "type")):
            return BoltResponse(status=200, body="")
        try:
            request = AsyncBoltRequest(body=body, mode="socket_mode")
        except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:
            log.warning("malformed request: %s", type(error).__name__)
            return BoltResponse(status=200, body="")
        return await self._app.async_dispatch(request)

    async def handle_http(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Status, headers and body for a POST of Slack to any of its paths.

        Signature and form are read here and not by bolt, which writes bodies with a wrong signature to the log, fails
        on a timestamp that is no number and loses commands that have the word "payload" in them.
        """
        if self._verifier is None:
            return 404, {}, b""
        if len(body) > MAX_BODY:
            return 413, {}, b""
        lower = {name.lower(): value for name, value in headers.items()}
        if not _is_authentic(self._verifier, lower, body):
            return 401, {}, b""
        try:
            content = _parsed(body.decode(), lower.get("content-type", ""))
        except ValueError:
            return 400, {}, b""
        answer = await self.dispatch(content)
        shown = {name: values[0] for name, values in answer.headers.items() if values}
        return answer.status, shown, answer.body.encode()

    async def close(self) -> None:
        """Take nothing more, let what was taken be acknowledged, disconnect."""
        self._is_open = False
        for task in self._tasks:
            task.cancel()
        if self._socket is not None:
            await self._socket.drain()
            await self._socket.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
            self._socket = None

    async def _watch(self, client: SocketModeClient) -> None:
        """The SDK retries for ever on one address, which works once and for seconds only: make it ask for a new one."""
        was_connected, up_at = True, time.time()
        while True:
            await asyncio.sleep(2 * self._config.ping_interval)
            is_connected = await client.is_connected()
            if is_connected:
                # By the clock on the wall, which goes on while the machine sleeps.
                if time.time() - up_at > self._config.gap:
                    self._gaps.put_nowait(datetime.fromtimestamp(up_at - self._config.gap, UTC))
                up_at = time.time()
            if is_connected != was_connected:
                log.warning("the socket to Slack is %s", "up again" if is_connected else "down")
            if not is_connected:
                client.wss_uri = None
            was_connected = is_connected


class _Socket(AsyncSocketModeHandler):
    """Keeps count of the envelopes under way, so that each is acknowledged before the socket closes."""

    def __init__(self, app: AsyncApp, config: SlackConfig, web: AsyncWebClient, receiver: Receiver) -> None:
        super().__init__(
            app, app_token=config.app_token, logger=SDK_LOG, web_client=web, ping_interval=config.ping_interval
        )
        self._receiver = receiver
        self._under_way: set[asyncio.Task[Any]] = set()

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as SDK
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            answer = await self._receiver.dispatch(req.payload)
            if answer.status == 200:
                await client.send_socket_mode_response(_envelope(req, answer))
        finally:
            self._under_way.discard(task)

    async def open(self) -> None:
        await self.connect_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def drain(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_SECONDS)


def _envelope(request: SocketModeRequest, answer: BoltResponse) -> dict[str, object]:
    ack: dict[str, object] = {"envelope_id": request.envelope_id}
    return {**ack, "payload": json.loads(answer.body)} if answer.body else ack


def _is_authentic(verifier: SignatureVerifier, headers: Mapping[str, str], body: bytes) -> bool:
    """HMAC-SHA256 over timestamp and body, compared in constant time, at most five minutes old
    (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""
    try:
        return verifier.is_valid_request(body, dict(headers))
    except (ValueError, TypeError, OverflowError):  # a timestamp that is no number, a signature or body that is no text
        return False


def _parsed(body: str, content_type: str) -> object:
    """Events are JSON, commands a form, presses a form with JSON in its field `payload`. Raises ValueError."""
    if content_type.startswith("application/json") or body.startswith("{"):
        return json.loads(body)
    form = dict(parse_qsl(body, keep_blank_values=True))
    return json.loads(form["payload"]) if "payload" in form and "command" not in form else form
