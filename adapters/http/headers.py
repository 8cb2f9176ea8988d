"""The headers that protect the page, and who else's pages may call."""

from __future__ import annotations

from typing import Any

from adapters.http.config import CorsConfig

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def get_cors_config(config: CorsConfig) -> dict[str, Any]:
    """The arguments of Starlette's CORSMiddleware."""
    return {
        "allow_origins": list(config.origins),
        "allow_credentials": config.credentials,
        "allow_methods": list(config.methods),
        "allow_headers": list(config.headers),
        "expose_headers": ["Retry-After", "X-Request-ID"],
    }


def get_security_headers(*, behind_tls: bool) -> dict[str, str]:
    """Of every answer. HSTS only where the page is reached by TLS, for it locks plain HTTP out for a year."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if behind_tls:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers
