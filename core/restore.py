"""Reading an export (docs/export.md) back: profiles and memories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from core.batches import ProfilePatch
from core.errors import BadArgument, EmptyMessage
from core.export import ExportDocument, ExportedMemory, ExportedProfile
from core.ports import MemoryOrigin, MemoryPort, Store
from core.profiles import clean_profile_name, name_key
from core.types import MemoryNamespace, MemoryProfile, MemoryState, PlatformName

if TYPE_CHECKING:
    from core.types import UserId


@dataclass(frozen=True, slots=True)
class Restored:
    """`memories` counts those that were not there yet."""

    profiles: int
    memories: int


def read_export(data: bytes) -> ExportDocument:
    """Raises BadArgument, which tells nothing of what the file holds."""
    try:
        return ExportDocument.model_validate_json(data)
    except ValidationError:
        raise BadArgument(user_message="That is not an export of MemoryChat: docs/export.md describes one.") from None


async def restore_person(store: Store, memory: MemoryPort, user_id: UserId, document: ExportDocument) -> Restored:
    """Add a document's profiles and memories to a person's; running it twice adds nothing twice.

    The exported default profile joins the person's own, others those of the same name. Superseded memories are
    history and stay out; talks are never restored. Raises NotFound, StoreError, MemoryUnavailable.
    """
    made = added = 0
    for exported in document.profiles:
        profile, is_new = await _profile(store, user_id, exported)
        made += is_new
        for item in reversed(exported.memories):
            added += await _memory(memory, profile.namespace, item)
    return Restored(made, added)


async def _profile(store: Store, user_id: UserId, exported: ExportedProfile) -> tuple[MemoryProfile, bool]:
    own = await store.get_memory_profiles(user_id)
    name = clean_profile_name(exported.name)
    same = next((item for item in own if name_key(item.name) == name_key(name)), None)
    if exported.is_default:
        same = next(item for item in own if item.is_default)
    profile = same or await store.create_memory_profile(user_id, name, exported.description)
    patch = ProfilePatch(
        instructions=exported.instructions if not profile.instructions else None,
        retention_days=exported.retention_days if profile.retention_days is None else None,
    )
    return await store.update_memory_profile(user_id, profile.id, patch), same is None


async def _memory(memory: MemoryPort, namespace: MemoryNamespace, item: ExportedMemory) -> bool:
    """Whether it was new."""
    if item.state is MemoryState.SUPERSEDED:
        return False
    origin = MemoryOrigin(
        said_at=item.said_at,
        author_id=namespace.user_id,
        author_name=item.author_name,
        platform=PlatformName(item.platform),
        language=item.language,
    )
    before = await memory.count_memories(namespace)
    try:
        await memory.add_memory(namespace, item.text, origin, state=item.state)
    except EmptyMessage:
        return False
    return await memory.count_memories(namespace) > before
