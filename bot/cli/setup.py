"""`memorychat setup`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.cli.common import note, say

if TYPE_CHECKING:
    from bot.setup import Question


def setup() -> None:
    """Ask for the model and the platforms' tokens, and write them to .env."""
    from bot.setup import QUESTIONS, merged, write_private

    if not sys.stdin.isatty():
        note("setup asks questions, so it needs a terminal; without one, fill in .env (see .env.example).")
        raise typer.Exit(1)
    path = Path(".env")
    before = path.read_text("utf-8") if path.exists() else ""
    answers: dict[str, str] = {}
    say("Enter leaves a setting as it is; everything can be changed later in .env.\n")
    for question in QUESTIONS:
        if question.only_after and not answers.get(question.only_after):
            continue
        if answer := _ask(question):
            answers[question.variable] = answer
    if not answers:
        say("Nothing was changed.")
        return
    write_private(path, merged(before, answers))
    say("\nWritten to .env, readable by you alone.")
    say("\n" + next_step(*run_checks(answers)))


def next_step(asked: int, works: int) -> str:
    """What to do after so many platforms were asked about their tokens and so many of them had nothing to say."""
    if not asked:
        return "Next: `memorychat chat`."
    if not works:
        return "Next: mend what is said above (`memorychat setup` asks again), then `memorychat run`."
    return (
        "Next: `memorychat run`, then write to your bot. It gives you a code; in a second terminal\n"
        "`memorychat access approve CODE` lets you in. `memorychat doctor` checks it all."
    )


def run_checks(answers: Mapping[str, str]) -> tuple[int, int]:
    """Ask each platform whose token was given whether all is well there: how many were asked, and how many work."""
    import asyncio

    from bot.platforms import left_to_do, problems_of
    from bot.settings import get_settings
    from core.errors import ConfigurationError

    asked = [name for name in ("slack", "telegram", "discord") if f"{name.upper()}_BOT_TOKEN" in answers]
    get_settings.cache_clear()
    try:
        settings = get_settings()
    except ConfigurationError as error:
        for problem in error.problems:
            note(f"  {problem}")
        return len(asked), 0
    works = 0
    for name in asked:
        problems = asyncio.run(problems_of(settings, name, is_running=True))
        for problem in problems:
            note(f"  {name.capitalize()}: {problem}")
        if not problems:
            works += 1
            say(f"  {name.capitalize()}: the token works.")
            for line in asyncio.run(left_to_do(settings, name)):
                say(f"  {name.capitalize()}: {line}")
    return len(asked), works


def _ask(question: Question) -> str:
    """Asks until the answer is usable or empty."""
    while True:
        if question.where:
            say(f"  {question.where}")
        answer = str(typer.prompt(question.text, default="", show_default=False, hide_input=question.secret)).strip()
        wrong = question.refusal(answer) if answer else None
        if wrong is None:
            return answer
        note(f"  {wrong}")
