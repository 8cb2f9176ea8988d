"""A whole bot as `memorychat run` builds it, everything real but the model and Telegram itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.bootstrap import App, build
from bot.settings import settings_from
from tests.e2e.telegram.server import ANNA, TelegramServer
from tests.support.polling import eventually

OLD, NEW = -500, -1005


@pytest.fixture
async def app(telegram: TelegramServer, tmp_path: Path) -> AsyncIterator[App]:
    settings = settings_from(
        {
            "MEMORYCHAT_HOME": str(tmp_path),
            "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=",
            "ACCESS_POLICY": "open",
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_BASE_URL": telegram.base_url,
            "TELEGRAM_BASE_FILE_URL": telegram.base_file_url,
            "TELEGRAM_GROUP_SENDS_PER_MINUTE": "1000",
        }
    )
    async with build(settings, configured=True) as app:
        await app.memory.warm()
        [adapter] = app.platforms
        await adapter.start(app.engine.handle)
        yield app


@pytest.mark.usefixtures("app")
async def test_a_group_that_moved_keeps_its_memory(telegram: TelegramServer) -> None:
    telegram.add_group(OLD, "Boat", kind="group")
    telegram.say(ANNA, "@memory_bot Our boat is called Plum.", chat=OLD)
    await eventually(lambda: any("noted" in text for text in telegram.visible_messages(OLD)))
    telegram.migrate(OLD, NEW)
    telegram.say(ANNA, "@memory_bot What is our boat called?", chat=NEW)
    await eventually(lambda: any("Plum" in text for text in telegram.visible_messages(NEW)))
