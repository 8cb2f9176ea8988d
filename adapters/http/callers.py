"""Who sends a request: what routes depend on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from adapters.http.security import Caller, SecurityService
from core.errors import Forbidden, NotAuthenticated
from core.types import User


class APIKeyAuth(APIKeyHeader):
    """API keys come in `X-API-Key`."""

    def __init__(self) -> None:
        super().__init__(name="X-API-Key", auto_error=False, description="Made by `memorychat api-key new`")


_bearer = HTTPBearer(auto_error=False, description="The access token of `/auth/login`")
_api_key = APIKeyAuth()
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Key = Annotated[str | None, Depends(_api_key)]


def security_of(request: Request) -> SecurityService:
    service: SecurityService = request.app.state.security
    return service


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def get_caller(request: Request, wanted: SecurityScopes, bearer: Bearer, api_key: Key) -> Caller:
    """Who calls, when they may: signed in, or by an API key with every wanted scope.

    Raises NotAuthenticated, Forbidden (scope), LimitReached.
    """
    security = security_of(request)
    await security.limiter.hit(security.limiter.address, "address", address_of(request))
    if bearer is not None:
        caller = await security.caller_of(bearer.credentials)
    elif api_key:
        caller = await security.caller_of_key(api_key)
    else:
        raise NotAuthenticated
    if caller.scopes is not None and not caller.scopes.issuperset(wanted.scopes):
        raise Forbidden(user_message="This API key may not do that.")
    await security.limiter.hit(security.limiter.user, "user", caller.user.id)
    return caller


async def get_current_user(caller: Annotated[Caller, Depends(get_caller)]) -> User:
    return caller.user


async def get_current_user_optional(request: Request, bearer: Bearer, api_key: Key) -> User | None:
    """None without credentials, and with such as do not work."""
    try:
        return (await get_caller(request, SecurityScopes(), bearer, api_key)).user
    except NotAuthenticated:
        return None


async def verify_user_access(user_id: str, request: Request, user: Annotated[User, Depends(get_current_user)]) -> User:
    """For routes with a `user_id` in their path. Raises NotFound for somebody else's."""
    security_of(request).validate_user_access(user, user_id)
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
