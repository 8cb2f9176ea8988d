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
    on = run_checks(path, answers)
    say("Next: `memorychat run`, then write to your bot." if on else "Next: `memorychat chat`.")
    if on:
        say("It will give you a code; `memorychat access approve CODE` lets you in. `memorychat doctor` checks it all.")


def run_checks(path: Path, answers: Mapping[str, str]) -> list[str]:
    """Ask each platform whose token was given whether it works; the names of those that do."""
    import asyncio

    from dotenv import dotenv_values

    from bot.platforms import problems_of
    from bot.settings import settings_from
    from core.errors import ConfigurationError

    written = {name: value for name, value in dotenv_values(path).items() if value}
    try:
        settings = settings_from(written)
    except ConfigurationError as error:
        for problem in error.problems:
            note(f"  {problem}")
        return []
    works = []
    for name in settings.platforms:
        if f"{name.upper()}_BOT_TOKEN" not in answers:
            continue
        problems = asyncio.run(problems_of(settings, name, is_running=True))
        for problem in problems:
            note(f"  {name.capitalize()}: {problem}")
        if not problems:
            works.append(name)
            say(f"  {name.capitalize()}: the token works.")
    return works


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
