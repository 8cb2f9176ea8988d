"""The error tree as HTTP: one table, one shape."""

from __future__ import annotations

import logging
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from adapters.http.schemas.chat import ErrorResponse
from core.errors import (
    Conflict,
    Forbidden,
    InputError,
    InvalidNamespace,
    LimitReached,
    MemoryChatError,
    MemoryUnavailable,
    ModelError,
    NotAuthenticated,
    NotFound,
    PrivacyError,
    StoreError,
)

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[MemoryChatError], int], ...] = (
    (NotFound, 404),
    (InvalidNamespace, 404),
    (InputError, 400),
    (Conflict, 409),
    (PrivacyError, 409),
    (NotAuthenticated, 401),
    (Forbidden, 403),
    (LimitReached, 429),
    (ModelError, 502),
    (StoreError, 503),
    (MemoryUnavailable, 503),
)
"""The first that fits."""

CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
DESCRIPTIONS = {
    400: "A rule was broken; `detail` says which",
    401: "Not signed in, or not any more",
    403: "Not allowed",
    404: "Not there, or somebody else's",
    409: "Clashes with what is there",
    413: "Too large",
    422: "A field is not as it has to be",
    429: "Too often; `Retry-After` says when again",
    500: "A fault of the server",
    502: "The language model gave no answer",
    503: "The database or the memory is away",
}


def responses(*more: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: what every route may answer, and what only some may."""
    statuses = sorted({400, 413, 422, 429, 500, 503, *more})
    return {status: {"model": ErrorResponse, "description": DESCRIPTIONS[status]} for status in statuses}


def status_of(error: MemoryChatError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(MemoryChatError, _product_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


def answer(status: int, detail: str, code: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail, "code": code}, status, headers)


async def _product_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MemoryChatError)
    status = status_of(error)
    if status >= 500:
        log.warning("answered %d: %s", status, type(error).__name__)
    return answer(status, error.user_message, error.code, _headers(error, status))


def _headers(error: MemoryChatError, status: int) -> dict[str, str]:
    if isinstance(error, LimitReached):
        return {"Retry-After": str(ceil(error.retry_after))}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "1"} if status == 503 else {}


async def _invalid(_request: Request, error: Exception) -> Response:
    """Names the fields and what is wrong with them, and nothing of what they held."""
    assert isinstance(error, RequestValidationError)
    problems = []
    for mistake in error.errors()[:10]:
        where = ".".join(str(part) for part in mistake["loc"] if part not in ("body", "query", "path"))
        what = str(mistake["msg"]).removeprefix("Value error, ")
        problems.append(f"{_shown(where)}: {what}" if where else what)
    return answer(422, "; ".join(problems), "invalid")


def _shown(where: str) -> str:
    """A field's name; an unknown one is the sender's, and is not echoed at length."""
    return where.encode("ascii", "replace").decode()[:60]


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "error")
    headers = dict(error.headers) if error.headers else None
    return answer(error.status_code, str(error.detail), code, headers)
