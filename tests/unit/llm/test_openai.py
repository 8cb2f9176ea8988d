"""The OpenAI-compatible model against real HTTP servers on loopback."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from llmock.pytest_plugin import LLMock

from adapters.llm.openai import UNSEEN_IMAGE, OpenAILanguageModel
from core.errors import (
    BadArgument,
    MalformedAnswer,
    ModelAuthError,
    ModelError,
    ModelInterrupted,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
)
from core.ports.language_model import ModelDelta, ModelEvent, ModelFinished, ModelMessage, ModelUsage, PromptContext
from core.types import Role
from tests.unit.llm.server import (
    CUT,
    STALL,
    USAGE,
    Script,
    chunk,
    completion,
    hang,
    html,
    json_body,
    refusal,
    refusing,
    serving,
    stream,
)

HI = [ModelMessage(Role.USER, "hi")]
CANARY = "canary-7d1f"
GOOD_STREAM = stream(chunk("Hel"), chunk("lo."), chunk(finish="stop"), USAGE)


def model(base_url: str, **options: object) -> OpenAILanguageModel:
    settings: dict[str, object] = {"timeout": 5.0, "backoff": 0.01, "retries": 2, **options}
    return OpenAILanguageModel("key", "gpt-4o-mini", base_url=base_url, **settings)


async def collect(
    speaker: OpenAILanguageModel, messages: Sequence[ModelMessage] = HI, **options: bool
) -> tuple[str, ModelFinished]:
    events: list[ModelEvent] = [event async for event in speaker.stream_response(messages, **options)]
    *deltas, last = events
    assert isinstance(last, ModelFinished)
    return "".join(delta.text for delta in deltas if isinstance(delta, ModelDelta)), last


# --- what is sent


async def test_the_request_holds_context_speakers_images_and_limits() -> None:
    async with serving(completion()) as server:
        speaker = model(server.base_url, temperature=0.2, max_tokens=50)
        context = PromptContext(now=datetime(2026, 11, 22, tzinfo=UTC), persona="You are Mo.", in_room=True)
        picture = ModelMessage(Role.USER, "what is this?", name="Ana", images=("data:image/png;base64,AA",))
        answer = await speaker.generate_response([*HI, ModelMessage(Role.ASSISTANT, "Hello"), picture], context)
        await speaker.close()
    (body,) = server.bodies
    system, first, second, third = body["messages"]
    assert answer.text == "Hello there."
    assert answer.usage == ModelUsage(11, 7)
    assert system["role"] == "system"
    assert system["content"].startswith("You are Mo.")
    assert (first["content"], second["role"]) == ("hi", "assistant")
    opening = "Now it is Sunday 2026-11-22, 00:00 (UTC).\n\nThe message:\n"
    assert third["content"][0] == {"type": "text", "text": f"{opening}[Ana] what is this?"}
    assert third["content"][1]["image_url"]["url"] == "data:image/png;base64,AA"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-4o-mini", 0.2, 50)
    assert "store" not in body
    assert server.headers[0]["Authorization"] == "Bearer key"


async def test_a_call_can_override_limits_and_ask_not_to_be_stored() -> None:
    async with serving(completion()) as server:
        speaker = model(server.base_url, max_tokens_field="max_completion_tokens")
        await speaker.generate_response(HI, temperature=0.0, max_tokens=3, private=True)
        await speaker.close()
    body = server.bodies[0]
    assert (body["temperature"], body["max_completion_tokens"], body["store"]) == (0.0, 3, False)
    assert "max_tokens" not in body


async def test_a_model_without_eyes_is_told_of_the_image() -> None:
    async with serving(completion()) as server:
        speaker = model(server.base_url, supports_images=False)
        await speaker.generate_response([ModelMessage(Role.USER, "", images=("data:image/png;base64,AA",))])
        await speaker.close()
    assert server.bodies[0]["messages"] == [{"role": "user", "content": UNSEEN_IMAGE}]


async def test_nothing_is_sent_for_messages_that_no_model_takes() -> None:
    async with serving(completion()) as server:
        speaker = model(server.base_url)
        with pytest.raises(BadArgument):
            await speaker.generate_response([])
        with pytest.raises(BadArgument):
            await collect(speaker, [ModelMessage(Role.ASSISTANT, "me first")])
        await speaker.close()
    assert server.bodies == []


# --- streams


async def test_a_stream_gives_its_pieces_and_the_providers_count() -> None:
    async with serving(GOOD_STREAM) as server:
        speaker = model(server.base_url)
        text, last = await collect(speaker, private=True)
        await speaker.close()
    assert (text, last) == ("Hello.", ModelFinished("stop", ModelUsage(11, 7)))
    assert server.bodies[0]["store"] is False
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


async def test_without_a_count_of_the_provider_the_usage_is_estimated() -> None:
    async with serving(stream(chunk("Hello."), chunk(finish="length"), done=False)) as server:
        speaker = model(server.base_url)
        _, last = await collect(speaker, [ModelMessage(Role.USER, "hi", images=("data:image/png;base64,AA",))])
        await speaker.close()
    assert last.finish_reason == "length"
    assert last.usage.estimated
    assert last.usage.prompt_tokens > 85
    assert last.usage.completion_tokens > 0


@pytest.mark.parametrize(
    "frames",
    [
        (chunk("Half a"),),
        (chunk("Half a"), CUT),
        (chunk("Half a"), "data: {not json\n\n"),
        (chunk("Half a"), b"data: \xff\n\n".decode("latin-1")),
        (chunk("Half a"), {"error": {"message": "overloaded", "code": "busy"}}),
        (chunk("Half a"), STALL),
    ],
    ids=["silent truncation", "cut", "malformed chunk", "odd bytes", "error frame", "stall"],
)
async def test_a_stream_without_an_end_is_an_error_that_keeps_what_arrived(frames: tuple[object, ...]) -> None:
    async with serving(stream(*frames)) as server:
        speaker = model(server.base_url, timeout=0.4)
        events = speaker.stream_response(HI)
        assert await anext(events) == ModelDelta("Half a")
        with pytest.raises(ModelInterrupted) as caught:
            await anext(events)
        await speaker.close()
    assert caught.value.partial == "Half a"
    assert caught.value.retryable
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ((STALL,), ModelTimeout),
        ((CUT,), ModelUnavailable),
        (("data: {x\n\n",), MalformedAnswer),
        ((), ModelInterrupted),
    ],
)
async def test_a_stream_that_breaks_before_its_first_word_says_why(frames: tuple[str, ...], kind: type) -> None:
    async with serving(stream(*frames)) as server:
        speaker = model(server.base_url, timeout=0.3)
        with pytest.raises(kind) as caught:
            await collect(speaker)
        await speaker.close()
    assert caught.value.partial == ""


async def test_what_breaks_after_the_end_does_not_matter() -> None:
    async with serving(stream(chunk("All."), chunk(finish="stop"), CUT)) as server:
        speaker = model(server.base_url)
        text, last = await collect(speaker)
        await speaker.close()
    assert (text, last.finish_reason) == ("All.", "stop")


async def test_closing_the_iterator_closes_the_call() -> None:
    async with serving(stream(chunk("One"), STALL)) as server:
        speaker = model(server.base_url)
        async with aclosing(speaker.stream_response(HI)) as events:
            assert await anext(events) == ModelDelta("One")
        await asyncio.wait_for(server.gone.wait(), 3)
        await speaker.close()


async def test_cancelling_the_task_closes_the_call() -> None:
    async with serving(stream(chunk("One"), STALL)) as server:
        speaker = model(server.base_url)
        task = asyncio.create_task(collect(speaker))
        await asyncio.wait_for(server.asked.wait(), 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 3)
        await speaker.close()


@pytest.mark.parametrize(("finish", "kind"), [("stop", MalformedAnswer), ("content_filter", ModelRejected)])
async def test_an_empty_answer_is_no_answer(finish: str, kind: type[ModelError]) -> None:
    async with serving(stream(chunk(""), chunk(finish=finish)), completion(None, finish)) as server:
        speaker = model(server.base_url, retries=0)
        with pytest.raises(kind):
            await collect(speaker)
        with pytest.raises(kind):
            await speaker.generate_response(HI)
        await speaker.close()


async def test_a_refusal_of_the_model_is_its_answer() -> None:
    async with serving(
        stream(chunk(refusal="I cannot."), chunk(finish="stop")), completion(None, refusal="No.")
    ) as server:
        speaker = model(server.base_url)
        assert (await collect(speaker))[0] == "I cannot."
        assert (await speaker.generate_response(HI)).text == "No."
        await speaker.close()


# --- failures


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (refusal(401), ModelAuthError),
        (refusal(403), ModelAuthError),
        (refusal(404, code="model_not_found"), ModelRejected),
        (refusal(400, code="context_length_exceeded"), ModelRejected),
        (refusal(402), ModelRejected),
        (refusal(429, code="insufficient_quota"), ModelRejected),
        (refusal(429, **{"Retry-After": "3600"}), ModelRateLimited),
        (html(), ModelRejected),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(script: Script, kind: type[ModelError]) -> None:
    async with serving(script) as server:
        speaker = model(server.base_url)
        with pytest.raises(kind) as caught:
            await speaker.generate_response(HI)
        asked = len(server.bodies)
        with pytest.raises(kind):
            await collect(speaker)
        with pytest.raises(kind):
            await speaker.check()
        await speaker.close()
    assert asked == 1
    assert len(server.bodies) == 3
    assert "canary" not in f"{caught.value!r} {caught.value.user_message}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (refusal(500), ModelUnavailable),
        (refusal(408), ModelTimeout),
        (refusal(409), ModelUnavailable),
        (html(502), ModelUnavailable),
        (refusal(429), ModelRateLimited),
        (refusal(503, **{"Retry-After": "0"}), ModelRateLimited),
        (refusal(429, **{"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), ModelRateLimited),
    ],
)
async def test_what_may_pass_is_tried_again_until_it_works_or_the_tries_are_used_up(
    script: Script, kind: type[ModelError]
) -> None:
    async with serving(script, script, GOOD_STREAM, script) as server:
        speaker = model(server.base_url)
        assert (await collect(speaker))[0] == "Hello."
        with pytest.raises(kind):
            await speaker.generate_response(HI)
        await speaker.close()
    assert len(server.bodies) == 6


async def test_retry_after_is_honoured() -> None:
    async with serving(refusal(429, **{"Retry-After": "0.4"}), completion()) as server:
        speaker = model(server.base_url)
        start = time.monotonic()
        await speaker.generate_response(HI)
        await speaker.close()
    assert time.monotonic() - start >= 0.4


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": None}, [1, 2], {"choices": [{"index": 0}]}])
async def test_an_answer_of_another_shape_is_malformed(body: object) -> None:
    async with serving(json_body(body)) as server:
        speaker = model(server.base_url, retries=0)
        with pytest.raises((MalformedAnswer, ModelRejected)):
            await speaker.generate_response(HI)
        await speaker.close()


async def test_an_answer_without_finish_reason_is_cut_off() -> None:
    async with serving(completion("Half", None)) as server:
        speaker = model(server.base_url, retries=0)
        with pytest.raises(ModelInterrupted) as caught:
            await speaker.generate_response(HI)
        await speaker.close()
    assert caught.value.partial == "Half"


async def test_a_server_that_says_nothing_times_out() -> None:
    async with serving(hang) as server:
        speaker = model(server.base_url, timeout=0.2, retries=1)
        with pytest.raises(ModelTimeout):
            await speaker.generate_response(HI)
        with pytest.raises(ModelTimeout):
            await speaker.check()
        await speaker.close()


@pytest.mark.parametrize(
    "script",
    [html(), html(404), html(401), html(500), json_body({"hello": "world"})],
    ids=["200", "404", "401", "500", "json"],
)
async def test_what_is_no_model_is_called_that(script: Script) -> None:
    async with serving(script) as server:
        speaker = model(server.base_url)
        with pytest.raises(ModelRejected) as caught:
            await collect(speaker)
        await speaker.close()
    assert (
        caught.value.user_message
        == "What answers at OPENAI_BASE_URL is no language model. My operator has to check that address."
    )
    assert len(server.bodies) == 1


async def test_what_broke_before_a_word_does_not_claim_that_one_arrived() -> None:
    async with serving(stream()) as server:
        speaker = model(server.base_url)
        with pytest.raises(ModelInterrupted) as caught:
            await collect(speaker)
        await speaker.close()
    assert "stands above" not in caught.value.user_message
    assert "stands above" in ModelInterrupted(partial="Half a").user_message


async def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        speaker = model(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(ModelUnavailable):
            await collect(speaker)
        await speaker.close()


async def test_check_is_one_call_of_one_token() -> None:
    async with serving(completion("", "length")) as server:
        speaker = model(server.base_url)
        await speaker.check()
        await speaker.close()
    assert [body["max_tokens"] for body in server.bodies] == [1]


# --- servers that know less


async def test_stream_options_are_left_out_once_a_server_refused_them() -> None:
    answer = stream(chunk("Hi."), chunk(finish="stop"))
    async with serving(refusing("stream_options", then=answer)) as server:
        speaker = model(server.base_url)
        assert (await collect(speaker))[0] == "Hi."
        assert (await collect(speaker))[1].usage.estimated
        await speaker.close()
    assert ["stream_options" in body for body in server.bodies] == [True, False, False]


async def test_a_server_that_does_not_know_store_still_answers_privately() -> None:
    async with serving(refusing("store", then=completion(), param="store")) as server:
        speaker = model(server.base_url)
        await speaker.generate_response(HI, private=True)
        await speaker.generate_response(HI, private=True)
        await speaker.close()
    assert ["store" in body for body in server.bodies] == [True, False, False]


async def test_a_400_about_something_else_does_not_cost_the_privacy_flag() -> None:
    async with serving(refusal(400), refusal(400), completion()) as server:
        speaker = model(server.base_url)
        with pytest.raises(ModelRejected):
            await speaker.generate_response(HI, private=True)
        await speaker.generate_response(HI, private=True)
        await speaker.close()
    assert server.bodies[-1]["store"] is False


@pytest.mark.parametrize(
    ("refused", "kept"),
    [("max_tokens", {"max_completion_tokens": 1000}), ("temperature", {"max_tokens": 1000})],
)
async def test_reasoning_models_say_what_they_do_not_take(refused: str, kept: dict[str, int]) -> None:
    async with serving(refusing(refused, then=completion(), param=refused, code="unsupported_parameter")) as server:
        speaker = model(server.base_url)
        await speaker.generate_response(HI)
        await speaker.generate_response(HI)
        await speaker.close()
    assert len(server.bodies) == 3
    assert refused not in server.bodies[-1]
    assert kept.items() <= server.bodies[-1].items()


SCHEMA = {"type": "object", "properties": {"facts": {"type": "array", "items": {"type": "string"}}}}


async def test_a_structured_answer_is_asked_for_by_schema() -> None:
    async with serving(completion('{"facts": []}')) as server:
        speaker = model(server.base_url)
        answer = await speaker.generate_response(HI, response_schema=SCHEMA)
        await speaker.close()
    assert answer.text == '{"facts": []}'
    asked = server.bodies[0]["response_format"]
    assert asked == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


async def test_a_server_without_schemas_is_told_in_words() -> None:
    fenced = 'Sure!\n```json\n{"facts": ["a {b}"]}\n```\nDone.'
    async with serving(refusal(400), refusal(400), completion(fenced)) as server:
        speaker = model(server.base_url)
        first = await speaker.generate_response(HI, response_schema=SCHEMA)
        await speaker.generate_response(HI, response_schema=SCHEMA)
        plain = await speaker.generate_response(HI)
        await speaker.close()
    formats = [body.get("response_format") for body in server.bodies]
    assert [value and value["type"] for value in formats] == ["json_schema", "json_object", None, None, None]
    assert first.text == '{"facts": ["a {b}"]}'
    assert '"facts"' in server.bodies[3]["messages"][0]["content"]
    assert server.bodies[4]["messages"] == [{"role": "user", "content": "hi"}]
    assert plain.text == fenced


# --- llmock: the same against somebody else's idea of a failing provider


async def test_llmock_finds_nothing_to_complain_about(llmock: LLMock) -> None:
    speaker = model(llmock.base_url(), backoff=0.05)
    numbers = iter(range(100))

    def asked() -> list[ModelMessage]:  # llmock takes requests of the same body for tries of one call
        return [ModelMessage(Role.USER, f"question {next(numbers)}")]

    llmock.rate_limit(retry_after=0.2)
    assert (await collect(speaker, asked()))[0]
    llmock.fail(503)
    assert (await speaker.generate_response(asked())).text
    for breaks in (llmock.truncate, llmock.corrupt, llmock.disconnect):
        breaks(after_chunks=2)
        with pytest.raises(ModelInterrupted):
            await collect(speaker, asked())
    llmock.fail(401)
    with pytest.raises(ModelAuthError):
        await speaker.generate_response(asked())
    await speaker.close()
    findings = {finding.code for finding in llmock.verdict().findings}
    assert not findings & {"retry_after_ignored", "retried_non_retryable", "retry_storm", "no_backoff"}


# --- logs


async def test_no_content_reaches_the_logs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [ModelMessage(Role.USER, f"my secret is {CANARY}")]
    echo = stream(chunk(CANARY), chunk(finish="stop"))
    async with serving(refusal(500), echo, refusal(400, code="x"), refusal(401), completion(CANARY)) as server:
        speaker = model(server.base_url)
        await collect(speaker, said)
        for _ in range(2):
            with pytest.raises(ModelError):
                await speaker.generate_response(said)
        await speaker.generate_response(said)
        await speaker.close()
    out = capsys.readouterr()
    everything = caplog.text + out.out + out.err
    assert "canary" not in everything
    assert "ModelAuthError" in caplog.text
    assert out.out == ""
