"""Edits and deletes on a platform, of messages that were answered already: what came of them follows."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from core.errors import ErasedMeanwhile, MemoryChatError, NotFound
from core.forgetting import Forgetting
from core.messages import InboxRow, MessageDeleted, MessageEdited
from core.ports import MemoryOrigin, MemoryPort, Store
from core.privacy import policy_of
from core.text import clean_text
from core.tracing import where
from core.types import Role, TurnState
from core.vault import Vault

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2
PATIENCE = 900.0
"""Seconds that an answer which is being written is waited for."""


class Revision:
    """A message that is being answered is waited for; the answer itself stays as it was given."""

    def __init__(self, store: Store, vault: Vault, memory: MemoryPort, forgetting: Forgetting) -> None:
        self._store = store
        self._vault = vault
        self._memory = memory
        self._forgetting = forgetting
        self._waiting: set[asyncio.Task[None]] = set()

    async def follow(self, event: MessageEdited | MessageDeleted) -> None:
        """Raises StoreError, MemoryUnavailable: the platform will deliver the event again."""
        row = await self._store.find_turn_by_event(event.event_key)
        if row is None or not policy_of(row.stamp.mode).persist:
            return
        if row.state is TurnState.RUNNING:
            task = asyncio.create_task(self._later(event))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
            return
        await self._apply(row, event)

    async def drain(self) -> None:
        while self._waiting:
            await asyncio.wait(list(self._waiting))

    async def stop(self) -> None:
        for task in list(self._waiting):
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _later(self, event: MessageEdited | MessageDeleted) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                row = await self._ended(event)
                if row is not None:
                    try:
                        await self._apply(row, event)
                    except MemoryChatError as error:
                        log.warning("an edit could not be followed: %s at %s", type(error).__name__, where(error))

    async def _ended(self, event: MessageEdited | MessageDeleted) -> InboxRow | None:
        """The other process may be the one that answers, so that the store is asked."""
        while True:
            row = await self._store.find_turn_by_event(event.event_key)
            if row is None or row.state is not TurnState.RUNNING:
                return row
            await asyncio.sleep(LOOK_EVERY)

    async def _apply(self, row: InboxRow, event: MessageEdited | MessageDeleted) -> None:
        text = clean_text(event.text).strip() if isinstance(event, MessageEdited) else ""
        author, turn_id = row.stamp.author_id, row.merged_into or row.id
        messages = await self._store.get_turn_messages(author, turn_id)
        said = [item for item in messages if item.role is Role.USER and item.author_id == author]
        content = await self._vault.open_turn(row) if row.content is not None else None
        whole = await self._vault.open_text(said[0].session_id, said[0].content) if said else ""
        # Several messages may have been answered as one; the others of them stay.
        changed = whole.replace(content.text, text, 1).strip() if content and content.text else text
        if not said or content is None or not changed:
            await self._forgetting.turn(author, turn_id)
            return
        await self._forget_derived(row)
        sealed = await self._vault.seal_message(said[0].session_id, changed)
        kept = await self._vault.keep_turn(row.stamp, row.id, replace(content, text=text))
        assert kept is not None  # of an incognito turn nothing is followed
        await self._store.change_message(author, turn_id, sealed, rows={row.id: kept})
        await self._remember(row, changed, said[0].author_name)
        await self._forgetting.settle()

    async def _forget_derived(self, row: InboxRow) -> None:
        """The memories of the old text, with the replies that used them; its own reply stays."""
        found = await self._store.find_memories_by_turn(row.stamp.author_id, row.merged_into or row.id)
        for record in found:
            with suppress(NotFound):
                await self._memory.delete_memory(record.namespace, record.id)
        turn_id = row.merged_into or row.id
        await self._store.forget_turns(row.stamp.author_id, [], [turn_id, *(record.id for record in found)])

    async def _remember(self, row: InboxRow, text: str, speaker: str) -> None:
        namespace = row.stamp.learn
        if namespace is None:
            return
        origin = MemoryOrigin(
            said_at=row.sent_at,
            author_id=row.stamp.author_id,
            author_name=speaker,
            platform=row.address.place.platform,
            source_turns=(row.merged_into or row.id,),
        )
        state = await self._store.get_namespace_state(namespace)
        for record in await self._memory.prepare_memories(namespace, text, origin):
            with suppress(ErasedMeanwhile, NotFound):
                await self._store.store_mem0_memory_reference(record, erase_generation=state.erase_generation)
