"""The REST API and the web page, on the engine that the chat platforms use too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from adapters.http.config import HttpConfig
from adapters.http.errors import add_error_handlers
from adapters.http.headers import get_cors_config, get_security_headers
from adapters.http.middleware import Metrics, Surroundings
from adapters.http.routes import API, account, auth, chat, memories, operations, profiles, sessions, webhooks
from adapters.http.schemas.chat import ChatMessageCreate, ChatStreamChunk
from adapters.http.security import SecurityService
from adapters.http.services import ApiServices
from adapters.http.sse import settle
from adapters.http.supabase import SupabaseAuth

GROUPS = (operations, webhooks, auth, profiles, memories, sessions, chat, account)
PAGE = Path(__file__).parent / "page"


def create_app(api: ApiServices, config: HttpConfig) -> FastAPI:
    """`api` has to be running for as long as the app answers."""
    app = FastAPI(
        title=f"{config.bot_name} API",
        version="1",
        description="Talk to the bot, and see, correct and forget what it remembers about you.",
        openapi_url=f"{API}/openapi.json",
        # Their pages load scripts from elsewhere, which our content security policy forbids.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        # Not `include_router`, which would build every route of every group anew, in the first request.
        routes=[route for module in GROUPS for route in module.router.routes],
    )
    supabase = SupabaseAuth(config.supabase) if config.supabase else None
    app.state.services = api
    app.state.config = config
    app.state.security = SecurityService(config, api.store, api.clock, supabase)
    app.state.metrics = Metrics()
    add_error_handlers(app)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    if config.cors.origins:
        app.add_middleware(CORSMiddleware, **get_cors_config(config.cors))
    app.add_middleware(
        Surroundings,
        headers=get_security_headers(behind_tls=config.behind_tls),
        max_body=config.max_body,
        metrics=app.state.metrics,
    )
    _document_models(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await settle()
    security: SecurityService = app.state.security
    await security.limiter.close()


def _document_models(app: FastAPI) -> None:
    """Models that no route names as its body are in the OpenAPI document as well."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        known = app.openapi_schema is not None
        document = plain()
        if not known:
            for model in (ChatStreamChunk, ChatMessageCreate):
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                document["components"]["schemas"] |= {**schema.pop("$defs", {}), model.__name__: schema}
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the way FastAPI documents
