"""Removing memories with the words that they came from, and looking again afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from core.errors import NotFound, StoreUnavailable
from core.pages import pages
from core.ports import Clock, EphemeralStore, MemoryPort, Store
from core.sealing import Sealer, namespace_scope, session_scope
from core.types import (
    ChannelIdentity,
    ChatSession,
    ErasureReceipt,
    Memory,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    SessionId,
    TurnId,
    UserId,
)

EraseFiles = Callable[[Sequence[ChannelIdentity]], Awaitable[int]]
"""Given the accounts of a person: exports and typed lines on this machine's disk go; how many files."""


async def no_files(_accounts: Sequence[ChannelIdentity]) -> int:
    """Where nothing is kept outside the store."""
    return 0


class ErasureServices(Protocol):
    """What erasing a person needs; `OwnData` and a command's context have it."""

    @property
    def store(self) -> Store: ...

    @property
    def memory(self) -> MemoryPort: ...

    @property
    def sealer(self) -> Sealer: ...

    @property
    def ephemeral(self) -> EphemeralStore: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def erase_files(self) -> EraseFiles: ...


@dataclass(slots=True)
class Removal:
    """How much of what went; `verified`: looking again found nothing of it."""

    removed: dict[str, int] = field(default_factory=dict)
    verified: bool = True

    def count(self, removed: Mapping[str, int]) -> None:
        for word, number in removed.items():
            self.removed[word] = self.removed.get(word, 0) + number


class Forgetting:
    """What `/forget`, `/profile delete`, `/erase` and edits and deletes on a platform have in common."""

    def __init__(self, store: Store, memory: MemoryPort, sealer: Sealer, ephemeral: EphemeralStore) -> None:
        self._store = store
        self._memory = memory
        self._sealer = sealer
        self._ephemeral = ephemeral

    @classmethod
    def of(cls, services: ErasureServices) -> Forgetting:
        return cls(services.store, services.memory, services.sealer, services.ephemeral)

    async def memories(self, wanted: Sequence[tuple[MemoryNamespace, MemoryId]]) -> Removal:
        """Memories, the messages that they came from, and the replies that used them."""
        removal = Removal({"memories": 0})
        gone: list[Memory] = []
        for namespace, memory_id in wanted:
            with suppress(NotFound):
                memory = await self._memory.get_memory(namespace, memory_id)
                await self._memory.delete_memory(namespace, memory_id)
                removal.count({"memories": 1})
                sources: list[MemoryId | TurnId] = [memory_id, *memory.source_turns]
                removal.count(await self._store.forget_turns(namespace.user_id, memory.source_turns, sources))
                gone.append(memory)
        await self.settle()
        removal.verified = not [memory for memory in gone if await self._is_found(memory)]
        return removal

    async def turn(self, user_id: UserId, turn_id: TurnId) -> Removal:
        """What came of one turn: memories, messages, row."""
        found = await self._store.find_memories_by_turn(user_id, turn_id)
        removal = await self.memories([(record.namespace, record.id) for record in found])
        removal.count(await self._store.forget_turns(user_id, [turn_id], [turn_id]))
        await self.settle()
        left = await self._store.find_memories_by_turn(user_id, turn_id)
        removal.verified = removal.verified and not left
        return removal

    async def profile(self, namespace: MemoryNamespace, running: SessionId | None = None) -> Removal:
        """All memories of a profile and all talk under it. The keys go with them, so that no backup opens it; the talk
        that is `running`, in which the command is answered, is emptied and keeps its key."""
        sources = _sources((await self._store.get_memory_changes(namespace, -1)).records)
        gone = await self._memory.delete_all_memories(namespace)
        removal = Removal({"memories": gone, "messages": 0, "sessions": 0})
        removal.count(await self._store.forget_turns(namespace.user_id, [], sources))

        sessions = pages(
            lambda limit, offset: self._store.get_user_sessions(
                namespace.user_id, limit, offset, profile_id=namespace.profile_id
            )
        )
        found = [session async for session in sessions]
        emptied = [item.id for item in found if item.id == running or await self._is_busy(item)]
        for session_id in emptied:
            removal.count({"messages": await self._store.delete_session_messages(namespace.user_id, session_id)})
        closed = [item.id for item in found if item.id not in emptied]
        await self.keys_of(closed)
        for session_id in closed:
            messages = await self._store.delete_chat_session(namespace.user_id, session_id)
            removal.count({"messages": messages, "sessions": 1})
        await self.settle()
        left = await self._memory.get_memories(namespace, limit=1, include_superseded=True)
        removal.verified = not left
        return removal

    async def words_in_room(self, space_id: UserId, author_id: UserId) -> Mapping[str, int]:
        """What a member wrote in a room, learned from or not."""
        sessions = pages(lambda limit, offset: self._store.get_user_sessions(space_id, limit, offset))
        here = {session.id async for session in sessions}
        authored = pages(lambda limit, offset: self._store.get_authored_messages(author_id, limit, offset))
        found = [message async for message in authored if message.session_id in here]
        turns = list(dict.fromkeys(message.turn_id for message in found if message.turn_id is not None))
        removed = await self._store.forget_turns(author_id, turns, turns)
        await self.settle()
        return removed

    async def person(self, user_id: UserId, at: datetime, erase_files: EraseFiles) -> ErasureReceipt:
        """Keys and indexes first, rows last: broken off in the middle, what is left is unreadable, and erasing goes
        on."""
        store = self._store
        accounts = await store.get_identities(user_id)
        authored = pages(lambda limit, offset: store.get_authored_memories(user_id, limit, offset))
        told = [record async for record in authored]
        rooms = {record.namespace for record in told}
        namespaces = [profile.namespace for profile in await store.get_memory_profiles(user_id)]
        for namespace in namespaces:
            told += (await store.get_memory_changes(namespace, -1)).records
        sessions = pages(lambda limit, offset: store.get_user_sessions(user_id, limit, offset))
        talks = [session.id async for session in sessions]
        memories = sum([await self._memory.delete_all_memories(namespace) for namespace in namespaces])
        await self._sealer.destroy(*map(namespace_scope, namespaces), *map(session_scope, talks))
        await self.end_talks(talks)
        # What others were answered out of it, in rooms, is theirs; the person's words in it are not.
        quoting = (await store.forget_turns(user_id, [], _sources(told)))["messages"]
        receipt = await store.erase_user(user_id, at)
        files = await erase_files(accounts)
        removed = {
            **receipt.removed,
            "memories": memories + receipt.removed["memories"],
            "messages": quoting + receipt.removed["messages"],
            "files": files,
        }
        gone = await self._is_gone(user_id, accounts, rooms)
        receipt = replace(receipt, removed=removed, verified=receipt.verified and gone)
        await store.save_receipt(receipt)
        await self.settle()
        return receipt

    async def _is_gone(
        self, user_id: UserId, accounts: Sequence[ChannelIdentity], rooms: Iterable[MemoryNamespace]
    ) -> bool:
        """The second search, also in what rooms remember: their indexes lose the person's words with it."""
        for namespace in rooms:
            found = await self._memory.search_memories([namespace], user_id, limit=50, floor=False)
            if any(item.memory.author_id == user_id for item in found):
                return False
        for account in accounts:
            left = await self._store.find_identity(account.platform, account.workspace_id, account.external_id)
            if left is not None and left.user_id == user_id:
                return False
        return not await self._store.get_identities(user_id)

    async def end_talks(self, sessions: Sequence[SessionId]) -> None:
        """What working memory holds of them goes."""
        if sessions:
            await self._ephemeral.delete(*(f"history:{session_id}" for session_id in sessions))

    async def keys_of(self, sessions: Sequence[SessionId]) -> None:
        """Destroy the keys of talks, and what working memory holds of them."""
        if sessions:
            await self._sealer.destroy(*map(session_scope, sessions))
            await self.end_talks(sessions)

    async def settle(self) -> None:
        """Take the deleted bytes off the disk now. When another process reads just then, the scheduler does it."""
        with suppress(StoreUnavailable):
            await self._store.compact()

    async def _is_busy(self, session: ChatSession) -> bool:
        """Whether something is being answered in it, whose record must find its session."""
        if session.closed_at is not None or session.conversation_id is None:
            return False
        return await self._store.is_busy(session.conversation_id)

    async def _is_found(self, memory: Memory) -> bool:
        """By its id, and by a search for its own words."""
        with suppress(NotFound):
            await self._memory.get_memory(memory.namespace, memory.id)
            return True
        found = await self._memory.search_memories([memory.namespace], memory.text, limit=3, floor=False)
        return any(item.memory.id == memory.id for item in found)


def _sources(records: Iterable[MemoryRecord]) -> list[MemoryId | TurnId]:
    """The memories and the turns that they came from: what a reply may have used, also under an earlier id."""
    ids: set[MemoryId | TurnId] = set()
    for record in records:
        ids.update((record.id, *record.source_turns))
    return sorted(ids)
