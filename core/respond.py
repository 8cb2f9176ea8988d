"""Answering one turn: recall and history, prompt, model, delivery, record (design §3.4 to §3.6)."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.commands.model import CommandReply
from core.delivery import DELIVERY_HOLD, LiveReply
from core.drafting import Drafting, broke_off
from core.errors import MemoryChatError, ModelError, ModelInterrupted, StoreUnavailable
from core.media import FILES_ONLY, MediaReader
from core.messages import (
    InboxRow,
    OutboxRow,
    Reply,
    ReplyDone,
    ReplyKind,
    Stamp,
    Turn,
    TurnContent,
)
from core.pacing import Pacing
from core.privacy import policy_of
from core.recorder import Draft, Recorder
from core.services import Services, command_reply
from core.tracing import turn_context, where
from core.types import (
    ConversationId,
    Lane,
    MemoryNamespace,
    OutboxId,
    OutboxState,
    PlatformName,
    TurnId,
    TurnState,
)
from core.vault import reply_of

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Conversations of one platform whose put-off replies are sent side by side."""
RETRY_WAIT = 3.0
"""Seconds that whoever has them sent again waits for them."""
STOP_WAIT = 1.0

HORIZON = datetime.max.replace(tzinfo=UTC)
STOPPED = "Stopped."
FILE_NOT_SENT = "I could not send you the file that you asked for. Please ask for it again in a while."
LOST_TALK = (
    "I was restarted meanwhile, and an incognito talk is kept nowhere: your last message and our talk are gone. "
    "You are still incognito; please write it again."
)


class Responder:
    """Runs turns for the queue. `stopped` holds the turns that their people cancelled (`/stop`), `abandoned` those
    whose people went away; `listen` hears of every finished reply."""

    def __init__(
        self,
        services: Services,
        pacing: Pacing,
        *,
        learn_soon: Callable[[MemoryNamespace], None],
        summarize_soon: Callable[[Stamp], None],
        listen: Callable[[InboxRow, ReplyDone], None],
        notify: Callable[[ConversationId, Lane], Awaitable[None]],
    ) -> None:
        self._s = services
        self._pacing = pacing
        self._learn_soon = learn_soon
        self._summarize_soon = summarize_soon
        self._listen = listen
        self._notify = notify
        self.stopped: set[TurnId] = set()
        self.abandoned: set[TurnId] = set()
        self._queued: set[OutboxId] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._slots: defaultdict[PlatformName, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._drafting = Drafting(services, pacing)
        self._media = MediaReader(
            services.delivery,
            services.transcriber,
            takes_images=services.policy.takes_images and not services.model.is_offline,
        )
        self._recorder = Recorder(
            services.store,
            services.vault,
            services.memory,
            services.clock,
            services.policy,
            services.owner,
            services.observer,
        )

    @property
    def recall_misses(self) -> int:
        """Turns since the start that were answered without the memory they should have had."""
        return self._drafting.composer.recall_misses

    async def respond(self, rows: tuple[InboxRow, ...]) -> None:
        """The TurnHandler. Errors of the model become a reply; those of the store go up, and the turn is run again."""
        head = rows[0]
        known = await self._known_reply(head)
        outbox = known or OutboxRow.of(head, ReplyKind.ANSWER, self._s.clock.now())
        if known and (ready := await self._s.vault.open_reply(known)) is not None:
            await self._deliver_ready(rows, outbox, ready)
        elif (contents := await self._contents(rows)) is None:
            await self._answer(rows, outbox, _failed(LOST_TALK, "incognito talk gone", ReplyKind.NOTICE))
        elif await self._is_stale(head):
            await self._skip(rows, outbox)
        elif head.attempts > self._s.policy.max_attempts:
            self._s.observer.turn_given_up()
            await self._answer(rows, outbox, _failed(MemoryChatError.user_message, "tried too often"))
        elif head.is_command:
            await self._run_command(rows, outbox, contents[0])
        else:
            await self._talk(rows, outbox, _merged(rows, contents))

    async def _known_reply(self, head: InboxRow) -> OutboxRow | None:
        """Of a turn that was tried before, or whose answer was ready when it was accepted; else there is none yet."""
        return await self._s.store.get_outbox(head.id) if head.is_command or head.attempts > 1 else None

    async def retry_unsent(self, *, abandoned: bool = False) -> int:
        """Send what was answered but not delivered and is due; how many rows are tried.

        In order in each conversation, side by side in different ones. Returns after RETRY_WAIT at the latest: a
        platform that does not answer holds up neither the start nor another one, and is tried on in the background.
        `abandoned`: nobody else can be delivering, because this is the only process and it has just started.
        """
        now = self._s.clock.now()
        due = await self._s.store.unsent_outbox(HORIZON if abandoned else now, now + DELIVERY_HOLD)
        chats: dict[ConversationId, list[OutboxRow]] = {}
        for outbox in due:
            if outbox.id not in self._queued and not self._s.delivery.is_under_way(outbox.id):
                self._queued.add(outbox.id)
                chats.setdefault(outbox.conversation_id, []).append(outbox)
        tasks = {asyncio.create_task(self._send_in_order(rows)) for rows in chats.values()}
        self._sending |= tasks
        for task in tasks:
            task.add_done_callback(self._sent_again)
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=RETRY_WAIT)
            for task in done:
                task.result()
        return sum(map(len, chats.values()))

    async def stop(self) -> None:
        """Give what is being sent again a moment, then leave it to the next start."""
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=STOP_WAIT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send_in_order(self, rows: list[OutboxRow]) -> None:
        try:
            async with self._slots[rows[0].address.place.platform]:
                for outbox in rows:
                    with turn_context(outbox.turn_id):
                        await self._send_again(outbox)
        finally:
            self._queued.difference_update(outbox.id for outbox in rows)

    def _sent_again(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("a reply was not sent again: %s", type(error).__name__)

    async def _send_again(self, outbox: OutboxRow) -> None:
        """Nothing, when another process took it because its turn came too late here."""
        now = await self._s.store.get_outbox(outbox.turn_id)
        if now is None or (now.state, now.next_attempt_at) != (outbox.state, outbox.next_attempt_at):
            return
        reply = await self._s.vault.open_reply(outbox)
        if reply is None:
            await self._s.store.mark_outbox(outbox.id, OutboxState.FAILED)
        else:
            await self._s.delivery.deliver(outbox, reply)

    # -- the ways a turn can go -------------------------------------------------------------------------------------

    async def _deliver_ready(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, reply: Reply) -> None:
        await self._recorder.record(rows, outbox, None, TurnState.ANSWERED)
        await self._s.delivery.deliver(outbox, reply, recorded=True)
        await self._finished(rows, outbox, reply, Draft(text=reply.text, kind=reply.kind))

    async def _answer(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, draft: Draft) -> None:
        """Send a reply that no model made."""
        outbox = replace(outbox, kind=draft.kind)
        reply = reply_of(outbox, draft.text)
        await self._recorder.record(rows, outbox, reply, draft.state, note=draft.reason)
        await self._s.delivery.deliver(outbox, reply, recorded=True)
        await self._finished(rows, outbox, reply, draft)

    async def _is_stale(self, head: InboxRow) -> bool:
        """A message from a time the bot was away, too old to be answered now."""
        return head.accepted_at - head.sent_at > self._s.policy.backlog_max_age and not head.is_command

    async def _skip(self, rows: tuple[InboxRow, ...], outbox: OutboxRow) -> None:
        now = self._s.clock.now()
        key = f"skipped:{outbox.conversation_id}"
        if not await self._s.store.record_notice(key, now, now - timedelta(hours=12)):
            await self._recorder.record(rows, None, None, TurnState.SKIPPED)
            return
        text = "I was away and found older messages here that I did not answer. Please ask again what still matters."
        await self._answer(rows, outbox, Draft(text=text, kind=ReplyKind.NOTICE, state=TurnState.SKIPPED))

    async def _run_command(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, content: TurnContent) -> None:
        outbox = replace(outbox, kind=ReplyKind.COMMAND)
        try:
            answer = await command_reply(self._s, _merged(rows, (content,)), self._status())
        except MemoryChatError as error:
            log.info("command refused: %s", type(error).__name__)
            outbox, answer = replace(outbox, kind=ReplyKind.ERROR), CommandReply(text=error.user_message)
        reply = replace(reply_of(outbox, answer.text, answer.buttons), files=answer.files)
        if answer.erased:
            # The turn went with its person: there is no row left to record or to mark.
            await self._s.delivery.say(outbox.address, reply, outbox.nonce)
            return
        if answer.files:
            # Files are kept nowhere: until they are sent the command counts as not run, and would run again.
            await self._s.store.open_outbox(outbox)
            if not await self._s.delivery.deliver(outbox, reply):
                await self._answer(rows, outbox, _failed(FILE_NOT_SENT, "file put off"))
                return
            await self._recorder.record(rows, None, None, TurnState.ANSWERED)
        else:
            await self._recorder.record(rows, outbox, reply, TurnState.ANSWERED)
            await self._s.delivery.deliver(outbox, reply, recorded=True)
        await self._finished(rows, outbox, reply, Draft(text=reply.text, kind=outbox.kind))
        if answer.rerun is not None:
            await self._notify(rows[0].stamp.conversation_id, Lane.MAIN)

    def _status(self) -> dict[str, str]:
        missed = self.recall_misses
        text = f"{missed} times since the start, because it was late or away"
        return self._s.conditions() | ({"Answered without memory": text} if missed else {})

    # -- talk -------------------------------------------------------------------------------------------------------

    async def _talk(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn) -> None:
        live = self._s.delivery.open(outbox)
        draft = Draft()
        try:
            if turn.id in self.stopped or turn.id in self.abandoned:
                # While the first run recorded its answer.
                raise asyncio.CancelledError
            turn = await self._media.read(turn)
            await self._drafting.write(turn, rows[0].note, live, draft)
        except ModelError as error:
            broke_off(draft, error)
        except StoreUnavailable:
            # It is run again, which a person need not know of.
            await live.close()
            raise
        except MemoryChatError as error:
            draft.text, draft.kind, draft.state = error.user_message, ReplyKind.ERROR, TurnState.FAILED
            draft.reason = error.code
        except asyncio.CancelledError:
            if turn.id in self.abandoned:
                await self._abandon(rows, live)
                return
            if turn.id not in self.stopped:
                await live.close()
                raise
            draft.text = f"{draft.text}\n\n_{STOPPED}_" if draft.text else STOPPED
            draft.state = TurnState.CANCELLED
        except Exception as error:
            # A bug of ours or of a library: the person hears of it, and the conversation goes on.
            log.error("turn failed: %s at %s", type(error).__name__, where(error))
            draft.reason = f"{type(error).__name__} at {where(error)}"
            broke_off(draft, ModelInterrupted(partial=draft.text) if draft.text else ModelError())
        self.stopped.discard(turn.id)
        await self._conclude(rows, outbox, turn, live, draft)

    async def _abandon(self, rows: tuple[InboxRow, ...], live: LiveReply) -> None:
        """Whoever asked is gone: nothing half-written stays."""
        await live.close()
        self.abandoned.discard(rows[0].id)
        await self._s.store.end_turn(rows[0].id, self._s.owner, TurnState.CANCELLED)
        self._s.observer.turn_ended(TurnState.CANCELLED)

    async def _conclude(
        self, rows: tuple[InboxRow, ...], outbox: OutboxRow, turn: Turn, live: LiveReply, draft: Draft
    ) -> None:
        await live.close()
        async with self._pacing.in_turn():
            await self._drafting.recheck_shares(turn, draft)
            outbox = replace(outbox, kind=draft.kind, message_ids=live.message_ids)
            text = f"{draft.notice}\n\n{draft.text}" if draft.notice else draft.text
            reply = await self._recorder.record_talk(rows, outbox, turn, reply_of(outbox, text), draft)
        await live.finish(reply)
        await self._finished(rows, outbox, reply, draft)
        if turn.stamp.learn is not None:
            self._learn_soon(turn.stamp.learn)
        if draft.is_long:
            self._summarize_soon(turn.stamp)

    async def _finished(self, rows: tuple[InboxRow, ...], outbox: OutboxRow, reply: Reply, draft: Draft) -> None:
        head = rows[0]
        if not policy_of(head.stamp.mode).persist:
            await self._s.vault.drop_turn([row.id for row in rows], outbox.id)
        self._listen(
            head,
            ReplyDone(
                turn_id=head.id,
                session_id=head.stamp.session_id,
                reply=reply,
                memories_used=tuple(item.memory.id for item in draft.memories),
                prompt_tokens=draft.usage.prompt_tokens,
                completion_tokens=draft.usage.completion_tokens,
                recall_missed=draft.recall_missed,
            ),
        )

    async def _contents(self, rows: tuple[InboxRow, ...]) -> tuple[TurnContent, ...] | None:
        """None when one of the texts was held in memory only and is gone."""
        contents = []
        for row in rows:
            content = await self._s.vault.open_turn(row)
            if content is None:
                return None
            contents.append(content)
        return tuple(contents)


def _failed(text: str, reason: str, kind: ReplyKind = ReplyKind.ERROR) -> Draft:
    return Draft(text=text, kind=kind, state=TurnState.FAILED, reason=reason)


def _merged(rows: tuple[InboxRow, ...], contents: tuple[TurnContent, ...]) -> Turn:
    """Messages that waited together are one input, line by line."""
    head, last = rows[0], rows[-1]
    content = replace(
        contents[0],
        text="\n".join(content.text for content in contents) or FILES_ONLY,
        attachments=tuple(item for content in contents for item in content.attachments),
    )
    return Turn(
        id=head.id,
        stamp=head.stamp,
        address=last.address,
        content=content,
        sent_at=head.sent_at,
        rows=tuple(row.id for row in rows),
        attempts=head.attempts,
    )
