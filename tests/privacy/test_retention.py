"""What is kept no longer than its owner, or the operator, wants."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.privacy.homes import Home, who
from tests.support.models import ScriptedModel

DAY = 86_400


async def test_a_profile_keeps_what_is_told_as_long_as_its_owner_says(home: Home) -> None:
    model = ScriptedModel(lambda text: "Noted.")
    async with home.process(model) as town:
        ana = town.person("ana")
        assert "no time limit" in (await ana.says("/profile retention personal")).text
        await ana.says("/profile new work")
        assert "go after 7 days" in (await ana.says("/profile retention work 7")).text
        assert "kept for 7 days" in (await ana.says("/profile list")).text
        await ana.says("My dog is called Quartzfinch.")
        await ana.says("/profile use work")
        await ana.says("The project is called Amberlynx.")
        town.clock.advance(6 * DAY)
        await town.store.expire(town.clock.now(), None, None)
        assert await home.holds("Amberlynx") != []
        town.clock.advance(2 * DAY)
        gone = await town.store.expire(town.clock.now(), None, None)
        assert gone["memories"] == 1
        await town.store.compact()
        assert await home.holds("Amberlynx") == []
        assert await home.holds("Quartzfinch") != [], "the other profile has no limit"
        await ana.says("What is the project called?")
        assert "Amberlynx" not in model.calls[-1].text
        assert "no time limit" in (await ana.says("/profile retention work off")).text


@pytest.mark.parametrize("wrong", ["", "0.5", "-1", "soon", "36501", "９"])
async def test_a_wrong_number_of_days_changes_nothing(home: Home, wrong: str) -> None:
    async with home.process(ScriptedModel()) as town:
        ana = town.person("ana")
        await ana.says("/profile new my work")
        assert "go after 1 day," in (await ana.says("/profile retention my work 1 day")).text
        reply = await ana.says(f"/profile retention my work {wrong}".rstrip())
        assert "number of days" in reply.text or "go after 1 day," in reply.text
        user_id = (await who(town, "ana")).user_id
        days = {profile.name: profile.retention_days for profile in await town.store.get_memory_profiles(user_id)}
        assert days == {"personal": None, "my work": 1}


async def test_the_operator_limits_what_has_no_limit_of_its_own(home: Home) -> None:
    async with home.process(ScriptedModel(lambda text: "Noted.")) as town:
        ana = town.person("ana")
        await ana.says("/profile retention personal 30")
        await ana.says("My dog is called Quartzfinch.")
        await town.person("bo").says("My cat is called Amberlynx.")
        town.clock.advance(10 * DAY)
        await town.store.expire(town.clock.now(), timedelta(days=7), timedelta(days=7))
        await town.store.compact()
        assert await home.holds("Amberlynx") == []
        assert await home.holds("Quartzfinch") != []
