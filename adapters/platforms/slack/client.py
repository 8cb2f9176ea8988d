"""The SDK's Web API client on one HTTP session, opened at its first use."""

from __future__ import annotations

import logging

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.platforms.slack.config import SlackConfig

SDK_LOG = logging.getLogger(f"{__name__}.sdk")
# The SDK writes messages at DEBUG, payloads with its warnings and the socket's address, a ticket, with its errors. Its
# level is its own, so that no setting of the root logger brings them out; what matters is logged by the callers.
SDK_LOG.setLevel(logging.CRITICAL)

CONNECT_TIMEOUT = 5.0


class SlackClient:
    """`web` is the SDK's client. It retries nothing by itself: whether a lost answer may be asked for again is for the
    core to decide, and a rate limit is the core's to wait for."""

    def __init__(self, config: SlackConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self._web: AsyncWebClient | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """To be asked for on a running loop."""
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=self._config.request_timeout, sock_connect=CONNECT_TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
            self._web = None
        return self._session

    @property
    def web(self) -> AsyncWebClient:
        session = self.session
        if self._web is None:
            self._web = AsyncWebClient(
                token=self._config.bot_token,
                base_url=self._config.base_url,
                session=session,
                logger=SDK_LOG,
                retry_handlers=[],
            )
        return self._web

    def token_for(self, url: str) -> dict[str, str]:
        """The header that opens a file, for addresses of Slack (or of the server in its place) and nobody else's."""
        host = URL(url).host or ""
        is_slack = host == URL(self._config.base_url).host or f".{host}".endswith((".slack.com", ".slack-files.com"))
        return {"Authorization": f"Bearer {self._config.bot_token}"} if is_slack else {}

    async def close(self) -> None:
        session, self._session, self._web = self._session, None, None
        if session is not None:
            await session.close()
