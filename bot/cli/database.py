"""`memorychat db`: the database's schema."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import load_settings, run_async, say
from bot.cli.project import check_schema, show_schema

group = typer.Typer(help="The database's schema.", no_args_is_help=True)


@group.command()
def upgrade() -> None:
    """Bring the database to this version's schema; nothing happens when it is there already."""
    settings = load_settings()
    from adapters.stores import migrations
    from bot.starting import opening

    if settings.on_supabase:
        return run_async(check_schema(settings))
    with opening(settings):
        migrations.upgrade(settings.database_address)
    if settings.queue.kind == "postgres":
        from adapters.queues.postgres import install

        install(settings.database_address)
    say(f"The database is at schema {migrations.HEAD}.")
    return None


@group.command()
def current() -> None:
    """Show the schema's version, changing nothing."""
    settings = load_settings()
    from adapters.stores import migrations
    from bot.starting import opening

    if settings.on_supabase:
        return run_async(show_schema(settings))
    with opening(settings):
        found = migrations.current(settings.database_address)
    if found is None:
        say("There is no database yet; the first start makes it.")
    elif found == migrations.HEAD:
        say(f"{found} (up to date)")
    else:
        say(f"{found} (this version of MemoryChat uses {migrations.HEAD})")
    return None


@group.command()
def sql(
    after: Annotated[str, typer.Option(help="Only what is newer than this version of the schema.")] = "",
) -> None:
    """Print the SQL that makes the schema on Postgres and Supabase, for a project's SQL editor."""
    from adapters.stores.migrations import server

    for version, path in server.files().items():
        if version > after:
            say(path.read_text("utf-8"))
