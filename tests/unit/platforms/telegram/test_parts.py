"""The small rooms: held answers, the command menu, what an update is worth to the poller."""

from __future__ import annotations

import asyncio
from typing import Any

from telegram.error import NetworkError

from adapters.platforms.telegram.commands import menu
from adapters.platforms.telegram.poll import Poller
from adapters.platforms.telegram.private import HOLD_SECONDS, MAX_HELD, HeldReplies
from core.errors import StoreUnavailable
from core.messages import Reply, ReplyKind
from core.types import Audience
from tests.e2e.telegram.conftest import Spec

REPLY = Reply(text="for you", kind=ReplyKind.ANSWER, audience=Audience.ASKER)


def test_a_held_answer_is_its_readers_alone_and_not_for_ever() -> None:
    now = [0.0]
    held = HeldReplies(lambda: now[0])
    key = held.hold("101", REPLY)
    assert held.find(key, "101") is REPLY
    assert held.find(key, "102") is None
    assert held.find("", "101") is None
    assert not held.is_lost(key)
    assert not held.is_lost("from-a-web-page")
    held.was_read(key)
    assert held.find(key, "101") is None
    assert not held.is_lost(key)
    key = held.hold("101", REPLY)
    now[0] += HOLD_SECONDS + 1
    assert held.find(key, "101") is None
    assert held.is_lost(key)


def test_held_answers_do_not_pile_up() -> None:
    now = [0.0]
    held = HeldReplies(lambda: now[0])
    first = held.hold("101", REPLY)
    keys = [held.hold("101", REPLY) for _ in range(MAX_HELD)]
    assert held.find(first, "101") is None
    assert held.find(keys[-1], "101") is REPLY
    now[0] += HOLD_SECONDS + 1
    held.hold("101", REPLY)
    assert len(held._held) == 1  # its memory is what this is about


def test_the_menu_holds_what_telegram_can_list() -> None:
    specs = [
        Spec("help", "x" * 300),
        Spec("Bad-Name", "no"),
        Spec("memories", "mine", private=True),
        Spec("mute", ""),
        Spec("start", "x", hidden=True),
    ]
    private = menu(specs, in_groups=False)
    assert [(item.command, len(item.description)) for item in private] == [("help", 256), ("memories", 4), ("mute", 4)]
    assert [item.command for item in menu(specs, in_groups=True)] == ["help", "mute"]
    assert len(menu([Spec(f"c{number}", "x") for number in range(150)], in_groups=False)) == 100


class Line:
    """Updates as Telegram keeps them until they are confirmed."""

    def __init__(self, *ids: int) -> None:
        self.waiting: list[dict[str, Any]] = [
            {"update_id": number, "message": {"chat": {"id": number % 2 + 1}}} for number in ids
        ]
        self.offsets: list[int] = []
        self.is_up = True

    async def fetch(self, offset: int, seconds: int, limit: int) -> list[dict[str, Any]]:
        if not self.is_up:
            raise NetworkError("away")
        self.offsets.append(offset)
        self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
        if not self.waiting:
            await asyncio.sleep(0 if seconds == 0 else 10)
        return self.waiting[:limit]


async def until_confirmed(line: Line, poller: Poller) -> None:
    poller.start()
    async with asyncio.timeout(5):
        while line.waiting:  # noqa: ASYNC110  # the offset is what is waited for
            await asyncio.sleep(0.001)


async def test_the_offset_stops_before_the_first_that_is_not_stored() -> None:
    line, taken, failures = Line(10, 11, 12, 13), [], [StoreUnavailable()]

    async def take(update: Any) -> None:
        if update["update_id"] == 11 and failures:
            raise failures.pop()
        taken.append(update["update_id"])

    poller = Poller(line.fetch, take, 1, 0.001)
    await until_confirmed(line, poller)
    await poller.stop()
    assert line.offsets[:3] == [0, 11, 14]
    # 13 waited for 11, which is of the same chat; 12 is of another and may come twice.
    assert taken[:2] == [10, 12]
    assert [number for number in taken if number in (11, 13)] == [11, 13]


async def test_a_stop_without_telegram_ends_all_the_same() -> None:
    line = Line(10)

    async def take(update: Any) -> None:
        line.is_up = False

    poller = Poller(line.fetch, take, 1, 0.001)
    poller.start()
    async with asyncio.timeout(5):
        while line.is_up:  # noqa: ASYNC110  # the batch is what is waited for
            await asyncio.sleep(0.001)
    await poller.stop()
    assert line.waiting  # it comes again, and is known then


async def test_a_stop_before_the_start_is_nothing() -> None:
    async def take(update: Any) -> None: ...

    await Poller(Line().fetch, take, 1, 0.001).stop()
