"""What every keyring does."""

from __future__ import annotations

import asyncio

import pytest

from adapters.keys.keyring import SqlKeyring
from adapters.keys.master import MasterKey
from core.errors import ConfigurationError, KeyMissing, StoreUnavailable
from tests.contracts.keyring.conftest import Opener


async def test_a_scope_has_one_key_of_32_bytes(keyring: SqlKeyring) -> None:
    key = await keyring.current("session:1")
    assert key.scope == "session:1"
    assert len(key.secret) == 32
    assert await keyring.current("session:1") == key
    assert await keyring.get(key.id) == key


async def test_scopes_share_nothing(keyring: SqlKeyring) -> None:
    one, two = await keyring.current("session:1"), await keyring.current("session:2")
    assert one.id != two.id
    assert one.secret != two.secret


async def test_a_key_is_not_shown_in_a_repr(keyring: SqlKeyring) -> None:
    key = await keyring.current("session:1")
    assert repr(key.secret) not in repr(key)


async def test_keys_are_there_for_the_next_process(
    client: Opener, master: MasterKey, keyring: SqlKeyring, other_process: SqlKeyring
) -> None:
    assert await other_process.current("session:1") == await keyring.current("session:1")


async def test_many_who_want_one_key_at_once_get_the_same(keyring: SqlKeyring, other_process: SqlKeyring) -> None:
    clients = [keyring, other_process] * 20
    keys = await asyncio.gather(*(client.current(f"session:{n % 5}") for n, client in enumerate(clients)))
    assert len({key.id for key in keys}) == 5
    assert len({key.secret for key in keys}) == 5


async def test_more_scopes_than_one_statement_takes(keyring: SqlKeyring) -> None:
    keys = await asyncio.gather(*(keyring.current(f"session:{n}") for n in range(1_200)))
    assert [key.scope for key in keys] == [f"session:{n}" for n in range(1_200)]
    assert (await keyring.status()).keys == 1_200


async def test_who_stops_waiting_does_not_disturb_the_others(keyring: SqlKeyring) -> None:
    impatient = asyncio.create_task(keyring.current("session:1"))
    patient = asyncio.create_task(keyring.current("session:1"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).scope == "session:1"
    assert impatient.cancelled()


async def test_an_unknown_key_is_missing(keyring: SqlKeyring) -> None:
    with pytest.raises(KeyMissing):
        await keyring.get("00000000-0000-4000-8000-000000000000")


async def test_a_destroyed_key_never_comes_back(keyring: SqlKeyring) -> None:
    key = await keyring.current("session:1")
    kept = await keyring.current("session:2")
    assert await keyring.destroy("session:1") == 1
    with pytest.raises(KeyMissing):
        await keyring.get(key.id)
    assert (await keyring.current("session:1")).secret != key.secret
    assert await keyring.get(kept.id) == kept


async def test_many_keys_go_in_one_step(keyring: SqlKeyring) -> None:
    keys = await asyncio.gather(*(keyring.current(f"session:{n}") for n in range(700)))
    assert await keyring.destroy(*(f"session:{n}" for n in range(699)), "session:never") == 699
    with pytest.raises(KeyMissing):
        await keyring.get(keys[0].id)
    assert await keyring.get(keys[699].id) == keys[699]
    assert await keyring.destroy() == 0


async def test_first_starts_at_once_do_not_disturb_each_other(client: Opener, master: MasterKey) -> None:
    clients = [client(master) for _ in range(4)]
    await asyncio.gather(*(first.open(data_present=False) for first in clients))
    keys = [await first.current("session:1") for first in clients]
    assert len({key.id for key in keys}) == 1
    for first in clients:
        await first.close()


async def test_a_server_that_is_away_is_told_without_its_address(master: MasterKey) -> None:
    keyring = SqlKeyring("postgres://someone:secret@127.0.0.1:1/keys", master)
    with pytest.raises(StoreUnavailable) as caught:
        await keyring.open(data_present=False)
    assert "127.0.0.1" not in str(caught.value)
    await keyring.close()


async def test_destroying_what_is_not_there_destroys_nothing(keyring: SqlKeyring) -> None:
    assert await keyring.destroy("session:1") == 0


async def test_the_other_process_seals_nothing_under_a_destroyed_key(
    keyring: SqlKeyring, other_process: SqlKeyring
) -> None:
    key = await other_process.current("session:1")
    assert [await other_process.current("session:1") for _ in range(3)] == [key] * 3
    await keyring.destroy("session:1")
    assert (await other_process.current("session:1")).id != key.id


async def test_another_master_key_is_refused(client: Opener, keyring: SqlKeyring) -> None:
    stranger = client(MasterKey.generate())
    with pytest.raises(ConfigurationError, match="not the one that wraps"):
        await stranger.open(data_present=True)
    await stranger.close()


async def test_an_empty_keyring_beside_sealed_rows_is_refused_each_time(client: Opener, master: MasterKey) -> None:
    for _ in range(2):
        fresh = client(master)
        with pytest.raises(ConfigurationError, match="Bring their keyring back"):
            await fresh.open(data_present=True)
        await fresh.close()


async def test_the_master_key_can_be_exchanged(client: Opener, master: MasterKey, keyring: SqlKeyring) -> None:
    keys = [await keyring.current(f"session:{n}") for n in range(3)]
    new = MasterKey.generate()

    both = client(MasterKey((*new.keys, *master.keys)))
    await both.open(data_present=True)
    assert await both.current("session:0") == keys[0], "the earlier master key still opens"
    assert await both.rewrap() == 3
    await both.close()

    alone = client(new)
    await alone.open(data_present=True)
    assert [await alone.get(key.id) for key in keys] == keys
    await alone.close()

    late = client(master)
    with pytest.raises(ConfigurationError):
        await late.open(data_present=True)
    await late.close()


async def test_an_export_restores_the_keys_but_shows_none(keyring: SqlKeyring) -> None:
    kept, lost = await keyring.current("session:1"), await keyring.current("session:2")
    exported = await keyring.export()
    assert kept.secret not in exported
    await keyring.destroy("session:2")
    assert await keyring.restore(exported) == 1
    assert await keyring.get(lost.id) == lost
    assert await keyring.get(kept.id) == kept
    assert await keyring.restore(exported) == 0


async def test_an_export_of_somebody_else_is_refused(client: Opener, keyring: SqlKeyring) -> None:
    exported = await keyring.export()
    for problem in (exported.replace(b"session", b"seance"), exported[:-9], b"[]", b"\xff", b'{"keys": [{}]}'):
        if problem != exported:
            with pytest.raises(ConfigurationError):
                await keyring.restore(problem)
    foreign = exported.replace(b'"scope": "keyring"', b'"scope": "another"')
    with pytest.raises(ConfigurationError, match="does not open this export"):
        await keyring.restore(foreign)


async def test_the_status_counts_and_names_no_password(keyring: SqlKeyring) -> None:
    await keyring.current("session:1")
    status = await keyring.status()
    assert status.keys == 1
    assert status.master_source == "memory"
    assert status.place
