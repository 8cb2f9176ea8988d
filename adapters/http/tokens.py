"""Our own tokens: signed, short-lived, each of one sign-in."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from adapters.http.config import JwtConfig
from core.errors import NotAuthenticated
from core.ports import Clock
from core.ports.accounts import SignIn
from core.types import UserId

ISSUER = "memorychat"
AUDIENCE = "memorychat-api"
ACCESS, REFRESH = "access", "refresh"


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What one of our own tokens says: the sign-in it belongs to, and its own id."""

    user_id: UserId
    sign_in_id: str
    token_id: str


class TokenSigner:
    """Makes and reads them, by the clock that everything else goes by."""

    def __init__(self, config: JwtConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def encode(self, sign_in: SignIn, kind: str, token_id: str, seconds: int) -> str:
        now = int(self._clock.now().timestamp())
        claims: dict[str, str | int] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": sign_in.user_id,
            "sid": sign_in.id,
            "jti": token_id,
            "typ": kind,
            "iat": now,
            "exp": now + seconds,
        }
        return jwt.encode(claims, self._config.secret, algorithm=self._config.algorithm)

    def decode(self, token: str, kind: str) -> TokenClaims:
        try:
            claims = jwt.decode(
                token,
                self._config.secret,
                algorithms=[self._config.algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The time is compared below, by the same clock that set it.
                options={"require": ["exp", "sub", "sid", "jti", "typ"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated from None
        expires_at = claims["exp"]
        if claims["typ"] != kind or not isinstance(expires_at, int) or expires_at <= self._clock.now().timestamp():
            raise NotAuthenticated
        return TokenClaims(UserId(str(claims["sub"])), str(claims["sid"]), str(claims["jti"]))
