"""`memorychat audit`, `memorychat import` and `memorychat keys`: the proof, the way back in, and the keys."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import application, find_owner, load_settings, note, run_async, say, table
from bot.cli.memory import User

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from adapters.keys.keyring import SqlKeyring

group = typer.Typer(help="The keys that seal messages and memories.", no_args_is_help=True)


def audit() -> None:
    """Look for a text, read from standard input, in everything that is kept here; exit code 1 when it is found.

    Every file under the home folder and every row, also what is sealed: as it is, in halves, escaped and encoded.
    """
    run_async(_audit(sys.stdin.read().strip()))


async def _audit(text: str) -> None:
    from adapters.stores.sql.audit import Auditable
    from bot.audit import LEAST, audit
    from core.errors import BadArgument

    if len(text) < LEAST:
        raise BadArgument(user_message=f"Give me at least {LEAST} characters on standard input: shorter is everywhere.")
    async with application() as app:
        if not isinstance(app.store, Auditable):
            raise BadArgument(user_message="The rows of that store cannot be looked at one by one.")
        found = await audit(app.settings.home.folder, app.store, app.sealer, text)
    rows = [(item.place, item.form, "sealed: needs the key" if item.sealed else "readable") for item in found]
    table(("where", "how", ""), rows)
    note(f"Found in {len(found)} ways." if found else "Found nowhere.")
    if found:
        raise typer.Exit(1)


def import_(
    file: Annotated[Path, typer.Argument(help="The JSON file of /export.", exists=True, dir_okay=False)],
    user: User = None,
) -> None:
    """Restore profiles and memories from an export; what is there already stays once."""
    run_async(_import(file, user))


async def _import(file: Path, user: str | None) -> None:
    from core.restore import read_export, restore_person

    document = read_export(await asyncio.to_thread(file.read_bytes))
    async with application() as app:
        owner = await find_owner(app, user, create=True)
        restored = await restore_person(app.store, app.memory, owner, document)
    say(f"Restored: {restored.memories} memories, {restored.profiles} new profiles.")


@group.command()
def status() -> None:
    """Show where keyring and master key are, and how many data keys there are."""
    run_async(_status())


async def _status() -> None:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        found = await (await _keyring(stack)).status()
    table(("", ""), [("keyring", found.place), ("master key", found.master_source), ("data keys", str(found.keys))])


@group.command()
def rotate() -> None:
    """Put a new master key in front (of a key file) and wrap every data key with it.

    With MEMORYCHAT_MASTER_KEY set, put the new key before the old one, with a comma between, and then run this.
    """
    run_async(_rotate())


async def _rotate() -> None:
    from contextlib import AsyncExitStack

    from adapters.keys.master import default_key_file, rotate_key_file

    settings = load_settings()
    async with AsyncExitStack() as stack:
        await _keyring(stack)  # only a key that opens this keyring is rotated
    if settings.privacy.master_key is None:
        await asyncio.to_thread(rotate_key_file, default_key_file())
    async with AsyncExitStack() as stack:
        count = await (await _keyring(stack)).rewrap()
    say(f"{count} data keys are wrapped by the first master key now. Start running bots anew.")


@group.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output when left out.")] = None,
) -> None:
    """Copy all data keys, still wrapped by the master key. A copy outlives every erasure: guard it."""
    run_async(_export(file))


async def _export(file: Path | None) -> None:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        exported = await (await _keyring(stack)).export()
    if file is None:
        say(exported.decode())
        return
    await asyncio.to_thread(_write_private, file, exported)
    note("Written. Whoever has this file and the master key can open what was erased since.")


def _write_private(file: Path, data: bytes) -> None:
    """Raises FileExistsError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)


async def _keyring(stack: AsyncExitStack) -> SqlKeyring:
    from adapters.clock import SystemClock
    from bot.storage import open_keyring, open_store

    settings = load_settings()
    store = await open_store(settings, SystemClock(), stack)
    return await open_keyring(settings, stack, sealed_rows=await store.has_sealed_rows())
