"""The document is true: nothing generated from it makes the server fail or answer a status that it does not name."""

from __future__ import annotations

import asyncio
from collections import Counter

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.http.schemas import chat, memory, user
from adapters.http.schemas.common import Request, Response
from tests.contracts.http.conftest import Live, Site

SCHEMAS = {
    *("UserCreate", "UserResponse", "UserUpdate", "UserLogin", "TokenResponse"),
    *("MemoryProfileCreate", "MemoryProfileUpdate", "MemoryProfileResponse", "MemoryResponse", "MemoryCreate"),
    *("MemorySearchRequest", "MemorySearchResponse", "PrivacyMode", "ChatSessionCreate", "ChatSessionResponse"),
    *("ChatMessageCreate", "ChatMessageResponse", "ChatRequest", "ChatResponse", "ChatSessionUpdate"),
    *("ChatStreamChunk", "ConversationSummary", "ErrorResponse"),
}
EXAMPLES = 6
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance, content_type_conformance]


async def test_all_models_are_documented(site: Site) -> None:
    assert len(SCHEMAS) == 23
    assert set(site.app.openapi()["components"]["schemas"]) >= SCHEMAS


async def test_every_model_has_an_example_that_is_one(site: Site) -> None:
    models = {
        name: model for module in (chat, memory, user) for name, model in vars(module).items() if _is_model(model)
    }
    documented = site.app.openapi()["components"]["schemas"]
    assert {*models} >= {name for name in documented if name in SCHEMAS and name != "PrivacyMode"}
    for name, model in models.items():
        (shown,) = documented[name]["examples"]
        model.model_validate(shown)


def _is_model(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Request | Response) and thing not in (Request, Response)


async def test_the_document_is_served(site: Site) -> None:
    answer = await (await site.visitor()).http.get("/api/v1/openapi.json")
    assert answer.json()["info"]["title"] == "MemoryChat API"


async def test_generated_requests_get_documented_answers(live: Live) -> None:
    ana, spare = await live.site.person("ana"), await live.site.person("spare")
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    session = (await ana.ok("POST", "/sessions", {}))["id"]
    known = {"profile_id": profile, "session_id": session}
    document = live.site.app.openapi()
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())

    def attack() -> Counter[int]:
        answers: Counter[int] = Counter()
        for result in schema.get_all_operations():
            operation = result.ok()
            ends_the_sign_in = operation.path.startswith("/api/v1/auth/") and operation.method in ("post", "delete")
            token = (spare if ends_the_sign_in else ana).access

            @seed(1)
            @settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def send(case: schemathesis.Case) -> None:
                # Half of the requests find something under their ids.
                if answers.total() % 2:
                    case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
                headers = {"Authorization": f"Bearer {token}"}  # noqa: B023 # sent within this round
                answer = case.call_and_validate(base_url=live.address, headers=headers, checks=CHECKS)
                answers[answer.status_code] += 1

            send()
        return answers

    answers = await asyncio.to_thread(attack)
    assert answers.total() > 100
    # Most of it got past the door, and a good part was done.
    assert answers[401] < answers.total() / 4
    assert sum(count for status, count in answers.items() if status < 300) > answers.total() / 5
