"""One simulated Discord, its real adapter, and a desk where accepted messages land."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from simcord import Env

from tests.e2e.discord.desk import Desk
from tests.e2e.discord.server import SimulatedDiscord


async def names(what: str, who: str) -> list[str]:
    return ["Work", "home", "workshop"] if what == "profile" else []


@pytest.fixture
async def sim() -> AsyncIterator[SimulatedDiscord]:
    async with SimulatedDiscord(complete=names, in_fixture=True) as simulated:
        yield simulated


@pytest.fixture
def env(sim: SimulatedDiscord) -> Env:
    """simcord looks for one among a test's fixtures to give the test its clock."""
    return sim.env


@pytest.fixture
async def desk(sim: SimulatedDiscord, env: Env) -> Desk:
    """The bot is connected, and what it hears lands here."""
    desk = Desk()
    await sim.adapter.start(desk.accept)
    await env.settle()
    return desk
