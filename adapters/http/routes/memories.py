from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status

from adapters.http.dependencies import Offset, Reader, Services, Writer
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.common import Id, Text
from adapters.http.schemas.memory import (
    FoundMemory,
    MemoryCopy,
    MemoryCopyResponse,
    MemoryCreate,
    MemoryResponse,
    MemorySearchRequest,
    MemorySearchResponse,
    MemoryUpdate,
)
from adapters.http.schemas.user import ErasureReceiptResponse
from core.types import MemoryId, MemoryProfile, ProfileId, UserId

router = APIRouter(prefix=API, tags=["memories"])
MAX_FOUND = 50


@router.get("/memory-profiles/{profile_id}/memories", responses=responses(401, 403, 404))
async def list_memories(
    profile_id: Id,
    caller: Reader,
    services: Services,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Offset = 0,
    q: Annotated[Text, Query(max_length=1_000)] = "",
    include_superseded: bool = False,
) -> list[MemoryResponse]:
    """Newest said first; with `q` what fits it, best first, at most 50. For texts that should not stand in a URL there
    is `search`."""
    profile = await _profile(services, caller.user.id, profile_id)
    if q:
        wanted = min(limit + offset, MAX_FOUND)
        found = await services.memory.search_memories([profile.namespace], q, limit=wanted)
        return [MemoryResponse.of(item.memory) for item in found[offset : offset + limit]]
    memories = await services.memory.get_memories(
        profile.namespace, limit=limit, offset=offset, include_superseded=include_superseded
    )
    return [MemoryResponse.of(memory) for memory in memories]


@router.post(
    "/memory-profiles/{profile_id}/memories",
    status_code=status.HTTP_201_CREATED,
    responses=responses(401, 403, 404),
)
async def create_memory(profile_id: Id, body: MemoryCreate, caller: Writer, services: Services) -> MemoryResponse:
    """The existing one when the profile holds the same text already. Passwords and keys are refused (400)."""
    memory = await services.own.remember(caller.user, ProfileId(str(profile_id)), body.content)
    return MemoryResponse.of(memory)


@router.post("/memory-profiles/{profile_id}/search", responses=responses(401, 403, 404))
async def search_memories(
    profile_id: Id, body: MemorySearchRequest, caller: Reader, services: Services
) -> MemorySearchResponse:
    profile = await _profile(services, caller.user.id, profile_id)
    found = await services.memory.search_memories([profile.namespace], body.query, limit=body.limit)
    results = [FoundMemory.found(item) for item in found]
    return MemorySearchResponse(query=body.query, results=results, count=len(results))


@router.post("/memory-profiles/{profile_id}/copy", responses=responses(401, 403, 404))
async def copy_memories(profile_id: Id, body: MemoryCopy, caller: Writer, services: Services) -> MemoryCopyResponse:
    """What the target holds already is not copied."""
    source = await _profile(services, caller.user.id, profile_id)
    target = await _profile(services, caller.user.id, body.target_profile_id)
    copied = await services.memory.copy_memories_to_profile(source.namespace, target.namespace)
    return MemoryCopyResponse(copied=copied)


@router.patch("/memories/{memory_id}", responses=responses(401, 403, 404))
async def correct_memory(memory_id: Id, body: MemoryUpdate, caller: Writer, services: Services) -> MemoryResponse:
    memory = await services.own.correct_memory(caller.user.id, MemoryId(str(memory_id)), body.content)
    return MemoryResponse.of(memory)


@router.delete("/memories/{memory_id}", responses=responses(401, 403, 404))
async def forget_memory(memory_id: Id, caller: Writer, services: Services) -> ErasureReceiptResponse:
    """For good: text, vector and index; what it came from is not learned from again."""
    receipt = await services.own.forget_memory(caller.user.id, MemoryId(str(memory_id)))
    return ErasureReceiptResponse.model_validate(receipt)


async def _profile(services: Services, user_id: UserId, profile_id: Id) -> MemoryProfile:
    return await services.store.get_memory_profile(user_id, ProfileId(str(profile_id)))
