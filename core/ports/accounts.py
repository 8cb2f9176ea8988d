from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.types import User, UserId


@dataclass(frozen=True, slots=True)
class SignIn:
    """One signed-in client of a person. `token_id` names the only refresh token that still works; any other one of the
    same sign-in was used before."""

    id: str
    user_id: UserId
    token_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for service calls, without the key itself. `expires_at` None: until it is revoked."""

    id: str
    user_id: UserId
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked: bool = False


class AccountStore(Protocol):
    """Passwords, sign-ins and API keys, each as a hash or an id; all of it goes with its person."""

    async def create_account(self, email: str, password_hash: str) -> User:
        """A person with default profile and password, at once. Raises Conflict on a taken e-mail."""
        ...

    async def get_password_hash(self, user_id: UserId) -> str | None: ...

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None:
        """Raises NotFound: no such user."""
        ...

    async def open_sign_in(self, sign_in: SignIn) -> None:
        """Raises NotFound: no such user."""
        ...

    async def get_sign_in(self, sign_in_id: str, now: datetime) -> SignIn | None:
        """None: unknown, closed or over (`expires_at <= now`)."""
        ...

    async def renew_sign_in(
        self, sign_in_id: str, token_id: str, new_token_id: str, expires_at: datetime, now: datetime
    ) -> SignIn | None:
        """Change the refresh token, atomically. With a token that is not the current one somebody has a copy: the
        sign-in is closed and None returned, as for one that is not open."""
        ...

    async def close_sign_in(self, sign_in_id: str) -> bool: ...

    async def close_sign_ins(self, user_id: UserId, *, keep: str = "") -> int:
        """All of a person, but for the one to keep; how many there were."""
        ...

    async def revoke_token(self, token_id: str, expires_at: datetime) -> None:
        """Somebody else's token (Supabase Auth), until it is over anyway. Idempotent."""
        ...

    async def is_token_revoked(self, token_ids: Sequence[str]) -> bool:
        """Whether any of them is."""
        ...

    async def create_api_key(self, key: ApiKey, key_hash: str) -> None:
        """Raises NotFound: no such user."""
        ...

    async def get_api_keys(self, user_id: UserId | None) -> list[ApiKey]:
        """Of one person, or all for None; in the order in which they were made, revoked ones too."""
        ...

    async def use_api_key(self, key_hash: str, now: datetime) -> ApiKey | None:
        """The key, its use noted; None: unknown, revoked or over."""
        ...

    async def revoke_api_key(self, key_id: str) -> ApiKey:
        """For the operator, who owns them all. Raises NotFound."""
        ...
