"""Sessions and talk, whole and streamed."""

from __future__ import annotations

import asyncio
import json

import pytest

from core.errors import ModelUnavailable
from core.policy import EnginePolicy
from core.types import UserId
from tests.contracts.http.conftest import Builder, Client, Site
from tests.support.models import ScriptedModel


async def session_of(ana: Client, **body: object) -> str:
    return str((await ana.ok("POST", "/sessions", body))["id"])


def events_of(text: str) -> list[dict[str, object]]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    events = []
    for block in blocks:
        name, data = block.split("\n", 1)
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


async def test_talking_is_remembered_and_used(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    answer = await ana.ok("POST", "/chat", {"session_id": session, "message": "What is my dog called?"})
    assert answer["reply"] == "You said: What is my dog called?"
    assert (answer["kind"], answer["privacy_mode"], answer["badge"]) == ("answer", "normal", "")
    assert answer["usage"]["prompt_tokens"] == 10
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    remembered = (await ana.ok("GET", f"/memory-profiles/{profile}/memories"))[0]
    assert answer["memories_used"] == [remembered["id"]]
    assert remembered["metadata"]["platform"] == "web"


async def test_sessions_and_their_messages(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    for text in ("Hello there, bot.", "I live in Lisbon."):
        await ana.ok("POST", "/chat", {"session_id": session, "message": text})
    messages = await ana.ok("GET", f"/sessions/{session}/messages")
    assert [(item["role"], item["content"]) for item in messages] == [
        ("user", "Hello there, bot."),
        ("assistant", "You said: Hello there, bot."),
        ("user", "I live in Lisbon."),
        ("assistant", "You said: I live in Lisbon."),
    ]
    page = await ana.ok("GET", f"/sessions/{session}/messages?limit=1&offset=2")
    assert [item["content"] for item in page] == ["I live in Lisbon."]
    summary = await ana.ok("GET", f"/sessions/{session}/summary")
    assert (summary["message_count"], summary["user_messages"]) == (4, 2)
    assert (await ana.ok("GET", "/sessions"))[0]["message_count"] == 4
    assert (await ana.send("DELETE", f"/sessions/{session}")).status_code == 204
    assert (await ana.send("GET", f"/sessions/{session}")).status_code == 404
    assert await ana.ok("GET", "/sessions") == []


async def test_sessions_by_profile(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    await session_of(ana)
    with_work = await session_of(ana, memory_profile_id=work)
    listed = await ana.ok("GET", "/sessions", params={"memory_profile_id": work})
    assert [item["id"] for item in listed] == [with_work]
    assert (await eve.send("GET", "/sessions", params={"memory_profile_id": work})).status_code == 404
    assert (await eve.send("POST", "/sessions", {"memory_profile_id": work})).status_code == 404


async def test_incognito_leaves_nothing_but_its_count(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana, privacy_mode="incognito")
    answer = await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    assert (answer["privacy_mode"], answer["badge"]) == ("incognito", "🕶 incognito")
    assert await ana.ok("GET", f"/sessions/{session}/messages") == []
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    assert await ana.ok("GET", f"/memory-profiles/{profile}/memories") == []
    shown = await ana.ok("GET", f"/sessions/{session}")
    assert (shown["message_count"], shown["closed_at"]) == (2, None)


async def test_an_incognito_session_goes_on_and_knows_what_was_said_in_it(build_site: Builder) -> None:
    model = ScriptedModel()
    site = await build_site(model=model)
    ana = await site.person("ana")
    session = await session_of(ana, privacy_mode="incognito")
    await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    await ana.ok("POST", "/chat", {"session_id": session, "message": "What is my dog called?"})
    assert "My dog is called Rex." in model.calls[-1].text
    assert model.calls[-1].private


async def test_changing_mode_and_profile_of_a_session(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    session = await session_of(ana)
    profile = (await ana.ok("GET", "/memory-profiles"))[0]["id"]
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    paused = {"memory_profile_id": work, "privacy_mode": "pause_memories"}
    changed = await ana.ok("PUT", f"/sessions/{session}", paused)
    assert (changed["memory_profile_id"], changed["privacy_mode"]) == (work, "pause_memories")
    await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    assert await ana.ok("GET", f"/memory-profiles/{work}/memories") == []
    # What was said with one profile is in no prompt with another: once something was said, it stays.
    refused = await ana.send("PUT", f"/sessions/{session}", {"memory_profile_id": profile, "privacy_mode": "normal"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert (await ana.ok("GET", f"/sessions/{session}"))["privacy_mode"] == "pause_memories"
    changed = await ana.ok("PUT", f"/sessions/{session}", {"memory_profile_id": work, "privacy_mode": "normal"})
    assert (changed["memory_profile_id"], changed["privacy_mode"]) == (work, "normal")
    await ana.ok("POST", "/chat", {"session_id": session, "message": "The launch is in May."})
    assert len(await ana.ok("GET", f"/memory-profiles/{work}/memories")) == 1
    theirs = (await eve.ok("GET", "/memory-profiles"))[0]["id"]
    assert (await ana.send("PUT", f"/sessions/{session}", {"memory_profile_id": theirs})).status_code == 404


async def test_the_mode_of_a_talk_elsewhere_is_not_pretended_to_be_changed(site: Site) -> None:
    ana = await site.person("ana")
    chat = site.town.person("ana")
    await chat.says("/link " + (await ana.ok("POST", "/link-codes"))["code"])
    await chat.says("yes")
    await chat.says("Good morning.")
    (talk,) = [item["id"] for item in await ana.ok("GET", "/sessions") if item["closed_at"] is None]
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    for change in ({"privacy_mode": "incognito"}, {"memory_profile_id": work}):
        refused = await ana.send("PUT", f"/sessions/{talk}", change)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    shown = await ana.ok("GET", f"/sessions/{talk}")
    assert (shown["privacy_mode"], shown["memory_profile_id"] == work) == ("normal", False)


async def test_another_persons_session_is_not_there(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    session = await session_of(ana)
    for method, path, body in (
        ("GET", f"/sessions/{session}", None),
        ("PUT", f"/sessions/{session}", {"privacy_mode": "normal"}),
        ("DELETE", f"/sessions/{session}", None),
        ("GET", f"/sessions/{session}/messages", None),
        ("GET", f"/sessions/{session}/summary", None),
        ("POST", f"/sessions/{session}/stop", None),
        ("POST", "/chat", {"session_id": session, "message": "Hello"}),
        ("POST", "/chat/stream", {"session_id": session, "message": "Hello"}),
    ):
        assert (await eve.send(method, path, body)).status_code == 404, path
    await ana.ok("GET", f"/sessions/{session}")


async def test_streaming_brings_deltas_then_the_whole(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    answer = await ana.send("POST", "/chat/stream", {"session_id": session, "message": "one two three"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events_of(answer.text)
    assert done["type"] == "done"
    assert "".join(str(delta["text"]) for delta in deltas) == done["response"]["reply"] == "You said: one two three"
    assert len(deltas) >= 1
    stored = await ana.ok("GET", f"/sessions/{session}/messages")
    assert [item["content"] for item in stored] == ["one two three", "You said: one two three"]


async def test_a_silent_stream_shows_signs_of_life(build_site: Builder) -> None:
    model = ScriptedModel()
    site = await build_site(model=model, heartbeat=0.02)
    ana = await site.person("ana")
    session = await session_of(ana)
    model.gate.clear()
    running = asyncio.create_task(ana.send("POST", "/chat/stream", {"session_id": session, "message": "one two"}))
    await until(lambda: bool(model.calls))
    await asyncio.sleep(0.06)
    model.gate.set()
    text = (await running).text
    assert ": still here\n\n" in text
    assert events_of(text)[-1]["type"] == "done"


async def test_a_model_that_fails_is_said_to(build_site: Builder) -> None:
    model = ScriptedModel(failures=[ModelUnavailable(), ModelUnavailable()])
    site = await build_site(model=model)
    ana = await site.person("ana")
    session = await session_of(ana)
    answer = await ana.send("POST", "/chat", {"session_id": session, "message": "Hello bot"})
    assert (answer.status_code, answer.json()["code"]) == (502, "model_error")
    assert "language model" in answer.json()["detail"]
    streamed = events_of((await ana.send("POST", "/chat/stream", {"session_id": session, "message": "Hello"})).text)
    assert streamed[-1]["type"] == "error"
    assert streamed[-1]["response"]["kind"] == "error"


async def test_a_second_message_waits_its_turn_or_is_refused(build_site: Builder) -> None:
    model = ScriptedModel()
    site = await build_site(model=model)
    ana = await site.person("ana")
    session = await session_of(ana)
    model.gate.clear()
    first = asyncio.create_task(ana.send("POST", "/chat", {"session_id": session, "message": "the first one"}))
    await until(lambda: bool(model.calls))
    body = {"session_id": session, "message": "the second one"}
    for path in ("/chat", "/chat/stream"):
        refused = await ana.send("POST", path, body, params={"wait": "false"})
        assert (refused.status_code, refused.json()["code"]) == (409, "turn_running")
    second = asyncio.create_task(ana.send("POST", "/chat", body))
    model.gate.set()
    replies = [answer.json()["reply"] for answer in await asyncio.gather(first, second)]
    assert replies == ["You said: the first one", "You said: the second one"]


async def test_stopping_an_answer_keeps_what_there_was(build_site: Builder) -> None:
    model = ScriptedModel()
    site = await build_site(model=model)
    ana = await site.person("ana")
    session = await session_of(ana)
    assert await ana.ok("POST", f"/sessions/{session}/stop") == {"stopped": False}
    model.gate.clear()
    running = asyncio.create_task(ana.send("POST", "/chat", {"session_id": session, "message": "one two"}))
    await until(lambda: bool(model.calls))
    await until_async(lambda: stopped(ana, session))
    assert "Stopped." in (await running).json()["reply"]


async def test_a_daily_budget_counts_here_too(build_site: Builder) -> None:
    site = await build_site(policy=EnginePolicy(daily_messages=1), daily_messages=1)
    ana = await site.person("ana")
    session = await session_of(ana)
    await ana.ok("POST", "/chat", {"session_id": session, "message": "I live in Lisbon."})
    usage = await ana.ok("GET", "/usage")
    assert (usage["messages"], usage["daily_messages"]) == (1, 1)
    for path in ("/chat", "/chat/stream"):
        refused = await ana.send("POST", path, {"session_id": session, "message": "and now?"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize("command", ["/incognito", "/pause", "/new", "/profile use personal", "/nonsense"])
async def test_a_command_that_the_session_decides_is_refused_not_pretended(site: Site, command: str) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    refused = await ana.send("POST", "/chat", {"session_id": session, "message": command})
    assert refused.status_code == 400
    streamed = await ana.send("POST", "/chat/stream", {"session_id": session, "message": command})
    if streamed.status_code == 200:
        assert events_of(streamed.text)[-1]["detail"] == refused.json()["detail"]
    later = await ana.ok("POST", "/chat", {"session_id": session, "message": "My dog is called Rex."})
    assert later["privacy_mode"] == (await ana.ok("GET", f"/sessions/{session}"))["privacy_mode"] == "normal"


async def test_other_commands_work_in_a_session(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    await ana.ok("POST", "/chat", {"session_id": session, "message": "/remember I like tea."})
    listed = await ana.ok("POST", "/chat", {"session_id": session, "message": "/memories"})
    assert "I like tea." in listed["reply"]
    assert listed["kind"] == "command"
    assert listed["buttons"]
    exported = await ana.ok("POST", "/chat", {"session_id": session, "message": "/export"})
    assert [item["media_type"] for item in exported["files"]] == ["application/json", "text/markdown"]


async def test_the_erased_are_gone_for_their_open_sessions_too(site: Site) -> None:
    ana = await site.person("ana")
    session = await session_of(ana)
    await site.services.own.erase(UserId(ana.user_id))
    answer = await ana.send("POST", "/chat", {"session_id": session, "message": "Hello"})
    assert answer.status_code == 401


async def stopped(ana: Client, session: str) -> bool:
    return bool((await ana.ok("POST", f"/sessions/{session}/stop"))["stopped"])


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 # a function; polled, with a deadline
            await asyncio.sleep(0.01)


async def until_async(condition: object) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # type: ignore[operator]  # noqa: ASYNC110 # as above
            await asyncio.sleep(0.01)
