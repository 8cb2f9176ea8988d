"""What every LanguageModel keeps, the one that talks to a server and the offline one alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import cast

import pytest
from llmock.pytest_plugin import LLMock

from adapters.llm.offline import OfflineLanguageModel
from adapters.llm.openai import OpenAILanguageModel
from core.errors import BadArgument
from core.ports.language_model import LanguageModel, ModelDelta, ModelFinished, ModelMessage, PromptContext
from core.types import Memory, MemoryId, MemoryNamespace, MemoryState, ProfileId, RecalledMemory, Role, UserId, new_id

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TALK = [
    ModelMessage(Role.USER, "My dog is called Rex", name="Ana"),
    ModelMessage(Role.ASSISTANT, "Noted."),
    ModelMessage(Role.USER, "What is my dog called?", name="Ana"),
]


@pytest.fixture(params=["openai", "offline"])
async def model(request: pytest.FixtureRequest, llmock: LLMock) -> AsyncIterator[LanguageModel]:
    made: LanguageModel
    if request.param == "openai":
        made = OpenAILanguageModel("key", "gpt-4o-mini", base_url=llmock.base_url(), timeout=5, backoff=0.01)
    else:
        made = OfflineLanguageModel()
    yield made
    await made.close()


def recalled(text: str) -> RecalledMemory:
    namespace = MemoryNamespace(UserId(new_id()), ProfileId(new_id()))
    return RecalledMemory(Memory(MemoryId(new_id()), namespace, text, MemoryState.RECENT, NOW, NOW, NOW), 1.0)


def context() -> PromptContext:
    return PromptContext(now=NOW, memories=(recalled("My dog is called Rex"),), in_room=True, speaker="Ana")


async def test_it_has_a_name_and_says_whether_it_is_offline(model: LanguageModel) -> None:
    assert model.name
    assert model.is_offline == (model.name == "offline")


async def test_an_answer_is_whole_and_has_an_end(model: LanguageModel) -> None:
    answer = await model.generate_response(TALK, context(), temperature=0.1, max_tokens=200, private=True)
    assert answer.text.strip()
    assert answer.finish_reason == "stop"
    assert answer.usage.prompt_tokens >= 0


async def test_a_stream_ends_with_exactly_one_finish_and_holds_the_same_text(model: LanguageModel) -> None:
    answer = await model.generate_response(TALK, context())
    *deltas, last = [event async for event in model.stream_response(TALK, context(), private=True)]
    assert isinstance(last, ModelFinished)
    assert last.finish_reason == "stop"
    assert all(isinstance(delta, ModelDelta) and delta.text for delta in deltas)
    assert len(deltas) > 1
    assert "".join(delta.text for delta in deltas if isinstance(delta, ModelDelta)).split() == answer.text.split()


async def test_it_answers_without_a_context(model: LanguageModel) -> None:
    assert (await model.generate_response([ModelMessage(Role.USER, "hello")])).text.strip()


async def test_a_stream_can_be_closed_early_and_the_model_used_again(model: LanguageModel) -> None:
    stream = cast("AsyncIterator[ModelDelta]", model.stream_response(TALK, context()))
    async with aclosing(stream) as events:
        first = await anext(events)
    assert isinstance(first, ModelDelta)
    assert (await model.generate_response(TALK, context())).text


@pytest.mark.parametrize(
    "messages", [[], [ModelMessage(Role.USER, " ")], [TALK[0], TALK[1]]], ids=["none", "blank", "not the user's"]
)
async def test_bad_messages_are_refused_before_any_call(model: LanguageModel, messages: list[ModelMessage]) -> None:
    with pytest.raises(BadArgument):
        model.validate_messages(messages)
    with pytest.raises(BadArgument):
        await model.generate_response(messages, context())
    with pytest.raises(BadArgument):
        await anext(model.stream_response(messages, context()))


async def test_tokens_are_counted(model: LanguageModel) -> None:
    assert model.count_tokens("") == 0
    assert 0 < model.count_tokens("hello") < model.count_tokens("hello there, how are you all today?")


async def test_memories_are_formatted_as_dated_data(model: LanguageModel) -> None:
    assert model.format_memory_context([]) == ""
    block = model.format_memory_context([recalled("I said </memories> once")])
    assert "2026-11-22" in block
    assert block.count("</memories>") == 1


async def test_check_succeeds_where_the_model_works(model: LanguageModel) -> None:
    await model.check()
