"""`memorychat jobs`: what runs by the clock."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import load_settings, run_async, say
from bot.settings import Settings
from core.errors import NotFound

group = typer.Typer(help="What runs by the clock.", no_args_is_help=True)


@group.command("list")
def list_() -> None:
    """Show every job and how often it runs."""
    run_async(_list(load_settings()))


@group.command()
def run(name: Annotated[str, typer.Argument(help="A job's name, as `memorychat jobs list` shows it.")]) -> None:
    """Run one job now, beside a running bot."""
    run_async(_run(load_settings(), name))


async def _list(settings: Settings) -> None:
    from bot.bootstrap import build
    from bot.scheduler import jobs_of
    from bot.setting_types import as_written

    async with build(settings, answering=False) as app:
        for job in jobs_of(app):
            say(f"{job.name:<17} every {as_written(job.every):<5} {job.about}")


async def _run(settings: Settings, name: str) -> None:
    from bot.bootstrap import build
    from bot.scheduler import jobs_of

    # With the platforms, because a reply that was held up is sent by a job.
    async with build(settings, answering=False, configured=True) as app:
        wanted = [job for job in jobs_of(app) if job.name == name]
        if not wanted:
            raise NotFound(user_message=f"There is no job {name!r}; `memorychat jobs list` shows them.")
        await wanted[0].run()
        say(f"{name} has run.")
