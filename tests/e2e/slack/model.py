"""What the test server knows of messages: how a reader sees them, and the limits that Slack holds them to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aiohttp import web

from tests.e2e.slack.transport import Json

TEAM, BOT, BOT_ID = "T0TEAM", "U0BOT", "B0BOT"
ANNA, BEN, CARLA = "U0ANNA", "U0BEN", "U0CARLA"
TEAM_ROOM, OTHER_ROOM = "C0TEAM", "C0OTHER"
DM = {user: f"D{user[1:]}" for user in (ANNA, BEN, CARLA)}
BETWEEN_PEOPLE = "D0ANNABEN"
MARKDOWN_LIMIT = 12_000


class Refusal(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class Fault:
    """What a call meets. `cut`: the connection breaks after the call took effect; `delay` is in seconds."""

    status: int = 200
    error: str = ""
    retry_after: int | None = None
    cut: bool = False
    delay: float = 0.0
    html: bool = False


@dataclass
class Message:
    ts: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str = ""
    files: list[Json] = field(default_factory=list)
    streaming: bool = False
    streamed: str = ""
    edits: int = 0
    only_for: str = ""

    @property
    def shown(self) -> str:
        """What a reader sees; buttons as `[label]`."""
        texts = [shown_block(block) for block in self.blocks]
        if self.streamed:
            return "\n".join([self.streamed, *texts])
        return "\n".join(texts) if texts else self.text

    def buttons(self) -> list[Json]:
        rows = [block["elements"] for block in self.blocks if block["type"] == "actions"]
        return list(itertools.chain.from_iterable(rows))

    def as_event(self) -> Json:
        event: Json = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": TEAM}
        if self.user == BOT:
            event |= {"bot_id": BOT_ID}
        if self.thread_ts:
            event |= {"thread_ts": self.thread_ts}
        if self.files:
            event |= {"files": self.files, "subtype": "file_share"}
        return event


async def arguments_of(request: web.Request) -> Json:
    arguments: Json = dict(request.query)
    if request.method == "POST":
        if request.content_type == "application/json":
            arguments |= await request.json()
        else:
            arguments |= {name: str(value) for name, value in (await request.post()).items()}
    return arguments


def failed(fault: Fault) -> web.Response:
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
    if fault.html:
        return web.Response(status=fault.status, text="<html>down</html>", content_type="text/html")
    body = {"ok": False, "error": fault.error or ("ratelimited" if fault.status == 429 else "internal_error")}
    return web.json_response(body, status=fault.status, headers=headers)


def page(messages: list[Message], arguments: Json) -> Json:
    start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit", 100))
    more = start + size < len(messages)
    return {
        "messages": [message.as_event() for message in messages[start : start + size]],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + size) if more else ""},
    }


def check(arguments: Json) -> None:
    """The limits that Slack holds a message to."""
    if not arguments.get("text", "").strip() and not arguments.get("blocks"):
        raise Refusal("no_text")
    if len(arguments.get("text", "")) > 4_000:
        raise Refusal("msg_too_long")
    check_blocks(arguments.get("blocks", []))


def check_blocks(blocks: list[Json]) -> None:
    if len(blocks) > 50 or sum(len(block.get("text", "")) for block in blocks if block["type"] == "markdown") > 12_000:
        raise Refusal("msg_blocks_too_long")
    for block in blocks:
        elements = block.get("elements", [])
        if block["type"] == "markdown" and not block["text"]:
            raise Refusal("invalid_blocks")
        if block["type"] == "actions" and (
            not elements or len({item["action_id"] for item in elements}) < len(elements)
        ):
            raise Refusal("invalid_blocks")
        if any(len(item.get("value", "")) > 2_000 for item in elements if item["type"] == "button"):
            raise Refusal("invalid_blocks")


def shown_block(block: Json) -> str:
    if block["type"] == "markdown":
        return str(block["text"])
    if block["type"] == "actions":
        return " ".join(f"[{item['text']['text']}]" for item in block["elements"])
    return " ".join(str(item["text"]) for item in block["elements"])


def type_of(channel: str) -> str:
    return "im" if channel.startswith("D") else "channel"
