"""What routes ask for: the running parts, and a caller who may."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Security

from adapters.http.api_keys import CHAT, EXPORT, READ, SIGNED_IN, WRITE
from adapters.http.callers import get_caller, security_of
from adapters.http.config import HttpConfig
from adapters.http.security import Caller, SecurityService
from adapters.http.services import ApiServices


def services_of(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.services
    return services


def config_of(request: Request) -> HttpConfig:
    config: HttpConfig = request.app.state.config
    return config


Services = Annotated[ApiServices, Depends(services_of)]
Config = Annotated[HttpConfig, Depends(config_of)]
Accounts = Annotated[SecurityService, Depends(security_of)]

Reader = Annotated[Caller, Security(get_caller, scopes=[READ])]
Writer = Annotated[Caller, Security(get_caller, scopes=[WRITE])]
Talker = Annotated[Caller, Security(get_caller, scopes=[CHAT])]
Exporter = Annotated[Caller, Security(get_caller, scopes=[EXPORT])]
SignedIn = Annotated[Caller, Security(get_caller, scopes=[SIGNED_IN])]

Offset = Annotated[int, Query(ge=0, le=1_000_000)]
