"""Every field of every body, every parameter of every route, with what it must not be: refused, and named.

What there is to try comes from the app's own document, so that a new field is tried as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI

from adapters.http.schemas import chat, memory, user
from adapters.http.schemas.common import Request
from core.types import new_id
from tests.contracts.http.conftest import Live, Site

NOT_TEXT: tuple[object, ...] = (7, 1.5, True, [], ["text"], {}, {"$ne": None})
NOT_NUMBER: tuple[object, ...] = ("many", 1.5, 10**30, -1, [], {}, "1e400")
NOT_FLAG: tuple[object, ...] = ("perhaps", 7, [], {})
VALID: dict[str, object] = {
    "email": "eve@example.org",
    "password": "correct horse battery",
    "current_password": "correct horse battery",
    "new_password": "another horse battery",
    "name": "work",
    "content": "I like tea.",
    "message": "Hello",
    "query": "tea",
    "code": "ABCDE-FGHJK",
    "refresh_token": "x.y.z",
}
"""For fields that have to be there, while another one is tried; ids and tokens are made."""


@dataclass(frozen=True)
class Try:
    method: str
    path: str
    name: str
    body: dict[str, object] | None = None
    query: dict[str, object] | None = None


def wrong_values(schema: dict[str, object]) -> Iterator[object]:
    """Of the wrong kind, too long, too short, out of range, no member of the choice."""
    for option in schema.get("anyOf", [schema]):  # type: ignore[attr-defined]  # a list of schemas
        kind = option.get("type")
        if kind == "string":
            yield from NOT_TEXT
            yield from _wrong_texts(option)
        elif kind in ("integer", "number"):
            yield from NOT_NUMBER
            yield from (option[edge] + step for edge, step in (("maximum", 1), ("minimum", -1)) if edge in option)
        elif kind == "boolean":
            yield from NOT_FLAG
        elif kind == "object":
            yield from ("text", 7, [], {"key": "x" * 5_000})
        elif "$ref" in option or "const" in option or "enum" in option:
            yield from ("nothing of this kind", 7, [], {}, "")


def _wrong_texts(option: dict[str, object]) -> Iterator[str]:
    if "maxLength" in option:
        yield "x" * (int(str(option["maxLength"])) + 1)
    if option.get("minLength") or option.get("format") or "pattern" in option or "const" in option:
        yield ""
    if option.get("format") == "password":
        return
    if option.get("format") or "pattern" in option or "const" in option:
        yield from ("*", "a:b", "\0", "nothing of this kind", "' OR '1'='1", "x\r\nSet-Cookie: a=b", "\u202e")


def tries(app: FastAPI) -> Iterator[Try]:
    document = app.openapi()
    models = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _of_body(models, method.upper(), path, operation)
            yield from _of_parameters(models, method.upper(), path, operation)


def _of_body(
    models: dict[str, dict[str, object]], method: str, path: str, operation: dict[str, dict[str, object]]
) -> Iterator[Try]:
    content = operation.get("requestBody", {}).get("content")
    if not content:
        return
    name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]  # type: ignore[index]  # a document
    fields: dict[str, dict[str, object]] = models[name]["properties"]  # type: ignore[assignment]  # as above
    required: list[str] = models[name].get("required", [])  # type: ignore[assignment]  # as above
    sound = {item: VALID.get(item, new_id()) for item in required}
    for item in required:
        yield Try(method, path, f"{name}.{item} left out", {key: value for key, value in sound.items() if key != item})
    yield Try(method, path, f"{name} with an unknown field", {**sound, "is_admin": True})
    for item, schema in fields.items():
        for value in wrong_values(schema):
            yield Try(method, path, f"{name}.{item} = {value!r:.40}", {**sound, item: value})


def _of_parameters(
    models: dict[str, dict[str, object]], method: str, path: str, operation: dict[str, list[dict[str, object]]]
) -> Iterator[Try]:
    for parameter in operation.get("parameters", []):
        schema: dict[str, object] = parameter["schema"]  # type: ignore[assignment]  # a document
        if parameter["in"] == "path":
            for value in ("*", "a:b", "%00", "1'%20OR%20'1'='1", "..%2f..%2fetc", "x" * 5_000, "0", "null"):
                yield Try(
                    method, path.replace(f"{{{parameter['name']}}}", value), f"path {parameter['name']} = {value:.20}"
                )
        elif parameter["in"] == "query":
            for value in wrong_values(schema):
                if isinstance(value, str | int | float) and value not in (7, True, 1.5):
                    yield Try(
                        method, path, f"?{parameter['name']}={value!r:.40}", query={str(parameter["name"]): value}
                    )


async def test_no_field_takes_what_it_must_not_be(live: Live) -> None:
    ana = await live.site.person("ana")
    ids = {"profile_id": (await ana.ok("GET", "/memory-profiles"))[0]["id"]}
    ids["session_id"] = (await ana.ok("POST", "/sessions", {}))["id"]
    count = 0
    for attempt in tries(live.site.app):
        path = attempt.path
        for name in ("profile_id", "session_id", "memory_id", "account_id", "conversation_id"):
            path = path.replace(f"{{{name}}}", ids.get(name) or new_id())
        answer = await ana.http.request(
            attempt.method, path, json=attempt.body, params=attempt.query, headers=ana.headers
        )
        assert answer.status_code in (404, 405, 422), (attempt.method, path, attempt.name, answer.status_code)
        assert set(answer.json()) == {"detail", "code"}, attempt.name
        assert len(answer.text) < 2_000, attempt.name
        assert "x" * 100 not in answer.text, attempt.name
        count += 1
    assert count > 550
    await ana.ok("GET", "/auth/me")


async def test_every_model_of_a_request_was_tried(live: Live) -> None:
    named = {attempt.name.split(".")[0].split(" ")[0] for attempt in tries(live.site.app)}
    models = {model.__name__ for module in (chat, memory, user) for model in vars(module).values() if _is_body(model)}
    # No route takes a ChatMessageCreate: messages are made by talking.
    assert models - named == {"ChatMessageCreate"}


def _is_body(model: object) -> bool:
    return isinstance(model, type) and issubclass(model, Request) and model is not Request


@pytest.mark.parametrize("text", ["x\r\nSet-Cookie: session=1", "x\nX-Admin: 1", "\u560a\u560dSet-Cookie:a"])
async def test_no_text_of_a_person_becomes_a_header(site: Site, text: str) -> None:
    ana = await site.person("ana")
    for method, path, body in (
        ("PATCH", "/auth/me", {"display_name": text}),
        ("POST", "/memory-profiles", {"name": text}),
        ("GET", "/export", None),
    ):
        answer = await ana.send(method, path, body)
        assert answer.status_code < 500
        assert "set-cookie" not in answer.headers
        assert "x-admin" not in answer.headers
        assert not [value for value in answer.headers.values() if "Set-Cookie" in value]
