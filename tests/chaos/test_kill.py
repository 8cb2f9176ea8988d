"""kill -9 at random moments, redeliveries included: nothing lost, nothing answered twice without its label.

`CHAOS_KILLS` and `CHAOS_MESSAGES` make the long form (`make chaos`); the seed is printed with a failure.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.chaos.answers import check_answers
from tests.chaos.conftest import Figures
from tests.support.postgres import postgres_server
from tests.support.postgrest import SECRET_KEY, project

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("CHAOS_KILLS", "2"))
MESSAGES = int(os.environ.get("CHAOS_MESSAGES", "200"))
CHATS = 50 if KILLS >= 100 else 10
REDELIVERED = 0.3


class Bot:
    """The worker, the messages it acknowledged, and a way to kill it."""

    def __init__(self, home: Path, replies: Path, settings: Mapping[str, str]) -> None:
        self.acked: set[str] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker", str(home), str(replies)],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.acked.add(line.split()[1])

    def send(self, chat: str, name: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{chat} {name}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def finish(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._end()
        return self.process.returncode

    def _end(self) -> None:
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.mark.timeout(120 + 3.2 * KILLS)
def test_killed_at_any_point_every_message_is_answered_once_or_labelled(tmp_path: Path, figures: Figures) -> None:
    kill_at_any_point(tmp_path, figures)


@pytest.mark.long
@pytest.mark.timeout(120 + 4 * KILLS)
def test_the_same_holds_for_a_supabase_project(tmp_path: Path, figures: Figures) -> None:
    with postgres_server() as server, project(server.fresh("killed")) as supabase:

        def let_the_lease_run_out() -> None:
            with psycopg.connect(supabase.database, autocommit=True) as connection:
                connection.execute("update public.runner_leases set expires_at = now() - interval '1 second'")

        settings = {"SUPABASE_URL": supabase.url, "SUPABASE_SERVICE_KEY": SECRET_KEY}
        kill_at_any_point(tmp_path, figures, settings, let_the_lease_run_out)


def kill_at_any_point(
    tmp_path: Path,
    figures: Figures,
    settings: Mapping[str, str] | None = None,
    killed: Callable[[], None] = lambda: None,
) -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    home, replies = tmp_path / "home", tmp_path / "replies"
    waiting = [(f"c{number % CHATS}", f"m{number}") for number in range(MESSAGES)]
    acked: set[str] = set()
    sent = 0
    for kill in range(KILLS + 1):
        bot = Bot(home, replies, settings or {})
        share = waiting if kill == KILLS else waiting[: len(waiting) // (KILLS + 1 - kill)]
        for chat, name in share:
            for _ in range(2 if chance.random() < REDELIVERED else 1):
                bot.send(chat, name)
                sent += 1
        if kill < KILLS:
            time.sleep(chance.uniform(0.05, 2.0))
            bot.kill()
            killed()
        else:
            assert bot.finish() == 0
        acked |= bot.acked
        # What was not acknowledged is sent again by its platform, in its old order.
        waiting = [(chat, name) for chat, name in waiting if name not in acked]
    assert waiting == []
    chats = {f"c{chat}": [f"m{number}" for number in range(chat, MESSAGES, CHATS)] for chat in range(CHATS)}
    labelled = check_answers(replies, chats, f"seed {seed}")
    figures(kills=KILLS, messages=MESSAGES, deliveries=sent, labelled=labelled)
