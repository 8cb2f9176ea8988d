"""The menu behind the slash says what the registry says."""

from __future__ import annotations

from typing import Any

import pytest

from core.commands.registry import build_registry
from core.errors import StoreUnavailable
from core.types import ConversationKind
from tests.e2e.discord.desk import Desk
from tests.e2e.discord.server import SimulatedDiscord

VISIBLE = build_registry().visible


async def test_every_visible_command_is_in_the_menu(sim: SimulatedDiscord, desk: Desk) -> None:
    paths = {item.path for command in VISIBLE for item in (command.subcommands or (command,))}
    assert set(sim.person("ada").available_commands()) == paths


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("help", {}, "/help"),
        ("help", {"command": "profile"}, "/help profile"),
        ("incognito", {"switch": "on"}, "/incognito on"),
        ("incognito", {"scope": "room"}, "/incognito room"),
        ("privacy", {"mode": "pause", "scope": "room"}, "/privacy pause room"),
        ("profile list", {}, "/profile list"),
        ("profile use", {"name": "My work"}, "/profile use My work"),
        ("profile rename", {"name": "work", "new": "office"}, "/profile rename work office"),
        ("ask", {"text": "what is 1/2?"}, "/ask what is 1/2?"),
    ],
)
async def test_a_command_from_the_menu_says_what_one_would_type(
    sim: SimulatedDiscord, desk: Desk, name: str, options: dict[str, str], text: str
) -> None:
    await sim.command(sim.person("ada"), name, **options)
    assert desk.texts == [text]
    assert build_registry().parse(text) is not None
    assert desk.messages[0].kind is ConversationKind.PRIVATE
    assert desk.messages[0].sender.language == "en"


async def test_names_of_profiles_are_offered(sim: SimulatedDiscord, desk: Desk) -> None:
    ada = sim.person("ada")
    offered = await ada.autocomplete("profile use", "name", "wo")
    assert [choice["value"] for choice in offered] == ["Work", "workshop"]
    assert await ada.autocomplete("timezone", "name", "") == []


async def test_no_completion_is_better_than_an_error() -> None:
    async def fail(what: str, who: str) -> list[str]:
        raise StoreUnavailable

    async with SimulatedDiscord(complete=fail) as sim:
        await sim.adapter.start(Desk().accept)
        assert await sim.person("ada").autocomplete("profile use", "name", "w") == []


async def test_the_menu_is_sent_to_discord_only_when_it_changed(sim: SimulatedDiscord, desk: Desk) -> None:
    async with sim.restarted() as same:
        assert [request.method for request in same.requests_for("commands")] == ["GET"]
        async with same.restarted(commands=VISIBLE[:3]) as fewer:
            assert [request.method for request in fewer.requests_for("commands")] == ["GET", "PUT"]


async def test_a_menu_that_discord_refuses_is_not_fatal(sim: SimulatedDiscord, desk: Desk) -> None:
    sim.env.inject_error("GET", "/applications/*/commands", status=403)
    async with sim.restarted() as again:
        after = Desk()
        await again.adapter.start(after.accept)
        await again.say(again.person("ada"), "/help")
        assert after.texts == ["/help"]


async def test_commands_can_be_used_in_servers_in_private_and_by_people_alone(
    sim: SimulatedDiscord, desk: Desk
) -> None:
    sent: Any = next(request.json for request in sim.env.http_requests if request.method == "PUT")
    assert all(sorted(command["contexts"]) == [0, 1, 2] for command in sent)
    assert all(sorted(command["integration_types"]) == [0, 1] for command in sent)


async def test_a_command_that_cannot_be_stored_is_answered_with_a_sentence(sim: SimulatedDiscord, desk: Desk) -> None:
    desk.trouble = [StoreUnavailable()]
    result = await sim.command(sim.person("ada"), "status")
    assert result.response is not None
    assert result.response.content == StoreUnavailable.user_message


async def test_while_the_bot_stops_a_command_is_told_to_wait(sim: SimulatedDiscord, desk: Desk) -> None:
    await sim.adapter.stop()
    result = await sim.command(sim.person("ada"), "status")
    assert result.response is not None
    assert "restarting" in result.response.content
    assert desk.events == []
