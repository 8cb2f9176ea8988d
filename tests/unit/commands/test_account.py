"""Linking, exporting and erasing, with real keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.keys.aes import AesGcmSealer
from adapters.keys.file import FileKeyring
from adapters.keys.master import MasterKey
from adapters.llm.offline import OfflineLanguageModel
from adapters.memory.embedder import OnnxEmbedder
from core.batches import MergeBatch
from core.commands.registry import CommandContext, CommandReply, build_registry
from core.errors import BadArgument, Conflict, Forbidden, KeyMissing, LimitReached, NotFound
from core.export import ExportDocument
from core.linking import AccountLinking, code_hash
from core.messages import RoomRole, Turn, TurnContent
from core.ports import Store
from core.sealing import namespace_scope, session_scope
from core.types import ConversationId, TurnState
from tests.support.world import Person, Town, world
from tests.unit.commands.test_memories import remembered, user_of

REGISTRY = build_registry()


class Bureau:
    """A town with real keys and with linking, which gives a person's commands straight to their handlers."""

    def __init__(self, town: Town, sealer: AesGcmSealer) -> None:
        self.town = town
        self.sealer = sealer
        self.told: list[tuple[ConversationId, str]] = []
        self.linking = AccountLinking(town.store, sealer, town.clock, self.tell)

    async def tell(self, conversation_id: ConversationId, text: str) -> None:
        self.told.append((conversation_id, text))

    async def gives(self, person: Person, text: str) -> CommandReply:
        """A command of somebody who has talked before."""
        parsed = REGISTRY.parse(text)
        assert parsed is not None
        assert parsed.command.handler is not None
        return await parsed.command.handler(await self._context(person, text), parsed.arguments)

    async def _context(self, person: Person, text: str) -> CommandContext:
        town = self.town
        conversation = await town.store.find_conversation(person.place)
        assert conversation is not None
        identity = await town.store.find_identity(person.place.platform, "", person.name)
        assert identity is not None
        row = await town.store.last_turn(conversation.id, identity.user_id, states=list(TurnState))
        assert row is not None
        stamp = replace(row.stamp, identity_id=identity.id, author_id=identity.user_id)
        content = TurnContent(text, person.name, role=RoomRole.MEMBER)
        return CommandContext(
            turn=Turn(row.id, stamp, row.address, content, town.clock.now(), (row.id,)),
            user=await town.store.get_user_by_id(identity.user_id),
            conversation=conversation,
            role=RoomRole.MEMBER,
            store=town.store,
            memory=town.memory,
            model=town.model,
            clock=town.clock,
            ephemeral=town.ephemeral,
            sealer=self.sealer,
            linking=self.linking,
        )


@pytest.fixture
async def bureau(embedder: OnnxEmbedder, tmp_path: Path) -> AsyncIterator[Bureau]:
    keyring = FileKeyring(tmp_path / "keys.db", MasterKey.generate())
    await keyring.open(data_present=False)
    sealer = AesGcmSealer(keyring)
    async with world(embedder=embedder, model=OfflineLanguageModel(), sealer=sealer) as town:
        yield Bureau(town, sealer)
    await keyring.close()


def code_in(reply: CommandReply) -> str:
    return reply.text.split("`")[1]


# -- one person, one memory ------------------------------------------------------------------------------------------


async def test_two_accounts_become_one_person_after_a_yes(bureau: Bureau) -> None:
    ana, web = bureau.town.person("ana"), bureau.town.person("ana-at-work")
    await ana.says("My dog is called Rex")
    await ana.says("/profile new work")
    await web.says("My boat is called Tilda")
    await web.says("/profile new Work")
    await web.says("/profile use work")
    await web.says("/remember The budget is ten thousand")
    code = code_in(await bureau.gives(ana, "/link"))

    question = await bureau.gives(web, f"/link {code.lower()}")
    assert "**Ana** on Test" in question.text
    assert await user_of(ana) != await user_of(web), "nothing crosses before the confirmation"
    assert "Rex" not in (await web.says("/memories dog")).text

    done = await bureau.gives(web, question.buttons[0].command)
    assert "2 memories and 1 profile" in done.text
    assert "**Work** is called **Work 2**" in done.text
    assert await user_of(ana) == await user_of(web)
    assert sorted(await remembered(ana)) == ["My boat is called Tilda", "My dog is called Rex"]
    assert "Tilda" in (await ana.says("What is my boat called?")).text
    profiles = await bureau.town.store.get_memory_profiles(await user_of(ana))
    assert [(item.name, item.memory_count) for item in profiles] == [("personal", 2), ("work", 0), ("Work 2", 1)]
    assert "budget" in (await web.says("/memories")).text, "the place keeps the profile chosen there"

    ((told_where, told),) = bureau.told
    conversation = await bureau.town.store.find_conversation(ana.place)
    assert conversation is not None
    assert told_where == conversation.id
    assert "joined" in told
    assert "no longer valid" in (await press_raw(bureau, web, question.buttons[0].command))


async def press_raw(bureau: Bureau, person: Person, command: str) -> str:
    with pytest.raises(NotFound) as caught:
        await bureau.gives(person, command)
    return caught.value.user_message


async def test_what_both_know_is_there_once_and_old_keys_are_gone(bureau: Bureau) -> None:
    ana, other = bureau.town.person("ana"), bureau.town.person("other")
    await ana.says("/remember I live in Oslo")
    await other.says("hello there")
    await other.says("/remember i live in  OSLO.")
    old = (await bureau.town.store.get_default_memory_profile(await user_of(other))).namespace
    sealed = await bureau.sealer.seal(namespace_scope(old), "canary")
    await join(bureau, ana, other)
    assert await remembered(ana) == ["I live in Oslo"]
    with pytest.raises(KeyMissing):
        await bureau.sealer.open(namespace_scope(old), sealed)


async def join(bureau: Bureau, host: Person, guest: Person) -> None:
    await host.says("hello")
    await guest.says("hello")
    question = await bureau.gives(guest, f"/link {code_in(await bureau.gives(host, '/link'))}")
    await bureau.gives(guest, question.buttons[0].command)


async def test_a_code_works_once_for_ten_minutes(bureau: Bureau) -> None:
    ana, other, third = (bureau.town.person(name) for name in ("ana", "other", "third"))
    for person in (ana, other, third):
        await person.says("hello")
    first = code_in(await bureau.gives(ana, "/link"))
    second = code_in(await bureau.gives(ana, "/link"))
    for code in (first, "WRONG-CODES", ""):
        with pytest.raises(BadArgument):
            await bureau.linking.redeem(await user_of(other), (await identity_of(other)), code)
    await bureau.gives(other, f"/link {second}")
    with pytest.raises(BadArgument):
        await bureau.gives(third, f"/link {second}")
    late = code_in(await bureau.gives(ana, "/link"))
    bureau.town.clock.advance(600)
    with pytest.raises(BadArgument):
        await bureau.gives(third, f"/link {late}")


async def identity_of(person: Person):  # type: ignore[no-untyped-def]  # IdentityId, told by the store
    identity = await person.town.store.find_identity(person.place.platform, "", person.name)
    assert identity is not None
    return identity.id


async def test_five_wrong_codes_lock_the_account_for_an_hour(bureau: Bureau) -> None:
    ana, thief = bureau.town.person("ana"), bureau.town.person("thief")
    await ana.says("hello")
    await thief.says("hello")
    for _ in range(5):
        with pytest.raises(BadArgument):
            await bureau.gives(thief, "/link GUESS-GUESS")
    code = code_in(await bureau.gives(ana, "/link"))
    with pytest.raises(LimitReached):
        await bureau.gives(thief, f"/link {code}")
    bureau.town.clock.advance(3601)
    code = code_in(await bureau.gives(ana, "/link"))
    assert "belongs to" in (await bureau.gives(thief, f"/link {code}")).text


async def test_a_right_code_clears_the_count(bureau: Bureau) -> None:
    ana, other = bureau.town.person("ana"), bureau.town.person("other")
    await ana.says("hello")
    await other.says("hello")
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(BadArgument):
                await bureau.gives(other, "/link GUESS-GUESS")
        await bureau.gives(other, f"/link {code_in(await bureau.gives(ana, '/link'))}")


async def test_ones_own_code_joins_nothing(bureau: Bureau) -> None:
    ana = bureau.town.person("ana")
    await ana.says("hello")
    with pytest.raises(Conflict):
        await bureau.gives(ana, f"/link {code_in(await bureau.gives(ana, '/link'))}")


async def test_accounts_are_joined_in_direct_chats_only(bureau: Bureau) -> None:
    ana = bureau.town.person("ana", bureau.town.room("team"))
    await ana.says("hello")
    for command in ("/link", "/link SOME-CODE", "/unlink"):
        with pytest.raises(Forbidden):
            await bureau.gives(ana, command)


async def test_unlinking_makes_a_new_person_without_memories(bureau: Bureau) -> None:
    ana, other = bureau.town.person("ana"), bureau.town.person("other")
    await ana.says("/remember I live in Oslo")
    await join(bureau, ana, other)
    question = await bureau.gives(other, "/unlink")
    assert await user_of(ana) == await user_of(other)
    await bureau.gives(other, question.buttons[0].command)
    assert await user_of(ana) != await user_of(other)
    assert await remembered(ana) == ["I live in Oslo"]
    assert await remembered(other) == []
    assert "nothing" in (await other.says("/memories")).text
    with pytest.raises(Conflict):
        await bureau.gives(ana, "/unlink")


async def test_a_joining_that_is_overtaken_is_tried_again_and_then_given_up(bureau: Bureau) -> None:
    ana, other = bureau.town.person("ana"), bureau.town.person("other")
    await ana.says("hello")
    await other.says("/remember I live in Oslo")
    busy = BusyStore(bureau.town.store, times=99)
    linking = AccountLinking(busy, bureau.sealer, bureau.town.clock, bureau.tell)
    place = await bureau.town.store.find_conversation(ana.place)
    assert place is not None
    with pytest.raises(Conflict):
        await linking.join(await user_of(other), await user_of(ana), place.id)
    assert await user_of(ana) != await user_of(other)
    busy.times = 2
    outcome = await linking.join(await user_of(other), await user_of(ana), place.id)
    assert outcome.memories == 1
    assert await user_of(ana) == await user_of(other)


class BusyStore:
    """A store in which something happens just before the next `times` merges."""

    def __init__(self, store: Store, times: int = 0) -> None:
        self._store = store
        self.times = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def merge_users(self, batch: MergeBatch) -> None:
        self.times -= 1
        if self.times >= 0:
            namespace, generation = batch.generations[0]
            batch = replace(batch, generations=((namespace, generation - 1),))
        await self._store.merge_users(batch)


async def test_an_account_that_was_erased_meanwhile_cannot_be_joined(bureau: Bureau) -> None:
    ana, other = bureau.town.person("ana"), bureau.town.person("other")
    await ana.says("hello")
    await other.says("/remember I live in Oslo")
    await other.says("hello")
    question = await bureau.gives(other, f"/link {code_in(await bureau.gives(ana, '/link'))}")
    await bureau.gives(ana, "/erase DELETE EVERYTHING")
    with pytest.raises(NotFound):
        await bureau.gives(other, question.buttons[0].command)
    assert await remembered(other) == ["I live in Oslo"]


@given(st.text(max_size=40))
def test_blanks_hyphens_and_case_of_a_code_do_not_count(text: str) -> None:
    assert code_hash(text) == code_hash(f" {text.upper()} - ")
    assert len(code_hash(text)) == 64


# -- export ----------------------------------------------------------------------------------------------------------


async def test_the_export_holds_everything_and_nothing_of_others(bureau: Bureau) -> None:
    town = bureau.town
    ana, bob, place = town.person("ana"), town.person("bob"), town.room("team")
    await ana.says("My dog is called Rex")
    await ana.says("/profile instructions Be brief")
    await ana.says("/timezone Europe/Berlin")
    await bob.says("My horse is called Star")
    await town.person("ana", place).says("The launch is on Friday")
    await town.person("bob", place).says("The budget is ten thousand")
    await town.person("ana", place).says("/profile share personal")
    await ana.says("/incognito")
    await ana.says("The canary is called Zebulon")
    await ana.says("/incognito off")

    reply = await ana.says("/export")
    data, page = reply.files
    document = ExportDocument.model_validate_json(data.data)
    everything = data.data.decode() + page.data.decode()
    assert data.media_type == "application/json"
    assert json.loads(data.data)["format"] == "memorychat-export"
    assert document.person.timezone == "Europe/Berlin"
    assert [account.external_id for account in document.accounts] == ["ana"]
    (profile,) = document.profiles
    assert (profile.name, profile.instructions, profile.is_default) == ("personal", "Be brief", True)
    assert [memory.text for memory in profile.memories] == ["My dog is called Rex"]
    assert [memory.text for memory in document.room_memories] == ["The launch is on Friday"]
    assert [message.text for message in document.room_messages] == ["The launch is on Friday"]
    assert "My dog is called Rex" in {message.text for item in document.sessions for message in item.messages}
    assert [share.profile_id for share in document.shares] == [profile.id]
    assert document.usage_today.messages >= 2
    for stranger in ("Star", "budget", "Zebulon"):
        assert stranger not in everything
    text = page.data.decode()
    for line in ("# What MemoryChat holds about Ana", "## Profile: personal (default)", "> My dog is called Rex"):
        assert line in text


async def test_an_export_of_a_stranger_is_readable_too(bureau: Bureau) -> None:
    _, page = (await bureau.town.person("ana").says("/export")).files
    assert "Nothing." in page.data.decode()


async def test_a_message_whose_key_is_gone_is_exported_as_such(bureau: Bureau) -> None:
    ana = bureau.town.person("ana")
    await ana.says("My dog is called Rex")
    await ana.says("/new")
    (old,) = [item for item in await bureau.town.store.get_user_sessions(await user_of(ana)) if item.closed_at]
    await bureau.sealer.destroy(session_scope(old.id))
    data, page = (await ana.says("/export")).files
    document = ExportDocument.model_validate_json(data.data)
    (session,) = [item for item in document.sessions if item.id == old.id]
    assert {message.text for message in session.messages} == {None}
    assert "(its key was destroyed)" in page.data.decode()


# -- erase -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["button", "words"])
async def test_erasing_takes_rows_and_keys_and_leaves_a_receipt(bureau: Bureau, way: str) -> None:
    town = bureau.town
    ana, bob = town.person("ana"), town.person("bob")
    await ana.says("My dog is called Rex")
    await bob.says("My horse is called Star")
    user_id = await user_of(ana)
    profile = await town.store.get_default_memory_profile(user_id)
    (session,) = await town.store.get_user_sessions(user_id)
    backup = [
        (scope, await bureau.sealer.seal(scope, "canary"))
        for scope in (namespace_scope(profile.namespace), session_scope(session.id))
    ]
    if way == "button":
        question = await bureau.gives(ana, "/erase")
        assert await town.store.get_user_by_id(user_id)
        receipt = await bureau.gives(ana, question.buttons[0].command)
    else:
        receipt = await bureau.gives(ana, "/erase DELETE EVERYTHING")
    assert receipt.erased
    assert "Everything is erased" in receipt.text
    assert "found nothing" in receipt.text
    with pytest.raises(NotFound):
        await town.store.get_user_by_id(user_id)
    for scope, sealed in backup:
        with pytest.raises(KeyMissing):
            await bureau.sealer.open(scope, sealed)
    assert await remembered(bob) == ["My horse is called Star"]
    assert "Hello, I am" in (await ana.hears("hello again"))[0].text
    assert "nothing" in (await ana.says("/memories")).text


@pytest.mark.parametrize("words", ["delete everything", "everything", "DELETE"])
async def test_words_that_are_not_the_words_only_ask(bureau: Bureau, words: str) -> None:
    ana = bureau.town.person("ana")
    await ana.says("My dog is called Rex")
    question = await bureau.gives(ana, f"/erase {words}")
    assert question.buttons[0].danger
    await bureau.gives(ana, question.buttons[1].command)
    assert await remembered(ana) == ["My dog is called Rex"]
