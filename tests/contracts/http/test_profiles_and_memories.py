"""Profiles, and what they remember: listing, searching, correcting, forgetting."""

from __future__ import annotations

from core.types import ConversationKind, new_id
from tests.contracts.http.conftest import Builder, Client, Site
from tests.support.models import ScriptedModel


async def default_of(ana: Client) -> str:
    return str((await ana.ok("GET", "/memory-profiles"))[0]["id"])


async def test_a_profile_from_its_making_to_its_end(site: Site) -> None:
    ana = await site.person("ana")
    answer = await ana.send("POST", "/memory-profiles", {"name": "work", "description": "Projects"})
    assert answer.status_code == 201
    work = answer.json()
    assert (work["name"], work["is_default"], work["memory_count"]) == ("work", False, 0)
    assert (await ana.send("POST", "/memory-profiles", {"name": "WORK"})).status_code == 409

    path = f"/memory-profiles/{work['id']}"
    changed = await ana.ok("PUT", path, {"instructions": "Answer in one sentence.", "retention_days": 30})
    assert (changed["name"], changed["description"], changed["retention_days"]) == ("work", "Projects", 30)
    changed = await ana.ok("PUT", path, {"name": "job", "retention_days": 0})
    assert (changed["name"], changed["instructions"], changed["retention_days"]) == (
        "job",
        "Answer in one sentence.",
        None,
    )
    assert (await ana.send("PUT", path, {"name": "personal"})).status_code == 409

    assert (await ana.ok("POST", f"{path}/set-default"))["is_default"]
    profiles = await ana.ok("GET", "/memory-profiles")
    assert [(item["name"], item["is_default"]) for item in profiles] == [("job", True), ("personal", False)]

    await ana.ok("POST", f"{path}/memories", {"content": "The launch is in May."})
    receipt = await ana.ok("DELETE", path)
    assert receipt["verified"]
    assert receipt["removed"]["memories"] == 1
    assert (await ana.send("GET", path)).status_code == 404
    last = await default_of(ana)
    refused = await ana.send("DELETE", f"/memory-profiles/{last}")
    assert (refused.status_code, refused.json()["code"]) == (409, "only_profile")


async def test_deleting_a_profile_leaves_no_open_talk_with_it(site: Site) -> None:
    ana = await site.person("ana")
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    session = (await ana.ok("POST", "/sessions", {"memory_profile_id": work}))["id"]
    await ana.ok("DELETE", f"/memory-profiles/{work}")
    answer = await ana.send("POST", "/chat", {"session_id": session, "message": "Are you there?"})
    assert answer.status_code in (404, 409)


async def test_memories_are_kept_found_corrected_and_forgotten(site: Site) -> None:
    ana = await site.person("ana")
    path = f"/memory-profiles/{await default_of(ana)}"
    for text in ("I am allergic to peanuts.", "My sister Mia lives in Lisbon.", "I ride a blue bicycle."):
        answer = await ana.send("POST", f"{path}/memories", {"content": text})
        assert answer.status_code == 201
    listed = await ana.ok("GET", f"{path}/memories")
    assert {item["memory"] for item in listed} == {
        "I am allergic to peanuts.",
        "My sister Mia lives in Lisbon.",
        "I ride a blue bicycle.",
    }
    assert listed[0]["user_id"] == ana.user_id
    assert listed[0]["metadata"]["state"] == "learned"
    assert [item["id"] for item in await ana.ok("GET", f"{path}/memories?limit=1&offset=1")] == [listed[1]["id"]]

    found = await ana.ok("POST", f"{path}/search", {"query": "Where does my sister live?", "limit": 1})
    assert (found["count"], found["results"][0]["memory"]) == (1, "My sister Mia lives in Lisbon.")
    by_query = await ana.ok("GET", f"{path}/memories", params={"q": "sister"})
    assert by_query[0]["memory"] == "My sister Mia lives in Lisbon."

    mia = found["results"][0]["id"]
    corrected = await ana.ok("PATCH", f"/memories/{mia}", {"content": "My sister Mia lives in Porto."})
    assert corrected["memory"] == "My sister Mia lives in Porto."
    found = await ana.ok("POST", f"{path}/search", {"query": "Porto", "limit": 1})
    assert found["results"][0]["id"] == mia

    receipt = await ana.ok("DELETE", f"/memories/{mia}")
    assert (receipt["removed"]["memories"], receipt["verified"]) == (1, True)
    assert (await ana.send("DELETE", f"/memories/{mia}")).status_code == 404
    left = await ana.ok("GET", f"{path}/memories")
    assert len(left) == 2
    assert not [item for item in left if "Mia" in item["memory"]]


async def test_the_same_text_is_kept_once(site: Site) -> None:
    ana = await site.person("ana")
    path = f"/memory-profiles/{await default_of(ana)}/memories"
    first = await ana.ok("POST", path, {"content": "I like tea."})
    assert (await ana.ok("POST", path, {"content": "I like tea."}))["id"] == first["id"]


async def test_secrets_and_blanks_are_not_kept(site: Site) -> None:
    ana = await site.person("ana")
    path = f"/memory-profiles/{await default_of(ana)}/memories"
    secret = await ana.send("POST", path, {"content": "My password is hunter2secret!"})
    assert (secret.status_code, secret.json()["code"]) == (400, "bad_argument")
    for blank in ("", "   ", "\u200b", "\0"):
        assert (await ana.send("POST", path, {"content": blank})).status_code == 422
    assert (await ana.send("POST", path, {"content": "x" * 2001})).status_code == 422
    assert await ana.ok("GET", path) == []


async def test_memories_are_copied_to_ones_own_profiles_only(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    source = await default_of(ana)
    await ana.ok("POST", f"/memory-profiles/{source}/memories", {"content": "I like tea."})
    work = (await ana.ok("POST", "/memory-profiles", {"name": "work"}))["id"]
    copy = f"/memory-profiles/{source}/copy"
    assert await ana.ok("POST", copy, {"target_profile_id": work}) == {"copied": 1}
    assert await ana.ok("POST", copy, {"target_profile_id": work}) == {"copied": 0}
    assert (await ana.send("POST", copy, {"target_profile_id": await default_of(eve)})).status_code == 404


async def test_what_belongs_to_somebody_else_is_not_there(site: Site) -> None:
    ana, eve = await site.person("ana"), await site.person("eve")
    profile = await default_of(ana)
    memory = (await ana.ok("POST", f"/memory-profiles/{profile}/memories", {"content": "I like tea."}))["id"]
    missing = await eve.send("GET", f"/memory-profiles/{new_id()}")
    theirs = await eve.send("GET", f"/memory-profiles/{profile}")
    assert (theirs.status_code, theirs.json()) == (missing.status_code, missing.json()) == (404, missing.json())
    assert (await eve.send("PATCH", f"/memories/{memory}", {"content": "I like coffee."})).status_code == 404
    assert (await eve.send("DELETE", f"/memories/{memory}")).status_code == 404
    assert (await ana.ok("GET", f"/memory-profiles/{profile}/memories"))[0]["memory"] == "I like tea."


async def test_shares_are_shown_and_taken_back(site: Site) -> None:
    ana = await site.person("ana")
    room = site.town.room("team")
    voice = site.town.person("ana", room)
    code = (await ana.ok("POST", "/link-codes"))["code"]
    chat = site.town.person("ana")
    await chat.says(f"/link {code}")
    await chat.says("yes")
    await voice.says("/profile share personal")
    profile = await default_of(ana)
    shares = await ana.ok("GET", f"/memory-profiles/{profile}/shares")
    assert [share["platform"] for share in shares] == [room.platform]
    path = f"/memory-profiles/{profile}/shares/{shares[0]['conversation_id']}"
    assert (await ana.send("DELETE", path)).status_code == 204
    assert await ana.ok("GET", f"/memory-profiles/{profile}/shares") == []
    assert (await ana.send("DELETE", path)).status_code == 404


async def test_a_profile_is_shared_from_here_with_rooms_where_one_talks(build_site: Builder) -> None:
    model = ScriptedModel()
    site = await build_site(model=model)
    ana = await site.person("ana")
    await site.town.person("ana").says("/link " + (await ana.ok("POST", "/link-codes"))["code"])
    await site.town.person("ana").says("yes")
    assert await ana.ok("GET", "/rooms") == []
    team, thread, strange = site.town.room("team"), site.town.room("team", "t1"), site.town.room("strange")
    await site.town.person("ana", thread).says("Which days are free?")
    await site.town.person("bo", strange).says("Which days are free?")

    (room,) = await ana.ok("GET", "/rooms")
    assert (room["platform"], room["chat_id"]) == (team.platform, team.chat_id)
    profile = await default_of(ana)
    await ana.ok("POST", f"/memory-profiles/{profile}/memories", {"content": "My sister Mia lives in Lisbon."})
    question = "Where does my sister Mia live?"
    await site.town.person("ana", team).says(question)
    assert "Lisbon" not in model.calls[-1].text
    shares = f"/memory-profiles/{profile}/shares"
    body = {"conversation_id": room["conversation_id"]}
    made = await ana.send("POST", shares, body)
    assert made.status_code == 201
    assert made.json() == await _only(ana, shares) == (await ana.ok("POST", shares, body))
    store = site.services.store
    here, elsewhere, own = [
        await store.resolve_conversation(place, ConversationKind.SHARED)
        for place in (team, strange, site.town.person("ana").place)
    ]
    # History does not cross it: what was open has ended.
    assert here.space_id is not None
    assert all(talk.closed_at for talk in await store.get_user_sessions(here.space_id))
    await site.town.person("bo", team).says(question)
    assert "Lisbon" in model.calls[-1].system
    for wrong in (elsewhere.id, own.id, new_id()):
        assert (await ana.send("POST", shares, {"conversation_id": wrong})).status_code == 404
    assert await ana.ok("DELETE", f"{shares}/{room['conversation_id']}") is None
    assert await ana.ok("GET", shares) == []
    await site.town.person("bo", team).says(question)
    assert "Lisbon" not in model.calls[-1].text


async def _only(client: Client, path: str) -> object:
    (item,) = await client.ok("GET", path)
    return item


async def test_what_looks_like_sql_is_only_text(site: Site) -> None:
    ana = await site.person("ana")
    name = "'; DROP TABLE users; --"
    made = await ana.ok("POST", "/memory-profiles", {"name": name})
    assert made["name"] == name
    path = f"/memory-profiles/{made['id']}"
    await ana.ok("POST", f"{path}/memories", {"content": "Robert'); DROP TABLE mem0_memories;--"})
    found = await ana.ok("GET", f"{path}/memories", params={"q": "' OR 1=1 --"})
    assert isinstance(found, list)
    await ana.ok("GET", "/auth/me")
