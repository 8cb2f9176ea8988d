"""What keeps things: the database, the keys beside it, what is held in memory alone, and files at home."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.ephemeral.process import ProcessEphemeralStore
from bot.settings import Settings
from bot.starting import opening
from core.ports import Clock, EphemeralStore, Store
from core.sealing import Sealer
from core.types import ChannelIdentity

if TYPE_CHECKING:
    from adapters.keys.keyring import SqlKeyring
    from adapters.stores.sql.server import Enqueue
    from adapters.stores.supabase import SupabaseStore

LOCAL_KEYRING = "keyring.db"


async def open_store(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Store:
    store = make_store(settings, clock)
    stack.push_async_callback(store.close)
    with opening(settings):
        await store.open()
    return store


def make_store(settings: Settings, clock: Clock) -> Store:
    if settings.on_supabase:
        return make_supabase(settings, clock)
    if settings.on_postgres:
        from adapters.stores.sql.server import PostgresStore

        return PostgresStore(settings.database_address, clock, enqueue=_enqueue_of(settings))
    from adapters.stores.sql import SqlStore

    return SqlStore(settings.database_address, clock)


def make_supabase(settings: Settings, clock: Clock) -> SupabaseStore:
    """Called only where address and key are set."""
    from adapters.stores.supabase import SupabaseStore

    url, key = settings.supabase.url, settings.supabase.service_key
    return SupabaseStore(url or "", key.get_secret_value() if key else "", clock)


def _enqueue_of(settings: Settings) -> Enqueue | None:
    if settings.queue.kind != "postgres":
        return None
    from adapters.queues.postgres import enqueue

    return enqueue


async def open_sealer(settings: Settings, store: Store, stack: AsyncExitStack) -> Sealer:
    from adapters.keys.aes import AesGcmSealer
    from adapters.keys.plain import PlainSealer

    sealed_rows = await store.has_sealed_rows()
    if not settings.privacy.sealing and not sealed_rows:
        return PlainSealer()
    sealer = AesGcmSealer(await open_keyring(settings, stack, sealed_rows=sealed_rows))
    return sealer if settings.privacy.sealing else PlainSealer(sealer)


async def open_keyring(settings: Settings, stack: AsyncExitStack, *, sealed_rows: bool) -> SqlKeyring:
    """Raises ConfigurationError: the master key is missing or another one."""
    from adapters.keys.file import FileKeyring
    from adapters.keys.keyring import SqlKeyring
    from adapters.keys.master import default_key_file, load_master_key

    privacy = settings.privacy
    local = settings.home.folder / LOCAL_KEYRING
    master = load_master_key(
        privacy.master_key.get_secret_value() if privacy.master_key else None,
        key_file=default_key_file(),
        remote_database=settings.is_remote,
        data_present=sealed_rows or local.exists(),
    )
    if privacy.keyring_url is None:
        keyring: SqlKeyring = FileKeyring(local, master)
    else:
        keyring = SqlKeyring(privacy.keyring_url.get_secret_value(), master)
    stack.push_async_callback(keyring.close)
    with opening(settings):
        await keyring.open(data_present=sealed_rows)
    return keyring


def make_ephemeral(settings: Settings, clock: Clock, *, shared: bool) -> EphemeralStore:
    """`shared`: what is written in this process has to be there for whichever other one answers."""
    if settings.redis.url is not None:
        from adapters.ephemeral.redis import RedisEphemeralStore

        return RedisEphemeralStore(settings.redis.url.get_secret_value())
    if shared:
        from adapters.ephemeral.nowhere import NoEphemeralStore

        return NoEphemeralStore(clock)
    return ProcessEphemeralStore(clock)


async def erase_files(settings: Settings, accounts: Sequence[ChannelIdentity]) -> int:
    """Whoever talks in this machine's terminal has exports and typed lines in the home folder."""
    from adapters.platforms.console.translate import PERSON, PLACE

    if not any((item.platform, item.external_id) == (PLACE.platform, PERSON) for item in accounts):
        return 0
    return await asyncio.to_thread(_unlink, settings.home.history_file, settings.home.export_folder)


def _unlink(history: Path, exports: Path) -> int:
    there = [file for file in (history, *exports.glob("memorychat-export-*")) if file.is_file()]
    for file in there:
        file.unlink(missing_ok=True)
    return len(there)
