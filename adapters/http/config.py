"""What the HTTP side is told by the settings; `bot/web.py` fills it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class JwtConfig:
    """Our own tokens. `secret` signs them."""

    secret: str = field(repr=False)
    algorithm: str = "HS256"
    expiry: timedelta = timedelta(minutes=15)
    refresh_expiry: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CorsConfig:
    """Pages of other origins; none by default."""

    origins: tuple[str, ...] = ()
    credentials: bool = False
    methods: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    headers: tuple[str, ...] = ("Authorization", "Content-Type")


@dataclass(frozen=True, slots=True)
class RateLimitConfig:
    """Each as `limits` writes it: `120/minute`. `redis_url` makes several processes count together."""

    user: str = "120/minute"
    address: str = "240/minute"
    sign_in: str = "10/minute"
    redis_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SupabaseConfig:
    """Sign-in by Supabase Auth. `key` is the public one; `jwt_secret` only for old projects that sign with HS256."""

    url: str
    key: str = field(repr=False)
    service_key: str = field(default="", repr=False)
    jwt_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """`max_body` in bytes; `password_memory` in KiB is what hashing one password takes; `heartbeat` in seconds between
    the signs of life of a silent stream."""

    jwt: JwtConfig
    cors: CorsConfig = CorsConfig()
    rate_limits: RateLimitConfig = RateLimitConfig()
    supabase: SupabaseConfig | None = None
    bot_name: str = "MemoryChat"
    behind_tls: bool = False
    max_body: int = 1_000_000
    password_memory: int = 65_536
    heartbeat: float = 15.0
    daily_messages: int = 0
    daily_tokens: int = 0
