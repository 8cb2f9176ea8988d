from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core.batches import LinkOffer
from core.errors import NotFound
from core.ports import Store
from core.sealing import Sealed
from core.types import ErasureReceipt, IdentityId, Lane, MemoryId, UserId, new_id
from tests.contracts.store.cast import Cast


async def test_what_waits_for_a_button_is_taken_once_by_whom_it_is_for(store: Store, cast: Cast) -> None:
    ann, eve = await cast.person("Ann"), await cast.person("Eve")
    later = cast.now + timedelta(minutes=10)
    await store.put_pending(ann.user.id, ann.chat.id, "t", {"command": "old"}, later)
    await store.put_pending(ann.user.id, ann.chat.id, "t", {"command": "forget", "ids": (1, None)}, later)
    assert await store.peek_pending(eve.user.id, ann.chat.id, "t", cast.now) is None
    assert await store.take_pending(eve.user.id, ann.chat.id, "t", cast.now) is None
    assert await store.take_pending(ann.user.id, eve.chat.id, "t", cast.now) is None
    expected = {"command": "forget", "ids": [1, None]}
    assert await store.peek_pending(ann.user.id, ann.chat.id, "t", cast.now) == expected
    taken = await asyncio.gather(*(store.take_pending(ann.user.id, ann.chat.id, "t", cast.now) for _ in range(4)))
    assert [payload for payload in taken if payload is not None] == [expected]
    await store.put_pending(ann.user.id, ann.chat.id, "t", {}, later)
    assert await store.peek_pending(ann.user.id, ann.chat.id, "t", later) is None
    assert await store.take_pending(ann.user.id, ann.chat.id, "t", later) is None
    with pytest.raises(NotFound):
        await store.put_pending(UserId(new_id()), ann.chat.id, "t", {}, later)


async def test_a_notice_goes_out_once_in_its_time(store: Store, cast: Cast) -> None:
    hour = timedelta(hours=1)
    sent = await asyncio.gather(*(store.record_notice("away", cast.now, cast.now - hour) for _ in range(8)))
    assert sorted(sent) == [False] * 7 + [True]
    cast.clock.advance(hour - timedelta(microseconds=1))
    assert not await store.record_notice("away", cast.now, cast.now - hour)
    assert await store.record_notice("other", cast.now, cast.now - hour)
    cast.clock.advance(timedelta(microseconds=1))
    assert await store.record_notice("away", cast.now, cast.now - hour)


async def test_a_job_runs_once_for_a_tick(store: Store, cast: Cast) -> None:
    claims = await asyncio.gather(*(store.claim_job_run("learn", cast.now) for _ in range(8)))
    assert sum(claims) == 1
    assert await store.claim_job_run("learn", cast.now + timedelta(microseconds=1))
    assert await store.claim_job_run("other", cast.now)


async def test_purging_drops_what_nobody_can_ask_for(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    waiting, ended = await cast.accepted(ann), await cast.accepted(ann)
    await store.cancel_accepted(ended.event_key)
    await store.put_pending(ann.user.id, ann.chat.id, "t", {}, cast.now + timedelta(minutes=10))
    await store.put_link_code(LinkOffer(ann.user.id, ann.chat.id), "hash", cast.now + timedelta(minutes=10))
    await store.count_link_failure(ann.identity, cast.now, cast.now)
    await store.record_notice("n", cast.now, cast.now)
    await store.claim_job_run("learn", cast.now)
    assert await store.purge(cast.now) == 0
    cast.clock.advance(timedelta(hours=47))
    assert await store.purge(cast.now) == 3
    assert await store.has_event(ended.event_key)
    cast.clock.advance(timedelta(hours=2))
    assert await store.purge(cast.now) == 1
    assert not await store.has_event(ended.event_key)
    assert await store.has_event(waiting.event_key)
    cast.clock.advance(timedelta(days=40))
    assert await store.purge(cast.now) == 2
    assert (await store.get_turn(ann.user.id, ended.id)).id == ended.id


async def test_sealed_rows_are_noticed_wherever_they_are(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    plain = Sealed("plain", None)
    await cast.remembered(ann.namespace, text=plain, vector=plain)
    row = await cast.accepted(ann, content=plain)
    await store.create_chat_message(ann.user.id, cast.said(ann, row, content=plain))
    assert not await store.has_sealed_rows()
    await cast.remembered(ann.namespace, id=MemoryId(new_id()))
    assert await store.has_sealed_rows()


async def test_a_store_that_is_kept_can_be_compacted(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    await cast.remembered(ann.namespace)
    await store.compact()
    assert await store.count_mem0_memory_references(ann.namespace) == 1


async def test_a_receipt_is_kept(store: Store, cast: Cast) -> None:
    receipt = ErasureReceipt(new_id(), UserId(new_id()), "profile", {"memories": 3}, True, cast.now)
    await store.save_receipt(receipt)
    assert await store.get_receipt(receipt.id) == receipt
    assert await store.get_receipt(new_id()) is None


async def test_one_runner_at_a_time(store: Store) -> None:
    await store.take_runner_lock("one")
    await store.take_runner_lock("one")
    await store.release_runner_lock()
    await store.take_runner_lock("two")
    await store.release_runner_lock()
    await store.release_runner_lock()


async def test_a_link_code_is_good_once_and_the_newest_only(store: Store, cast: Cast) -> None:
    ann, bob = await cast.person("Ann"), await cast.person("Bob")
    offer, later = LinkOffer(ann.user.id, ann.chat.id), cast.now + timedelta(minutes=10)
    await store.put_link_code(offer, "old", later)
    await store.put_link_code(offer, "new", later)
    await store.put_link_code(LinkOffer(bob.user.id, bob.chat.id), "bobs", later)
    assert await store.take_link_code("old", cast.now) is None
    taken = await asyncio.gather(*(store.take_link_code("new", cast.now) for _ in range(4)))
    assert [found for found in taken if found] == [offer]
    assert await store.take_link_code("bobs", later) is None
    with pytest.raises(NotFound):
        await store.put_link_code(LinkOffer(UserId(new_id()), ann.chat.id), "x", later)


async def test_wrong_codes_are_counted_per_account_and_forgotten(store: Store, cast: Cast) -> None:
    account, hour = IdentityId(new_id()), timedelta(hours=1)
    assert await store.get_link_failures(account, cast.now) == 0
    counts = await asyncio.gather(*(store.count_link_failure(account, cast.now, cast.now - hour) for _ in range(5)))
    assert sorted(counts) == [1, 2, 3, 4, 5]
    assert await store.get_link_failures(IdentityId(new_id()), cast.now - hour) == 0
    cast.clock.advance(hour)
    assert await store.get_link_failures(account, cast.now - hour) == 5
    cast.clock.advance(timedelta(microseconds=1))
    assert await store.get_link_failures(account, cast.now - hour) == 0
    assert await store.count_link_failure(account, cast.now, cast.now - hour) == 1
    await store.clear_link_failures(account)
    assert await store.get_link_failures(account, cast.now - hour) == 0


async def test_nothing_waits_in_an_unknown_place(store: Store, cast: Cast) -> None:
    ann = await cast.person()
    assert await store.claim_turn(ann.chat.id, Lane.MAIN, "w", cast.lease, cast.now) == ()
    assert await store.running_turn(ann.chat.id, Lane.MAIN) is None
