"""What a start may not wait for."""

from __future__ import annotations

import asyncio
import subprocess
import sys

HEAVY = ("openai", "fastapi", "qdrant_client", "mem0", "onnxruntime", "numpy", "slack_bolt", "discord", "supabase")

UNTIL_TELEGRAM = f"""
import asyncio, sys
import bot.runner
from bot.bootstrap import build
from bot.settings import settings_from

async def main():
    values = {{
        "MEMORYCHAT_HOME": sys.argv[1],
        "MEMORYCHAT_MASTER_KEY": "A" * 43 + "=",
        "OPENAI_API_KEY": "key",
        "TELEGRAM_BOT_TOKEN": "123456:TEST-TOKEN",
    }}
    async with build(settings_from(values), configured=True) as app:
        print([adapter.name for adapter in app.platforms], [name for name in {HEAVY!r} if name in sys.modules])

asyncio.run(main())
"""


async def test_platforms_are_ready_to_be_heard_before_any_heavy_library_is_imported(tmp_path):
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", UNTIL_TELEGRAM, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[0] == "['telegram'] []"
