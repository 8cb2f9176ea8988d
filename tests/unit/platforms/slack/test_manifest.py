"""The manifest has what Slack's validation wants and every command of the registry."""

from __future__ import annotations

import json
import re

import pytest

from adapters.platforms.slack import manifest, manifest_text
from adapters.platforms.slack.translate import BotSelf, translate
from core.commands.registry import build_registry
from core.messages import InboundMessage
from tests.replay.slack.test_replay import NOON

COMMANDS = build_registry().commands


@pytest.mark.parametrize("http_url", ["", "https://bot.example.org/"])
def test_every_command_is_in_it_and_comes_back_as_itself(http_url: str) -> None:
    entries = manifest(COMMANDS, http_url=http_url)["features"]["slash_commands"]
    understood = set()
    for entry in entries:
        body = {"command": entry["command"], "channel_id": "C1", "user_id": "U1", "text": ""}
        message = translate(body, BotSelf("T1", "U0", "B0"), NOON)
        assert isinstance(message, InboundMessage)
        understood.add(message.text.removeprefix("/"))
    assert understood >= {command.name for command in COMMANDS if not command.hidden}


def test_slacks_limits_are_kept() -> None:
    made = manifest(COMMANDS)
    entries = made["features"]["slash_commands"]
    names = [entry["command"] for entry in entries]
    assert len(names) == len(set(names)) <= 50
    assert "/status" not in names  # Slack's own: with it the whole manifest is refused
    for entry in entries:
        assert re.fullmatch(r"/[a-z][a-z-]{0,30}", entry["command"])
        assert 1 <= len(entry["description"]) <= 140
        assert len(entry.get("usage_hint", "")) <= 1_000
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140


def test_events_have_the_scopes_they_need() -> None:
    made = manifest(COMMANDS)
    scopes = set(made["oauth_config"]["scopes"]["bot"])
    needed = {
        "app_mention": "app_mentions:read",
        "message.im": "im:history",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.mpim": "mpim:history",
        "reaction_added": "reactions:read",
    }
    for event, scope in needed.items():
        assert event in made["settings"]["event_subscriptions"]["bot_events"]
        assert scope in scopes
    assert {
        "commands",
        "chat:write",
        "assistant:write",
        "files:read",
        "files:write",
        "im:write",
        "users:read",
    } <= scopes


def test_socket_and_http_differ_in_their_addresses_only() -> None:
    by_socket, by_http = manifest(COMMANDS), manifest(COMMANDS, http_url="https://bot.example.org/")
    assert by_socket["settings"]["socket_mode_enabled"]
    assert "request_url" not in json.dumps(by_socket)
    url = "https://bot.example.org/webhooks/slack/events"
    assert not by_http["settings"]["socket_mode_enabled"]
    assert by_http["settings"]["event_subscriptions"]["request_url"] == url
    assert by_http["settings"]["interactivity"]["request_url"] == url
    assert {entry["url"] for entry in by_http["features"]["slash_commands"]} == {url}


def test_it_is_printed_as_json() -> None:
    assert json.loads(manifest_text(COMMANDS, bot_name="Ada")) == manifest(COMMANDS, bot_name="Ada")
