"""Getting one reply to its platform: streaming inside the edit budget, the outbox states, retries (design §3.5)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

from core.capabilities import StreamingStyle
from core.errors import (
    DeliveryError,
    DeliveryRateLimited,
    DeliveryRefused,
    DeliveryUnknown,
    MemoryChatError,
)
from core.messages import OutboxRow, Reply, ReplyAddress, ReplyKind
from core.policy import EnginePolicy
from core.ports import (
    Clock,
    PlatformAdapter,
    ReplyStream,
    Store,
    SupportsEdit,
    SupportsMembership,
    SupportsParts,
    SupportsStreaming,
    SupportsTyping,
)
from core.ports.observer import UNOBSERVED, DeliveryOutcome, Observer, Step, timing
from core.types import Audience, ConversationKind, OutboxId, OutboxState, PlatformName

log = logging.getLogger(__name__)

SEND_TRIES = 4
NONCE_LIFE = timedelta(minutes=2)
DELIVERY_HOLD = timedelta(seconds=30)
"""So long after a process last said that it is sending a reply, another one takes it for abandoned."""
TYPING_SECONDS = 4.0
TYPING_DELAY = 0.5
"""Seconds until the first indicator: nobody misses it so soon, and a quicker reply does without that call."""


class Delivery:
    """Delivers for every platform whose adapter this process has."""

    def __init__(
        self,
        store: Store,
        adapters: Mapping[PlatformName, PlatformAdapter],
        clock: Clock,
        policy: EnginePolicy,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store = store
        self._adapters = adapters
        self._clock = clock
        self._policy = policy
        self._observer = observer
        self._under_way: set[OutboxId] = set()

    def is_under_way(self, outbox_id: OutboxId) -> bool:
        """Whether this process is sending it now, which on a slow platform takes longer than its row is held."""
        return outbox_id in self._under_way

    def adapter(self, address: ReplyAddress) -> PlatformAdapter:
        """Raises DeliveryRefused when this process cannot send there."""
        try:
            return self._adapters[address.place.platform]
        except KeyError:
            raise DeliveryRefused("no adapter for this platform here") from None

    def open(self, outbox: OutboxRow) -> LiveReply:
        """Begin a reply: typing indicator soon, text as soon as there is some."""
        return LiveReply(self, self._store, self.adapter(outbox.address), outbox)

    async def say(self, address: ReplyAddress, reply: Reply, nonce: str) -> None:
        """Send a reply that no row stands for: once, as well as it goes."""
        try:
            await self.adapter(address).send(address, reply, nonce=nonce)
        except DeliveryError as error:
            log.warning("last words not delivered: %s", type(error).__name__)

    async def deliver(
        self,
        outbox: OutboxRow,
        reply: Reply,
        stream: ReplyStream | None = None,
        *,
        unsure: bool = False,
        recorded: bool = False,
    ) -> bool:
        """Send the final form until the platform has it or refuses it, or leave the row for `retry_unsent`: False.

        The row ends as `sent`; `failed` when the platform refuses for good; else it stays with its next attempt's time.
        `unsure`: something that nobody knows the id of may stand there already. `outbox` is the row as it was before
        this try; `recorded`: the record of its turn has made it `sending` meanwhile.
        """
        self._under_way.add(outbox.id)
        try:
            return await self._deliver(outbox, reply, stream, unsure=unsure, recorded=recorded)
        finally:
            self._under_way.discard(outbox.id)

    async def _deliver(
        self, outbox: OutboxRow, reply: Reply, stream: ReplyStream | None, *, unsure: bool, recorded: bool
    ) -> bool:
        unsure = unsure or (outbox.state is OutboxState.SENDING and outbox.attempts > 0)
        outbox = replace(outbox, message_ids=stream.message_ids if stream is not None else outbox.message_ids)
        try:
            adapter = self.adapter(outbox.address)
            await self._recheck_audience(adapter, outbox, reply)
            if unsure:
                reply = self._labelled(adapter, outbox, reply)
            if not recorded:
                await self._store.mark_outbox(outbox.id, OutboxState.SENDING, message_ids=outbox.message_ids)
                await self._keep(outbox.id)
            with timing(self._observer, Step.DELIVER):
                async with self._held(outbox.id):
                    ids = await self._send(adapter, outbox, reply, stream)
        except DeliveryRefused as error:
            log.warning("reply refused by the platform: %s", type(error).__name__)
            self._count(outbox, DeliveryOutcome.REFUSED)
            await self._store.mark_outbox(outbox.id, OutboxState.FAILED)
        except DeliveryError as error:
            self._count(outbox, DeliveryOutcome.PUT_OFF)
            await self._put_off(outbox, error, unsure=unsure or error.may_have_sent)
            return False
        else:
            log.debug("reply sent in %d parts", len(ids))
            self._count(outbox, DeliveryOutcome.LABELLED if reply.maybe_duplicate else DeliveryOutcome.SENT)
            await self._store.mark_outbox(outbox.id, OutboxState.SENT, message_ids=ids)
        return True

    @asynccontextmanager
    async def _held(self, outbox_id: OutboxId) -> AsyncIterator[None]:
        """While a long reply is on its way in many parts, no other process takes it for abandoned."""
        sent = asyncio.Event()
        holding = asyncio.create_task(self._hold(outbox_id, sent))
        try:
            yield
        finally:
            # Waited for, so that it cannot overwrite what the row becomes next.
            sent.set()
            await holding

    async def _hold(self, outbox_id: OutboxId, sent: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(DELIVERY_HOLD.total_seconds() / 3):
                    await sent.wait()
            if sent.is_set():
                return
            with suppress(MemoryChatError):
                await self._keep(outbox_id)

    async def _keep(self, outbox_id: OutboxId) -> None:
        until = self._clock.now() + DELIVERY_HOLD
        await self._store.mark_outbox(outbox_id, OutboxState.SENDING, next_attempt_at=until)

    def _count(self, outbox: OutboxRow, outcome: DeliveryOutcome) -> None:
        self._observer.delivered(outbox.address.place.platform, outcome)

    async def _put_off(self, outbox: OutboxRow, error: DeliveryError, *, unsure: bool) -> None:
        wait = (
            error.retry_after
            if isinstance(error, DeliveryRateLimited)
            else 5.0 * 2 ** min(outbox.attempts, 9) * _jitter()
        )
        log.warning("reply put off by %.0f s: %s", wait, type(error).__name__)
        # Where nothing but the known messages can have left this machine the row is `ready` again and needs no label.
        state = OutboxState.SENDING if unsure else OutboxState.READY
        due = self._clock.now() + timedelta(seconds=wait)
        known = error.sent_ids or outbox.message_ids
        await self._store.mark_outbox(outbox.id, state, message_ids=known, next_attempt_at=due)

    async def _send(
        self, adapter: PlatformAdapter, outbox: OutboxRow, reply: Reply, stream: ReplyStream | None
    ) -> tuple[str, ...]:
        """Tries again at once what may be tried again; the last error goes up."""
        unsure = False
        for attempt in range(SEND_TRIES):
            try:
                if stream is not None:
                    return await stream.finish(reply)
                known = outbox.message_ids
                return await adapter.send(outbox.address, reply, nonce=outbox.nonce, known_ids=known)
            except DeliveryRateLimited as error:
                if error.retry_after > self._policy.delivery_wait or attempt == SEND_TRIES - 1:
                    error.may_have_sent = unsure
                    raise
                outbox = replace(outbox, message_ids=error.sent_ids or outbox.message_ids)
                await asyncio.sleep(error.retry_after)
            except DeliveryUnknown as error:
                if attempt == SEND_TRIES - 1:
                    raise
                known = stream.message_ids if stream is not None else outbox.message_ids
                outbox, stream, unsure = replace(outbox, message_ids=error.sent_ids or known), None, True
                reply = self._labelled(adapter, outbox, reply)
                await asyncio.sleep(0.5 * 2**attempt * _jitter())
        raise DeliveryUnknown("no try left")

    def _labelled(self, adapter: PlatformAdapter, outbox: OutboxRow, reply: Reply) -> Reply:
        """With the label, unless the platform recognises what an earlier try may have sent."""
        if _resend_is_safe(adapter, outbox, reply, self._clock.now() - outbox.created_at):
            return reply
        return replace(reply, maybe_duplicate=True)

    async def _recheck_audience(self, adapter: PlatformAdapter, outbox: OutboxRow, reply: Reply) -> None:
        """A private place may have got a second reader since the turn was accepted (design §5)."""
        if outbox.address.kind is not ConversationKind.PRIVATE or reply.kind is ReplyKind.NOTICE:
            return
        if isinstance(adapter, SupportsMembership) and not await adapter.is_private(outbox.address):
            raise DeliveryRefused("the place is no longer private")


class LiveReply:
    """A reply in the making. `push` never blocks; a pump shows the newest text as often as the platform allows."""

    def __init__(self, delivery: Delivery, store: Store, adapter: PlatformAdapter, outbox: OutboxRow) -> None:
        self._delivery = delivery
        self._store = store
        self._adapter = adapter
        self._outbox = outbox
        self._text = ""
        self._shown = ""
        self._stream: ReplyStream | None = None
        self._changed = asyncio.Event()
        self._updating: asyncio.Task[None] | None = None
        self._unsure = False
        self._pump = asyncio.create_task(self._run())

    def push(self, text: str) -> None:
        """The whole text so far."""
        self._text = text
        self._changed.set()

    @property
    def message_ids(self) -> tuple[str, ...]:
        """What the platform has of it, in order."""
        return self._stream.message_ids if self._stream is not None else self._outbox.message_ids

    async def finish(self, reply: Reply) -> None:
        """After the turn's record: deliver the final form; see `Delivery.deliver`."""
        await self.close()
        await self._delivery.deliver(self._outbox, reply, self._stream, unsure=self._unsure, recorded=True)

    async def close(self) -> None:
        """End the pump and leave what is shown as it is.

        A request that is under way is waited for, never cut: cut, it could still arrive and undo the final form.
        """
        self._pump.cancel()
        with suppress(asyncio.CancelledError):
            await self._pump
        if self._updating is not None:
            try:
                await self._updating
            except DeliveryUnknown:
                # Without an id its message cannot be edited into the final form.
                self._unsure = self._stream is not None and not self._stream.message_ids
            except DeliveryError as error:
                log.debug("the last preview was not shown: %s", type(error).__name__)

    async def _run(self) -> None:
        try:
            await self._type_until_text()
            await asyncio.sleep(self._adapter.capabilities.preview_after)
            if await self._begin():
                await self._keep_showing()
        except MemoryChatError as error:
            # The final text is sent whatever became of its previews.
            log.info("streaming ended early: %s", type(error).__name__)

    async def _type_until_text(self) -> None:
        typing = self._adapter if isinstance(self._adapter, SupportsTyping) else None
        await self._text_within(TYPING_DELAY)
        while not self._changed.is_set():
            if typing is not None:
                with suppress(DeliveryError):
                    await typing.typing(self._outbox.address)
            await self._text_within(TYPING_SECONDS)

    async def _text_within(self, seconds: float) -> None:
        # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the text.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _begin(self) -> bool:
        capabilities = self._adapter.capabilities
        in_room_alone = self._outbox.audience is Audience.ASKER and self._outbox.address.kind is ConversationKind.SHARED
        if capabilities.streaming is StreamingStyle.NONE or in_room_alone or self._outbox.message_ids:
            return False
        await self._begin_sending()
        if capabilities.streaming is StreamingStyle.NATIVE and isinstance(self._adapter, SupportsStreaming):
            self._stream = await self._adapter.open_stream(
                self._outbox.address, turn_id=self._outbox.turn_id, nonce=self._outbox.nonce
            )
        else:
            self._stream = EditStream(self._adapter, self._outbox)
        return True

    async def _begin_sending(self) -> None:
        """From here on a part of the reply may be on the platform: that has to be written down before it is."""
        sending = replace(self._outbox, state=OutboxState.SENDING, attempts=self._outbox.attempts + 1)
        if await self._store.open_outbox(sending) != sending:
            await self._store.mark_outbox(self._outbox.id, OutboxState.SENDING)

    async def _keep_showing(self) -> None:
        assert self._stream is not None
        known: tuple[str, ...] = ()
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._text != self._shown:
                pause = await self._show()
                if self._stream.message_ids != known:
                    known = self._stream.message_ids
                    await self._store.mark_outbox(self._outbox.id, OutboxState.SENDING, message_ids=known)
                await asyncio.sleep(pause)

    async def _show(self) -> float:
        """Show the newest text; the seconds to leave the platform alone now."""
        assert self._stream is not None
        text, interval = self._text, self._adapter.capabilities.edit_interval
        try:
            self._updating = asyncio.ensure_future(self._stream.update(text))
            await asyncio.shield(self._updating)
        except DeliveryRateLimited as error:
            return max(error.retry_after, interval)
        self._shown = text
        return interval


class EditStream:
    """Streaming for platforms that can only edit: a first message that grows until it is full."""

    def __init__(self, adapter: PlatformAdapter, outbox: OutboxRow) -> None:
        self._adapter = adapter
        self._outbox = outbox
        self._ids: tuple[str, ...] = ()

    @property
    def message_ids(self) -> tuple[str, ...]:
        return self._ids

    async def update(self, text: str) -> None:
        preview = Reply(text=text, kind=ReplyKind.ANSWER, audience=self._outbox.audience)
        if not self._ids:
            self._ids = await self._adapter.send(self._outbox.address, preview, nonce=self._outbox.nonce)
        elif isinstance(self._adapter, SupportsEdit) and len(text) < 0.9 * self._adapter.capabilities.max_characters:
            await self._adapter.edit(self._outbox.address, self._ids[0], preview)

    async def finish(self, reply: Reply) -> tuple[str, ...]:
        return await self._adapter.send(self._outbox.address, reply, nonce=self._outbox.nonce, known_ids=self._ids)


def _jitter() -> float:
    """So that what failed together does not come back together."""
    return random.uniform(0.75, 1.25)  # noqa: S311  # no secret


def _resend_is_safe(adapter: PlatformAdapter, outbox: OutboxRow, reply: Reply, age: timedelta) -> bool:
    """Whether nothing of the reply stands there twice after another try: by its nonce, which a platform keeps for some
    minutes of its `age`, or because every message of it is known and only edited."""
    capabilities = adapter.capabilities
    takes_nonce = capabilities.handles_take_nonces or not outbox.address.handle
    if capabilities.nonce_makes_resend_safe and takes_nonce and age < NONCE_LIFE:
        return True
    parts = adapter.parts(reply) if isinstance(adapter, SupportsParts) else 1
    return capabilities.edit_makes_resend_safe and len(outbox.message_ids) >= parts
