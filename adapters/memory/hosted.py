"""mem0's hosted platform behind the same port, for who wants it: texts leave this machine, and neither sealing nor the
erasure promises hold there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from core.errors import EmptyMessage, InvalidNamespace, MemoryUnavailable, NotFound
from core.languages import detect_language
from core.ports import Clock, LearnableTurn, LearningOutcome, MemoryOrigin
from core.speech import is_trivial
from core.statements import recent_memories
from core.types import (
    JsonValue,
    Memory,
    MemoryId,
    MemoryNamespace,
    MemoryRecord,
    MemoryState,
    Metadata,
    PlatformName,
    ProfileId,
    RecalledMemory,
    TurnId,
    UserId,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mem0 import AsyncMemoryClient

Row = Mapping[str, JsonValue]

PAGE = 100
TIMEOUT_SECONDS = 20.0


class HostedMemory:
    """`MemoryPort` on mem0's platform. It stores and learns in its own time (its `add` only accepts), so that nothing
    told is recallable at once, `prepare_memories` prepares nothing, and a new memory's id may be that of its event."""

    def __init__(self, api_key: str, clock: Clock, *, host: str | None = None) -> None:
        self._api_key = api_key
        self._host = host
        self._clock = clock
        self._client: AsyncMemoryClient | None = None

    @property
    def is_ready(self) -> bool:
        return self._client is not None

    async def warm(self) -> None:
        if self._client is None:
            # By way of the engine's module, which turns telemetry off before mem0 is imported (1.3 s, so in a thread).
            await asyncio.to_thread(import_module, "adapters.memory.mem0_engine")
            self._client = await self._reached(asyncio.to_thread(self._connect))

    async def open(self, namespaces: Sequence[MemoryNamespace]) -> None:
        """They are at mem0's."""

    def create_user_identifier(self, user_id: UserId, profile_id: str) -> str:
        return str(MemoryNamespace(user_id, ProfileId(profile_id)))

    async def prepare_memories(
        self, namespace: MemoryNamespace, text: str, origin: MemoryOrigin
    ) -> tuple[MemoryRecord, ...]:
        return ()

    async def add_memory(
        self,
        namespace: MemoryNamespace,
        text: str,
        origin: MemoryOrigin,
        *,
        state: MemoryState = MemoryState.LEARNED,
        metadata: Metadata | None = None,
    ) -> Memory:
        if not text.strip():
            raise EmptyMessage
        client = await self._opened()
        facts: dict[str, JsonValue] = {
            "said_at": origin.said_at.isoformat(),
            "author_id": origin.author_id,
            "author_name": origin.author_name,
            "platform": origin.platform,
            "language": origin.language or detect_language(text),
            "source_turns": list(origin.source_turns),
            "state": state,
            "extra": dict(metadata or {}),
        }
        answer = await self._reached(
            client.add([{"role": "user", "content": text}], user_id=str(namespace), infer=False, metadata=facts)
        )
        row = next(iter(_rows(answer)), answer)
        memory_id = str(row.get("id") or row.get("event_id") or "")
        return self._memory(namespace, {"id": memory_id, "memory": text, "metadata": facts})

    async def get_memories(
        self,
        namespace: MemoryNamespace,
        *,
        limit: int = 100,
        offset: int = 0,
        include_superseded: bool = False,
    ) -> list[Memory]:
        memories = await self._all(namespace)
        memories.sort(key=lambda memory: memory.said_at, reverse=True)
        return memories[offset : offset + limit]

    async def get_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> Memory:
        client = await self._opened()
        row = await self._reached(client.get(str(memory_id)))
        if row.get("user_id") != str(namespace):
            raise NotFound
        return self._memory(namespace, row)

    async def count_memories(self, namespace: MemoryNamespace) -> int:
        return len(await self._all(namespace))

    def foresee(self, query: str) -> None:
        """Nothing: the platform does the searching."""

    async def search_memories(
        self, namespaces: Sequence[MemoryNamespace], query: str, *, limit: int = 10, floor: bool = True
    ) -> list[RecalledMemory]:
        if not namespaces or not query.strip() or (floor and is_trivial(query)):
            return []
        client = await self._opened()
        found: list[RecalledMemory] = []
        for namespace in dict.fromkeys(namespaces):
            filters = {"user_id": str(namespace)}
            answer = await self._reached(client.search(query, filters=filters, top_k=limit))
            for row in _rows(answer):
                if row.get("user_id", str(namespace)) == str(namespace):
                    score = row.get("score")
                    score = float(score) if isinstance(score, int | float) else 0.0
                    found.append(RecalledMemory(self._memory(namespace, row), score))
        return sorted(found, key=lambda recalled: -recalled.score)[:limit]

    async def update_memory(self, namespace: MemoryNamespace, memory_id: MemoryId, text: str) -> Memory:
        if not text.strip():
            raise EmptyMessage
        await self.get_memory(namespace, memory_id)
        client = await self._opened()
        await self._reached(client.update(str(memory_id), text=text))
        return await self.get_memory(namespace, memory_id)

    async def delete_memory(self, namespace: MemoryNamespace, memory_id: MemoryId) -> None:
        await self.get_memory(namespace, memory_id)
        client = await self._opened()
        await self._reached(client.delete(str(memory_id)))

    async def delete_all_memories(self, namespace: MemoryNamespace) -> int:
        count = await self.count_memories(namespace)
        client = await self._opened()
        await self._reached(client.delete_all(user_id=str(namespace)))
        return count

    async def copy_memories_to_profile(self, source: MemoryNamespace, target: MemoryNamespace) -> int:
        if source.user_id != target.user_id:
            raise InvalidNamespace
        held = {memory.text for memory in await self._all(target)}
        missing = [memory for memory in await self._all(source) if memory.text not in held]
        for memory in missing:
            origin = MemoryOrigin(
                memory.said_at,
                memory.author_id,
                memory.author_name,
                memory.platform,
                memory.source_turns,
                memory.language,
            )
            await self.add_memory(target, memory.text, origin, metadata=memory.metadata)
        return len(missing)

    async def extract_memories_from_conversation(
        self, namespace: MemoryNamespace, turns: Sequence[LearnableTurn], *, read_at: int | None = None
    ) -> LearningOutcome:
        """The platform infers. Only what a turn tells is sent: no question, nothing trivial, no secret."""
        messages: list[dict[str, str]] = []
        for turn in turns:
            told = " ".join(recent_memories(turn.text))
            if told:
                messages.append({"role": "user", "content": told})
                messages += [{"role": "assistant", "content": turn.reply}] if turn.reply else []
        if not messages:
            return LearningOutcome()
        client = await self._opened()
        answer = await self._reached(client.add(messages, user_id=str(namespace)))
        added = tuple(MemoryId(str(row["id"])) for row in _rows(answer) if row.get("id"))
        return LearningOutcome(added=added, model_calls=1)

    async def reindex(self) -> int:
        return 0

    async def verify(self) -> int:
        """There is no index of ours."""
        return 0

    async def close(self) -> None:
        if self._client is not None:
            await self._client.async_client.aclose()
            self._client = None

    def _connect(self) -> AsyncMemoryClient:
        from adapters.memory.mem0_engine import hosted_client

        return hosted_client(self._api_key, self._host, TIMEOUT_SECONDS)

    async def _opened(self) -> AsyncMemoryClient:
        await self.warm()
        return self._client

    async def _all(self, namespace: MemoryNamespace) -> list[Memory]:
        client = await self._opened()
        memories: list[Memory] = []
        page = 1
        while True:
            filters = {"user_id": str(namespace)}
            answer = await self._reached(client.get_all(filters=filters, page=page, page_size=PAGE))
            rows = _rows(answer)
            memories += [self._memory(namespace, row) for row in rows]
            if len(rows) < PAGE:
                return memories
            page += 1

    async def _reached(self, call: Awaitable[object]) -> dict[str, JsonValue]:
        """The platform's answer. Its errors quote what was sent, so only their kind is kept."""
        from httpx import HTTPError

        from adapters.memory.mem0_engine import MEMORY_NOT_FOUND, PLATFORM_ERROR

        try:
            return await call  # type: ignore[return-value]  # untyped client: JSON objects
        except MEMORY_NOT_FOUND:
            raise NotFound from None
        except (PLATFORM_ERROR, HTTPError, ValueError, OSError) as error:
            raise MemoryUnavailable("mem0 platform", type(error).__name__) from None

    def _memory(self, namespace: MemoryNamespace, row: Row) -> Memory:
        facts = row.get("metadata")
        facts = facts if isinstance(facts, Mapping) else {}
        text = str(row.get("memory", ""))
        created = _moment(row.get("created_at")) or self._clock.now()
        turns = facts.get("source_turns")
        extra = facts.get("extra")
        return Memory(
            id=MemoryId(str(row.get("id", ""))),
            namespace=namespace,
            text=text,
            state=MemoryState.LEARNED,
            said_at=_moment(facts.get("said_at")) or created,
            created_at=created,
            updated_at=_moment(row.get("updated_at")) or created,
            author_id=UserId(str(facts["author_id"])) if facts.get("author_id") else None,
            author_name=str(facts.get("author_name") or ""),
            language=str(facts.get("language") or detect_language(text)),
            platform=PlatformName(str(facts.get("platform") or "")),
            source_turns=tuple(TurnId(str(turn)) for turn in turns) if isinstance(turns, list) else (),
            metadata=extra if isinstance(extra, dict) else {},
        )


def _rows(answer: Mapping[str, JsonValue]) -> list[Row]:
    rows = answer.get("results")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
