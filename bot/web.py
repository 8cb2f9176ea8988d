"""The REST API and the web page on a running application: their settings, and the server that carries them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from adapters.http.app import create_app
from adapters.http.config import CorsConfig, HttpConfig, JwtConfig, RateLimitConfig, SupabaseConfig
from adapters.http.services import ApiServices
from bot.bootstrap import App
from bot.policies import make_policy
from bot.server import listener, serving_on
from bot.settings import Settings
from bot.storage import erase_files
from core.errors import ConfigurationError
from core.linking import AccountLinking
from core.own_data import OwnData
from core.quotas import Quotas

log = logging.getLogger(__name__)

SECRET_FILE = "jwt_secret"  # noqa: S105 # a file's name


def make_web(app: App) -> FastAPI:
    """The ASGI application; it answers for as long as `app` is open. Blocking: may write the secret's file."""
    settings = app.settings
    linking = AccountLinking(app.store, app.sealer, app.clock, app.engine.inbox.tell)
    services = ApiServices(
        engine=app.engine,
        store=app.store,
        memory=app.memory,
        sealer=app.sealer,
        registry=app.registry,
        clock=app.clock,
        quotas=Quotas(app.store, make_policy(settings)),
        own=OwnData(
            app.store,
            app.memory,
            app.sealer,
            app.ephemeral,
            app.clock,
            linking,
            erase_files=partial(erase_files, settings),
        ),
        platforms=app.platforms,
    )
    return create_app(services, make_config(settings))


def make_config(settings: Settings) -> HttpConfig:
    jwt, cors, limits = settings.jwt, settings.cors, settings.rate_limits
    return HttpConfig(
        jwt=JwtConfig(
            secret=jwt.secret.get_secret_value() if jwt.secret else own_secret(settings.home.folder / SECRET_FILE),
            algorithm=jwt.algorithm,
            expiry=jwt.expiry,
            refresh_expiry=jwt.refresh_expiry,
        ),
        cors=CorsConfig(cors.origins, cors.credentials, cors.methods, cors.headers),
        rate_limits=RateLimitConfig(limits.user, limits.address, limits.sign_in, _plain(settings.redis.url)),
        supabase=_supabase(settings),
        bot_name=settings.persona.bot_name,
        behind_tls=(settings.http.public_url or "").startswith("https://"),
        daily_messages=settings.quotas.messages,
        daily_tokens=settings.quotas.tokens,
    )


def own_secret(path: Path) -> str:
    """The secret that this instance made for itself, readable by its user alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        text = path.read_text().strip()
        if len(text) < 32:
            raise ConfigurationError(
                f"{path}: holds no secret; remove it, and everybody has to sign in again"
            ) from None
        return text
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_urlsafe(64)
        file.write(secret)
    return secret


def _supabase(settings: Settings) -> SupabaseConfig | None:
    """Sign-in by Supabase is on when the project's public key is set."""
    group = settings.supabase
    if group.url is None or group.key is None:
        return None
    return SupabaseConfig(group.url, _plain(group.key), _plain(group.service_key), _plain(group.jwt_secret))


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


@asynccontextmanager
async def serving(app: App, measured: Callable[[CollectorRegistry], object] = lambda _: None) -> AsyncIterator[str]:
    """Serve until left; gives the address. `measured` is told where the requests are counted.

    Raises ConfigurationError when the port cannot be listened on.
    """
    http = app.settings.http
    made = listener(http.host, http.port, "HTTP_HOST, HTTP_PORT")
    web = await asyncio.to_thread(make_web, app)
    measured(web.state.metrics.registry)
    async with serving_on(made, web, lifespan=True, trusted_proxies=http.trusted_proxies) as address:
        log.info("the web page is on %s", address)
        yield address
