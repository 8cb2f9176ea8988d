"""What a compatible server does not take. Learned from its refusals, so that no setting is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

Request = dict[str, Any]  # Any: the SDK's own parameter types differ from key to key

# Refusals that no other wording of the request would mend.
_FINAL = frozenset({"context_length_exceeded", "model_not_found", "content_filter", "content_policy_violation"})


def _without(key: str) -> Callable[[Request], Request]:
    return lambda request: {name: value for name, value in request.items() if name != key}


def _renamed_limit(request: Request) -> Request:
    """OpenAI's reasoning models take `max_completion_tokens` only, others `max_tokens` only."""
    names = ("max_tokens", "max_completion_tokens")
    old, new = names if names[0] in request else names[::-1]
    return {new if name == old else name: value for name, value in request.items()}


def _json_object(request: Request) -> Request:
    schema = request["response_format"]["json_schema"]["schema"]
    rule = {"role": "system", "content": f"Answer with JSON alone, of this schema:\n{json.dumps(schema)}"}
    return {**request, "response_format": {"type": "json_object"}, "messages": [rule, *request["messages"]]}


def _format_is(kind: str) -> Callable[[Request], bool]:
    return lambda request: request.get("response_format", {}).get("type") == kind


# In the order tried when the server does not say what it refuses. `store` last: it is a promise about privacy.
_WAYS: Mapping[str, tuple[str, Callable[[Request], bool], Callable[[Request], Request]]] = {
    "no stream_options": ("stream_options", lambda request: "stream_options" in request, _without("stream_options")),
    "no json_schema": ("response_format", _format_is("json_schema"), _json_object),
    "no json_object": ("response_format", _format_is("json_object"), _without("response_format")),
    "no store": ("store", lambda request: "store" in request, _without("store")),
    "no temperature": ("temperature", lambda request: "temperature" in request, _without("temperature")),
    "other max_tokens": ("max_tokens", lambda request: "max_tokens" in request, _renamed_limit),
    "other max_completion_tokens": (
        "max_completion_tokens",
        lambda request: "max_completion_tokens" in request,
        _renamed_limit,
    ),
}
_ONLY_WHEN_NAMED = frozenset({"no temperature", "other max_tokens", "other max_completion_tokens"})


class Dialect:
    """The ways around what one server refuses. Only those that a later success proved are kept."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        return self._known

    def spoken(self, request: Request, trying: Iterable[str] = ()) -> Request:
        """The request as this server takes it."""
        for way in (*self._known, *trying):
            _, applies, change = _WAYS[way]
            if applies(request):
                request = change(request)
        return request

    def way_around(self, request: Request, error: openai.APIStatusError, tried: Iterable[str]) -> str | None:
        """What to try after a 400 or 422 to `request`; None when it is not about anything optional."""
        if error.code in _FINAL:
            return None
        for way, (key, applies, _) in _WAYS.items():
            is_meant = error.param.split(".")[0] == key if error.param else way not in _ONLY_WHEN_NAMED
            if is_meant and way not in (*self._known, *tried) and applies(request):
                return way
        return None

    def learn(self, ways: Iterable[str]) -> None:
        self._known = (*self._known, *ways)
