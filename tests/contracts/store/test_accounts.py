"""Passwords, sign-ins and API keys: what a store keeps of them, and when it lets them go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from core.batches import MergeBatch
from core.errors import Conflict, NotFound
from core.ports import Store
from core.ports.accounts import ApiKey, SignIn
from core.types import User, UserId, new_id

HOUR = timedelta(hours=1)


def sign_in_of(user: User, clock: ManualClock, name: str = "laptop") -> SignIn:
    return SignIn(name, user.id, f"{name}-1", clock.now(), clock.now() + HOUR)


def key_of(user: User, clock: ManualClock, **changes: object) -> ApiKey:
    key = ApiKey(new_id(), user.id, "backup job", ("memories:read",), clock.now())
    return replace(key, **changes)  # type: ignore[arg-type]  # field names of ApiKey


async def test_an_account_has_an_address_a_password_and_a_profile(store: Store) -> None:
    ann = await store.create_account("ann@example.org", "hash-1")
    assert await store.get_password_hash(ann.id) == "hash-1"
    assert (await store.get_default_memory_profile(ann.id)).user_id == ann.id
    with pytest.raises(Conflict):
        await store.create_account("ANN@example.org", "hash-2")
    assert await store.get_password_hash(ann.id) == "hash-1"
    await store.set_password_hash(ann.id, "hash-3")
    assert await store.get_password_hash(ann.id) == "hash-3"


async def test_a_person_without_password_can_be_given_one(store: Store) -> None:
    ann = await store.create_user()
    assert await store.get_password_hash(ann.id) is None
    await store.set_password_hash(ann.id, "hash")
    assert await store.get_password_hash(ann.id) == "hash"
    with pytest.raises(NotFound):
        await store.set_password_hash(UserId(new_id()), "hash")


async def test_a_sign_in_changes_its_token_each_time(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    await store.open_sign_in(sign_in_of(ann, clock))
    later = clock.now() + 2 * HOUR
    renewed = await store.renew_sign_in("laptop", "laptop-1", "laptop-2", later, clock.now())
    assert renewed == SignIn("laptop", ann.id, "laptop-2", clock.now(), later)
    assert await store.get_sign_in("laptop", clock.now()) == renewed
    with pytest.raises(NotFound):
        await store.open_sign_in(replace(sign_in_of(ann, clock, "ghost"), user_id=UserId(new_id())))


async def test_a_token_that_was_used_before_ends_the_sign_in(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    await store.open_sign_in(sign_in_of(ann, clock))
    until = clock.now() + HOUR
    await store.renew_sign_in("laptop", "laptop-1", "laptop-2", until, clock.now())
    assert await store.renew_sign_in("laptop", "laptop-1", "laptop-3", until, clock.now()) is None
    assert await store.get_sign_in("laptop", clock.now()) is None
    assert await store.renew_sign_in("laptop", "laptop-2", "laptop-3", until, clock.now()) is None


async def test_a_sign_in_is_over_when_its_time_is(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    await store.open_sign_in(sign_in_of(ann, clock))
    clock.advance(HOUR.total_seconds())
    assert await store.get_sign_in("laptop", clock.now()) is None
    assert await store.renew_sign_in("laptop", "laptop-1", "laptop-2", clock.now() + HOUR, clock.now()) is None


async def test_signing_out_here_or_everywhere_else(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    bob = await store.create_account("bob@example.org", "hash")
    for name in ("laptop", "phone", "tablet"):
        await store.open_sign_in(sign_in_of(ann, clock, name))
    await store.open_sign_in(sign_in_of(bob, clock, "desk"))
    assert await store.close_sign_in("tablet")
    assert not await store.close_sign_in("tablet")
    assert await store.close_sign_ins(ann.id, keep="laptop") == 1
    assert await store.get_sign_in("phone", clock.now()) is None
    assert await store.get_sign_in("laptop", clock.now()) is not None
    assert await store.get_sign_in("desk", clock.now()) is not None


async def test_foreign_tokens_stay_revoked_until_they_are_over(store: Store, clock: ManualClock) -> None:
    assert not await store.is_token_revoked(["session-1", "token-1"])
    await store.revoke_token("session-1", clock.now() + HOUR)
    await store.revoke_token("session-1", clock.now() + HOUR)
    assert await store.is_token_revoked(["token-1", "session-1"])
    assert not await store.is_token_revoked([])
    clock.advance(HOUR.total_seconds())
    assert await store.purge(clock.now()) == 1
    assert not await store.is_token_revoked(["session-1"])


async def test_purging_takes_sign_ins_that_are_over(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    await store.open_sign_in(sign_in_of(ann, clock))
    assert await store.purge(clock.now()) == 0
    clock.advance(HOUR.total_seconds())
    assert await store.purge(clock.now()) == 1


async def test_a_key_works_until_it_is_revoked_or_over(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    key = key_of(ann, clock)
    short = key_of(ann, clock, name="trial", created_at=clock.now() + timedelta(seconds=1))
    short = replace(short, expires_at=clock.now() + HOUR)
    await store.create_api_key(key, "hash-of-key")
    await store.create_api_key(short, "hash-of-trial")
    assert await store.use_api_key("hash-of-nothing", clock.now()) is None
    assert await store.use_api_key("hash-of-key", clock.now()) == replace(key, last_used_at=clock.now())
    assert await store.use_api_key("hash-of-trial", clock.now() + HOUR) is None
    assert [item.name for item in await store.get_api_keys(ann.id)] == ["backup job", "trial"]
    assert (await store.revoke_api_key(key.id)).revoked
    assert await store.use_api_key("hash-of-key", clock.now()) is None
    assert [item.revoked for item in await store.get_api_keys(None)] == [True, False]
    with pytest.raises(NotFound):
        await store.revoke_api_key("nothing")
    with pytest.raises(NotFound):
        await store.create_api_key(replace(key, id=new_id(), user_id=UserId(new_id())), "another-hash")


async def test_erasing_a_person_takes_password_sign_ins_and_keys(store: Store, clock: ManualClock) -> None:
    ann = await store.create_account("ann@example.org", "hash")
    bob = await store.create_account("bob@example.org", "hash-of-bob")
    await store.open_sign_in(sign_in_of(ann, clock))
    await store.create_api_key(key_of(ann, clock), "hash-of-key")
    await store.create_api_key(key_of(bob, clock), "hash-of-bobs-key")
    await store.erase_user(ann.id, clock.now())
    assert await store.get_password_hash(ann.id) is None
    assert await store.get_sign_in("laptop", clock.now()) is None
    assert await store.use_api_key("hash-of-key", clock.now()) is None
    assert [key.user_id for key in await store.get_api_keys(None)] == [bob.id]
    assert await store.get_password_hash(bob.id) == "hash-of-bob"
    await store.create_account("ann@example.org", "hash-of-another-ann")


async def test_joining_accounts_keeps_them_signed_in(store: Store, clock: ManualClock) -> None:
    web = await store.create_account("ann@example.org", "hash")
    chat = await store.create_user(display_name="Ann")
    await store.open_sign_in(sign_in_of(web, clock))
    await store.create_api_key(key_of(web, clock), "hash-of-key")
    default = await store.get_default_memory_profile(chat.id)
    await store.merge_users(MergeBatch(source=web.id, target=chat.id, at=clock.now(), default_profile=default.id))
    signed_in = await store.get_sign_in("laptop", clock.now())
    assert signed_in is not None
    assert signed_in.user_id == chat.id
    assert await store.get_password_hash(chat.id) == "hash"
    assert [key.user_id for key in await store.get_api_keys(chat.id)] == [chat.id]
    joined = await store.get_user_by_email("ann@example.org")
    assert joined is not None
    assert joined.id == chat.id


async def test_joining_two_accounts_with_passwords_keeps_the_one_that_stays(store: Store, clock: ManualClock) -> None:
    source = await store.create_account("old@example.org", "old")
    target = await store.create_account("new@example.org", "new")
    default = await store.get_default_memory_profile(target.id)
    await store.merge_users(MergeBatch(source=source.id, target=target.id, at=clock.now(), default_profile=default.id))
    assert await store.get_password_hash(target.id) == "new"
    assert await store.get_password_hash(source.id) is None
