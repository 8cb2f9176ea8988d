from __future__ import annotations

from fastapi import APIRouter, status

from adapters.http.dependencies import Reader, Services, SignedIn, Writer
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.common import Id
from adapters.http.schemas.memory import (
    MemoryProfileCreate,
    MemoryProfileResponse,
    MemoryProfileUpdate,
    ProfileShareCreate,
    ProfileShareResponse,
)
from adapters.http.schemas.user import ErasureReceiptResponse
from core.batches import ProfilePatch
from core.errors import NotFound
from core.types import ConversationId, MemoryProfile, ProfileId

router = APIRouter(prefix=f"{API}/memory-profiles", tags=["profiles"])


@router.get("", responses=responses(401, 403))
async def list_profiles(caller: Reader, services: Services) -> list[MemoryProfileResponse]:
    """The default one first, then by name."""
    return [MemoryProfileResponse.of(item) for item in await services.store.get_memory_profiles(caller.user.id)]


@router.post("", status_code=status.HTTP_201_CREATED, responses=responses(401, 403, 409))
async def create_profile(body: MemoryProfileCreate, caller: Writer, services: Services) -> MemoryProfileResponse:
    profile = await services.store.create_memory_profile(
        caller.user.id, body.name, body.description, is_default=body.is_default
    )
    return MemoryProfileResponse.of(profile)


@router.get("/{profile_id}", responses=responses(401, 403, 404))
async def get_profile(profile_id: Id, caller: Reader, services: Services) -> MemoryProfileResponse:
    return MemoryProfileResponse.of(await services.store.get_memory_profile(caller.user.id, ProfileId(str(profile_id))))


@router.put("/{profile_id}", responses=responses(401, 403, 404, 409))
async def change_profile(
    profile_id: Id, body: MemoryProfileUpdate, caller: Writer, services: Services
) -> MemoryProfileResponse:
    patch = ProfilePatch(**body.model_dump(exclude_none=True))
    return MemoryProfileResponse.of(
        await services.store.update_memory_profile(caller.user.id, ProfileId(str(profile_id)), patch)
    )


@router.delete("/{profile_id}", responses=responses(401, 403, 404, 409))
async def delete_profile(profile_id: Id, caller: Writer, services: Services) -> ErasureReceiptResponse:
    """With its memories; its sessions are closed. 409 for the only profile."""
    receipt = await services.own.delete_profile(caller.user.id, ProfileId(str(profile_id)))
    return ErasureReceiptResponse.model_validate(receipt)


@router.post("/{profile_id}/set-default", responses=responses(401, 403, 404))
async def set_default(profile_id: Id, caller: Writer, services: Services) -> MemoryProfileResponse:
    return MemoryProfileResponse.of(
        await services.store.set_default_memory_profile(caller.user.id, ProfileId(str(profile_id)))
    )


@router.get("/{profile_id}/shares", responses=responses(401, 403, 404))
async def list_shares(profile_id: Id, caller: Reader, services: Services) -> list[ProfileShareResponse]:
    """The rooms whose answers may use this profile."""
    profile = await services.store.get_memory_profile(caller.user.id, ProfileId(str(profile_id)))
    return await _shares(services, profile)


@router.post("/{profile_id}/shares", status_code=status.HTTP_201_CREATED, responses=responses(401, 403, 404))
async def share(profile_id: Id, body: ProfileShareCreate, caller: SignedIn, services: Services) -> ProfileShareResponse:
    """From now on everybody who can read that room can get quoted what the profile holds; a new talk begins there.

    404 for a room that is not in `/rooms`.
    """
    room = ConversationId(str(body.conversation_id))
    profile = await services.store.get_memory_profile(caller.user.id, ProfileId(str(profile_id)))
    await services.own.share(caller.user.id, profile.id, room)
    for item in await _shares(services, profile):
        if item.conversation_id == room:
            return item
    raise NotFound


@router.delete(
    "/{profile_id}/shares/{conversation_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(401, 403, 404),
)
async def unshare(profile_id: Id, conversation_id: Id, caller: SignedIn, services: Services) -> None:
    """What was quoted in the room before stays there."""
    await services.own.unshare(caller.user.id, ProfileId(str(profile_id)), ConversationId(str(conversation_id)))


async def _shares(services: Services, profile: MemoryProfile) -> list[ProfileShareResponse]:
    shown = []
    for item in await services.store.get_user_shares(profile.user_id):
        if item.namespace == profile.namespace:
            place = (await services.store.get_conversation(item.conversation_id)).place
            shown.append(
                ProfileShareResponse(
                    conversation_id=item.conversation_id,
                    platform=place.platform,
                    chat_id=place.chat_id,
                    created_at=item.created_at,
                )
            )
    return shown
