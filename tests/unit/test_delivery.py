"""A reply on its way out: what is shown, what is stored, and what happens when the platform misbehaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.clock import ManualClock
from adapters.stores.memory import MemoryStore
from core.capabilities import StreamingStyle
from core.delivery import Delivery
from core.errors import DeliveryRateLimited, DeliveryRefused, DeliveryUnknown
from core.messages import OutboxRow, Reply, ReplyAddress, ReplyKind
from core.policy import EnginePolicy
from core.ports import PlatformAdapter
from core.types import Audience, OutboxState, PlatformName
from tests.support.polling import eventually
from tests.support.scripted import PLAIN, EditingAdapter, ScriptedAdapter
from tests.support.stage import NOON, TEST, Stage

REPLY = Reply(text="the whole answer", kind=ReplyKind.ANSWER, audience=Audience.ROOM)
EDITING = replace(PLAIN, streaming=StreamingStyle.EDIT, edit_makes_resend_safe=True)


async def on_stage(adapter: PlatformAdapter, delivery_wait: float = 10.0) -> tuple[Stage, Delivery, OutboxRow]:
    clock = ManualClock(NOON)
    stage = await Stage.set(MemoryStore(clock))
    policy = EnginePolicy(delivery_wait=delivery_wait)
    delivery = Delivery(stage.store, {TEST: adapter}, clock, policy)
    return stage, delivery, await stage.outbox(await stage.accept())


async def state_of(stage: Stage, outbox: OutboxRow) -> OutboxRow:
    found = await stage.store.get_outbox(outbox.turn_id)
    assert found is not None
    return found


async def test_a_reply_is_sent_once_and_the_row_says_so() -> None:
    adapter = ScriptedAdapter()
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert list(adapter.shown.values()) == ["the whole answer"]
    row = await state_of(stage, outbox)
    assert (row.state, row.message_ids) == (OutboxState.SENT, ("m1",))


async def test_a_growing_reply_is_one_message_edited() -> None:
    adapter = EditingAdapter(capabilities=EDITING)
    stage, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await eventually(lambda: "m1" in adapter.shown)
    assert (await state_of(stage, outbox)).state is OutboxState.SENDING
    live.push("the whole")
    await eventually(lambda: adapter.shown["m1"] == "the whole")
    await live.finish(REPLY)
    assert adapter.shown == {"m1": "the whole answer"}
    assert (await state_of(stage, outbox)).state is OutboxState.SENT


async def test_a_reply_that_is_whole_at_once_has_no_preview() -> None:
    adapter = EditingAdapter(capabilities=replace(EDITING, preview_after=30.0))
    stage, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await asyncio.sleep(0.01)
    assert (await state_of(stage, outbox)).state is OutboxState.READY
    await live.finish(REPLY)
    assert adapter.shown == {"m1": "the whole answer"}
    assert (len(adapter.finals), adapter.edits) == (1, 0)


class TypingAdapter(EditingAdapter):
    def __init__(self) -> None:
        super().__init__(capabilities=EDITING)
        self.typed = 0

    async def typing(self, address: ReplyAddress) -> None:
        self.typed += 1


async def test_who_waits_is_shown_that_an_answer_is_being_written() -> None:
    adapter = TypingAdapter()
    _, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    await eventually(lambda: adapter.typed)
    await live.finish(REPLY)
    assert adapter.shown == {"m1": "the whole answer"}


async def test_a_quick_answer_needs_no_such_sign() -> None:
    adapter = TypingAdapter()
    _, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await eventually(lambda: "m1" in adapter.shown)
    await live.finish(REPLY)
    assert adapter.typed == 0


async def test_an_update_that_fails_does_not_keep_the_final_text_back() -> None:
    adapter = EditingAdapter(capabilities=EDITING, failures=[None, DeliveryRefused()])
    _, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await eventually(lambda: "m1" in adapter.shown)
    live.push("the whole")
    await eventually(lambda: not adapter.failures)
    await live.finish(REPLY)
    assert adapter.shown == {"m1": "the whole answer"}


async def test_a_rate_limited_update_is_only_late() -> None:
    adapter = EditingAdapter(capabilities=EDITING, failures=[DeliveryRateLimited(retry_after=0.01)])
    _, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await eventually(lambda: not adapter.failures)
    live.push("the whole")
    await eventually(lambda: adapter.shown.get("m1") == "the whole")
    await live.close()


async def test_a_short_rate_limit_is_waited_for() -> None:
    adapter = ScriptedAdapter(failures=[DeliveryRateLimited(retry_after=0.01)])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert (await state_of(stage, outbox)).state is OutboxState.SENT


async def test_a_long_rate_limit_puts_the_reply_off_and_blocks_nobody() -> None:
    adapter = ScriptedAdapter(failures=[DeliveryRateLimited(retry_after=300)])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    row = await state_of(stage, outbox)
    assert row.state is OutboxState.READY
    assert row.next_attempt_at == NOON + timedelta(seconds=300)
    assert adapter.shown == {}


async def test_a_reply_that_may_have_arrived_is_sent_again_with_its_label() -> None:
    adapter = ScriptedAdapter(failures=[DeliveryUnknown()])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert list(adapter.shown.values()) == ["the whole answer (may be a duplicate)"]
    assert (await state_of(stage, outbox)).state is OutboxState.SENT


async def test_a_platform_that_knows_its_nonces_needs_no_label() -> None:
    adapter = ScriptedAdapter(
        capabilities=replace(PLAIN, nonce_makes_resend_safe=True), failures=[DeliveryUnknown(), DeliveryUnknown()]
    )
    _, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert list(adapter.shown.values()) == ["the whole answer"]


@pytest.mark.parametrize(
    ("capabilities", "known", "label"),
    [(PLAIN, (), True), (EDITING, ("m1",), False), (EDITING, (), True)],
    ids=["cannot know", "edits the known message", "sent nothing known"],
)
async def test_after_a_crash_while_sending(capabilities: object, known: tuple[str, ...], label: bool) -> None:
    adapter = EditingAdapter(capabilities=capabilities)  # type: ignore[arg-type]  # parametrised
    stage, delivery, outbox = await on_stage(adapter)
    await stage.store.mark_outbox(outbox.id, OutboxState.SENDING, message_ids=known)
    await delivery.deliver(await state_of(stage, outbox), REPLY)
    assert adapter.finals[-1].maybe_duplicate is label


class LongAdapter(EditingAdapter):
    """Every reply takes two messages there."""

    def parts(self, reply: Reply) -> int:
        return 2


@pytest.mark.parametrize(("known", "label"), [(("m1",), True), (("m1", "m2"), False)], ids=["a part", "all"])
async def test_after_a_crash_with_a_part_known_the_rest_may_stand_there_twice(
    known: tuple[str, ...], label: bool
) -> None:
    adapter = LongAdapter(capabilities=EDITING)
    stage, delivery, outbox = await on_stage(adapter)
    await stage.store.mark_outbox(outbox.id, OutboxState.SENDING, message_ids=known)
    await delivery.deliver(await state_of(stage, outbox), REPLY)
    assert adapter.finals[-1].maybe_duplicate is label


async def test_a_limit_in_the_middle_of_a_long_reply_brings_no_label() -> None:
    adapter = LongAdapter(capabilities=EDITING, failures=[DeliveryRateLimited(retry_after=300, sent_ids=("m1",))])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    row = await state_of(stage, outbox)
    assert (row.state, row.message_ids) == (OutboxState.READY, ("m1",))
    await delivery.deliver(row, REPLY)
    assert not adapter.finals[-1].maybe_duplicate


async def test_a_limit_after_an_uncertain_try_does_not_make_it_certain() -> None:
    adapter = ScriptedAdapter(failures=[DeliveryUnknown(), DeliveryRateLimited(retry_after=300)])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    row = await state_of(stage, outbox)
    assert row.state is OutboxState.SENDING
    await delivery.deliver(row, REPLY)
    assert adapter.finals[-1].maybe_duplicate


async def test_a_first_preview_that_may_have_arrived_is_told_at_the_end() -> None:
    adapter = EditingAdapter(capabilities=EDITING, failures=[DeliveryUnknown()])
    _, delivery, outbox = await on_stage(adapter)
    live = delivery.open(outbox)
    live.push("the")
    await eventually(lambda: not adapter.failures)
    await live.finish(REPLY)
    assert adapter.finals[-1].maybe_duplicate


async def test_what_answers_an_open_interaction_is_known_by_no_nonce() -> None:
    capabilities = replace(PLAIN, nonce_makes_resend_safe=True, handles_take_nonces=False)
    adapter = ScriptedAdapter(capabilities=capabilities)
    stage, delivery, outbox = await on_stage(adapter)
    await stage.store.mark_outbox(outbox.id, OutboxState.SENDING)
    interrupted = await state_of(stage, outbox)
    pressed = replace(interrupted, address=replace(interrupted.address, handle="press"))
    await delivery.deliver(pressed, REPLY)
    assert adapter.finals[-1].maybe_duplicate
    await delivery.deliver(interrupted, REPLY)
    assert not adapter.finals[-1].maybe_duplicate


async def test_a_refusal_for_good_ends_the_row() -> None:
    adapter = ScriptedAdapter(failures=[DeliveryRefused()])
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert (await state_of(stage, outbox)).state is OutboxState.FAILED


async def test_a_platform_that_is_not_here_is_a_refusal() -> None:
    stage, delivery, outbox = await on_stage(ScriptedAdapter(name=PlatformName("other")))
    delivery = Delivery(stage.store, {}, ManualClock(NOON), EnginePolicy())
    await delivery.deliver(outbox, REPLY)
    assert (await state_of(stage, outbox)).state is OutboxState.FAILED


class WatchedAdapter(ScriptedAdapter):
    async def is_private(self, address: object) -> bool:
        return False


async def test_a_private_place_that_got_a_second_reader_gets_no_private_reply() -> None:
    adapter = WatchedAdapter()
    stage, delivery, outbox = await on_stage(adapter)
    await delivery.deliver(outbox, REPLY)
    assert adapter.shown == {}
    assert (await state_of(stage, outbox)).state is OutboxState.FAILED
