from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, status

from adapters.http.callers import address_of
from adapters.http.dependencies import Accounts, Reader, Services, SignedIn
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.user import (
    AccountDeletion,
    ErasureReceiptResponse,
    PasswordChange,
    RefreshRequest,
    TokenResponse,
    UserCreate,
    UserLogin,
    UserResponse,
    UserUpdate,
)
from adapters.http.security import SecurityService, Tokens
from core.batches import UserPatch
from core.errors import BadArgument, Conflict

router = APIRouter(prefix=f"{API}/auth", tags=["account"])


@router.post("/signup", status_code=status.HTTP_201_CREATED, responses=responses(409))
async def signup(body: UserCreate, request: Request, accounts: Accounts) -> TokenResponse:
    """Makes the user, with a default profile, and signs in."""
    await _limit_tries(accounts, request, body.email)
    try:
        return _tokens(await accounts.sign_up(body.email, body.password.get_secret_value()))
    except Conflict as error:
        if error.user_message != Conflict.user_message:
            raise
        raise Conflict(user_message="There is an account with that e-mail address already.") from None


@router.post("/login", responses=responses(401))
async def login(body: UserLogin, request: Request, accounts: Accounts) -> TokenResponse:
    await _limit_tries(accounts, request, body.email)
    return _tokens(await accounts.sign_in(body.email, body.password.get_secret_value()))


@router.post("/refresh", responses=responses(401))
async def refresh(body: RefreshRequest, request: Request, accounts: Accounts) -> TokenResponse:
    """A refresh token works once. Using one again signs its client out: somebody has a copy."""
    await accounts.limiter.hit(accounts.limiter.address, "address", address_of(request))
    return _tokens(await accounts.refresh(body.refresh_token))


@router.post("/logout", responses=responses(401, 403))
async def logout(caller: SignedIn, accounts: Accounts) -> dict[str, str]:
    """The access token and the refresh token stop working at once."""
    await accounts.sign_out(caller)
    return {"status": "signed out"}


@router.get("/me", responses=responses(401, 403))
async def me(caller: Reader) -> UserResponse:
    return UserResponse.of(caller.user)


@router.patch("/me", responses=responses(401, 403))
async def change_me(body: UserUpdate, caller: SignedIn, services: Services) -> UserResponse:
    patch = UserPatch(**body.model_dump(exclude_none=True))
    return UserResponse.of(await services.store.update_user(caller.user.id, patch))


@router.post("/password", responses=responses(401, 403))
async def change_password(
    body: PasswordChange, request: Request, caller: SignedIn, accounts: Accounts
) -> dict[str, str]:
    if accounts.supabase is not None:
        raise BadArgument(user_message="This account's password is kept by Supabase; please change it there.")
    await _limit_tries(accounts, request, caller.user.id)
    await accounts.change_password(
        caller, body.current_password.get_secret_value(), body.new_password.get_secret_value()
    )
    return {"status": "changed"}


@router.delete("/me", responses=responses(401, 403))
async def erase_me(
    body: AccountDeletion, request: Request, caller: SignedIn, accounts: Accounts, services: Services
) -> ErasureReceiptResponse:
    """Everything, in every place, keys included: no backup can bring it back. The receipt says how much it was."""
    if body.password is not None:
        await _limit_tries(accounts, request, caller.user.id)
        await accounts.confirm_password(caller, body.password.get_secret_value())
    receipt = await services.own.erase(caller.user.id)
    await accounts.forget_account(caller)
    return ErasureReceiptResponse.model_validate(receipt)


async def _limit_tries(accounts: SecurityService, request: Request, account: str) -> None:
    """Per account and per address."""
    limiter = accounts.limiter
    name = hashlib.sha256(account.casefold().encode()).hexdigest()
    await limiter.hit(limiter.sign_in, "sign-in-address", address_of(request))
    await limiter.hit(limiter.sign_in, "sign-in-account", name)


def _tokens(tokens: Tokens) -> TokenResponse:
    return TokenResponse(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        user=UserResponse.of(tokens.user),
    )
