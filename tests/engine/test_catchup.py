"""What was written while the bot was away: read back once, in order, without holding up anything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapters.clock import ManualClock
from adapters.memory.embedder import Embedder
from core.catchup import MOST_MESSAGES, CatchUp
from core.errors import DeliveryRateLimited, DeliveryRefused, DeliveryUnknown
from core.messages import InboundMessage
from core.types import Place
from tests.support.polling import eventually
from tests.support.world import ROOMY, Person, Town, TownAdapter, world


@dataclass
class Archive(TownAdapter):
    """Keeps what was written while nobody listened; `trouble` is raised by the next looks into it."""

    written: list[InboundMessage] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    looks: list[tuple[Place, str, datetime]] = field(default_factory=list)
    gaps: asyncio.Queue[datetime] = field(default_factory=asyncio.Queue)

    async def gap(self) -> datetime:
        return await self.gaps.get()

    async def backlog(self, place: Place, cursor: str, since: datetime) -> AsyncIterator[InboundMessage]:
        self.looks.append((place, cursor, since))
        if self.trouble:
            raise self.trouble.pop(0)
        for message in self.written:
            if message.place == place and message.cursor > cursor:
                yield message


def catch_up(town: Town) -> CatchUp:
    return CatchUp(town.store, town.clock, town.engine.handle, pause=0.0)


def missed(person: Person, archive: Archive, text: str, cursor: str) -> None:
    archive.written.append(person.message(text, cursor=cursor))


async def read_back(town: Town) -> int:
    reader = catch_up(town)
    count = await reader.read(town.adapter, await reader.known(town.adapter))
    await town.queue.drain()
    return count


async def test_what_was_missed_is_answered_once_and_in_order(embedder: Embedder) -> None:
    archive = Archive()
    async with world(embedder=embedder, adapter=archive) as town:
        ana, ben = town.person("ana"), town.person("ben")
        await ana.says("hello", cursor="1")
        await ben.says("hello")  # a place without a cursor is not read back
        archive.sent.clear()
        missed(ana, archive, "are you", "2")
        missed(ana, archive, "there?", "3")
        reader = catch_up(town)
        known = await reader.known(archive)
        assert [conversation.place for conversation in known] == [ana.place]
        await town.engine.handle(archive.written[1])  # arrives as an event meanwhile
        assert await reader.read(archive, known) == 1
        await town.queue.drain()
        assert "\n".join(reply.text for _, reply in archive.sent).count("there?") == 1
        assert "are you" in "\n".join(reply.text for _, reply in archive.sent)
        assert await read_back(town) == 0
        assert archive.looks[0][1:] == ("1", town.clock.now() - timedelta(days=1))


async def test_what_is_too_old_is_skipped_with_one_line(embedder: Embedder) -> None:
    archive, clock = Archive(), ManualClock()
    async with world(embedder=embedder, adapter=archive, clock=clock) as town:
        ana = town.person("ana")
        await ana.says("hello", cursor="1")
        archive.sent.clear()
        for number in range(2, 5):
            missed(ana, archive, f"question {number}", str(number))
        clock.advance(timedelta(hours=3))
        assert await read_back(town) == 3
        assert [reply.text for _, reply in archive.sent if "I was away" in reply.text]
        assert len(archive.sent) == 1


async def test_trouble_with_one_place_is_tried_again_and_stops_no_other(embedder: Embedder) -> None:
    archive = Archive()
    async with world(embedder=embedder, adapter=archive) as town:
        ana, ben = town.person("ana"), town.person("ben")
        for person in (ana, ben):
            await person.says("hello", cursor="1")
            missed(person, archive, "again", "2")
        archive.trouble = [DeliveryUnknown("net"), DeliveryRefused("kicked"), DeliveryRateLimited(retry_after=0.0)]
        assert await read_back(town) == 1
        archive.trouble = [DeliveryUnknown("net")] * 100
        assert await read_back(town) == 0


async def test_a_platform_that_stays_out_of_reach_for_long_is_waited_for(embedder: Embedder) -> None:
    archive = Archive()
    async with world(embedder=embedder, adapter=archive) as town:
        ana = town.person("ana")
        await ana.says("hello", cursor="1")
        missed(ana, archive, "again", "2")
        archive.trouble = [DeliveryRateLimited("unreachable", retry_after=0.0) for _ in range(50)]
        assert await read_back(town) == 1


async def test_a_bug_with_one_place_stops_no_other(embedder: Embedder) -> None:
    archive = Archive()
    async with world(embedder=embedder, adapter=archive) as town:
        for name in ("ana", "ben"):
            person = town.person(name)
            await person.says("hello", cursor="1")
            missed(person, archive, "again", "2")
        archive.trouble = [ValueError("a bug")]
        assert await read_back(town) == 1


async def test_what_was_written_while_the_connection_was_cut_is_read_back_behind_newer_messages(
    embedder: Embedder,
) -> None:
    archive, clock = Archive(), ManualClock()
    async with world(embedder=embedder, adapter=archive, clock=clock) as town:
        ana = town.person("ana")
        await ana.says("hello", cursor="1")
        keeping = asyncio.create_task(catch_up(town).keep_up(archive, ()))
        missed(ana, archive, "into the dark", "2")
        cut_at = clock.now()
        clock.advance(timedelta(minutes=30))
        await ana.says("are you back?", cursor="3")
        archive.gaps.put_nowait(cut_at)
        await eventually(lambda: len(archive.looks) == 1)
        assert archive.looks == [(ana.place, "", cut_at)]
        await town.queue.drain()
        assert "into the dark" in "\n".join(reply.text for _, reply in archive.sent)
        archive.gaps.put_nowait(clock.now() - timedelta(days=9))
        await eventually(lambda: len(archive.looks) == 2)
        assert archive.looks[1][2] == clock.now() - timedelta(days=1)
        keeping.cancel()


async def test_only_so_much_is_read_of_one_place(embedder: Embedder) -> None:
    archive = Archive()
    async with world(embedder=embedder, adapter=archive) as town:
        ana = town.person("ana")
        await ana.says("hello", cursor="0000")
        for number in range(MOST_MESSAGES + 5):
            missed(ana, archive, f"line {number}", f"1{number:03}")
        assert await read_back(town) == MOST_MESSAGES


async def test_platforms_that_cannot_or_need_not_be_read_back_are_left_alone(embedder: Embedder) -> None:
    async with world(embedder=embedder) as town:
        await town.person("ana").says("hello", cursor="1")
        assert await read_back(town) == 0
    archive = Archive(capabilities=replace(ROOMY, catches_up=True))
    async with world(embedder=embedder, adapter=archive) as town:
        await town.person("ana").says("hello", cursor="1")
        assert await read_back(town) == 0
        assert archive.looks == []
