"""The schema of a Supabase project: REST can change rows but no schema, so that here it is only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.cli.common import say
from core.errors import SchemaMismatch

if TYPE_CHECKING:
    from bot.settings import Settings


async def show_schema(settings: Settings) -> None:
    """Raises ConfigurationError, StoreUnavailable."""
    from adapters.stores import migrations
    from adapters.stores.supabase.store import mismatch

    found = await _schema(settings)
    say(f"{found} (up to date)" if found == migrations.HEAD else mismatch(found))


async def check_schema(settings: Settings) -> None:
    """Raises SchemaMismatch, which says how the schema gets there; ConfigurationError, StoreUnavailable."""
    from adapters.stores import migrations
    from adapters.stores.supabase.store import mismatch

    found = await _schema(settings)
    if found != migrations.HEAD:
        raise SchemaMismatch(found, user_message=mismatch(found))
    say(f"The Supabase project is at schema {migrations.HEAD}.")


async def _schema(settings: Settings) -> str | None:
    from adapters.clock import SystemClock
    from bot.storage import make_supabase

    store = make_supabase(settings, SystemClock())
    try:
        return await store.schema()
    finally:
        await store.close()
