from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, status

from adapters.http.dependencies import Offset, Reader, Services, Talker
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.chat import (
    ChatMessageResponse,
    ChatSessionCreate,
    ChatSessionResponse,
    ChatSessionUpdate,
    ConversationSummary,
    StopResponse,
)
from adapters.http.schemas.common import Id
from core.batches import SessionPatch
from core.errors import Conflict, KeyMissing, NotFound
from core.sealing import session_scope
from core.types import ChatMessage, ProfileId, SessionId

router = APIRouter(prefix=f"{API}/sessions", tags=["sessions"])


@router.get("", responses=responses(401, 403, 404))
async def list_sessions(
    caller: Reader,
    services: Services,
    memory_profile_id: Id | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Offset = 0,
) -> list[ChatSessionResponse]:
    """Of all platforms, the last used first."""
    profile_id = None
    if memory_profile_id is not None:
        profile_id = (await services.store.get_memory_profile(caller.user.id, ProfileId(str(memory_profile_id)))).id
    sessions = await services.store.get_user_sessions(caller.user.id, limit, offset, profile_id=profile_id)
    return [ChatSessionResponse.of(session) for session in sessions]


@router.post("", status_code=status.HTTP_201_CREATED, responses=responses(401, 403, 404, 409))
async def create_session(body: ChatSessionCreate, caller: Talker, services: Services) -> ChatSessionResponse:
    """With the default profile when none is named. 409 where incognito cannot be held."""
    profile_id = ProfileId(str(body.memory_profile_id)) if body.memory_profile_id else None
    session = await services.engine.create_new_session(caller.user.id, profile_id, body.privacy_mode)
    return ChatSessionResponse.of(session)


@router.get("/{session_id}", responses=responses(401, 403, 404))
async def get_session(session_id: Id, caller: Reader, services: Services) -> ChatSessionResponse:
    details = await services.engine.get_session_details(caller.user.id, SessionId(str(session_id)))
    return ChatSessionResponse.of(details.session)


@router.put("/{session_id}", responses=responses(401, 403, 404, 409))
async def change_session(
    session_id: Id, body: ChatSessionUpdate, caller: Talker, services: Services
) -> ChatSessionResponse:
    """From the next message on. 409, and nothing is changed: for another profile once something was said, for history
    never crosses over; for a talk on a chat platform, whose mode and profile are chosen there; where incognito cannot
    be held."""
    user_id, identifier = caller.user.id, SessionId(str(session_id))
    session = await services.engine.validate_session_access(user_id, identifier)
    await services.refuse_elsewhere(session)
    patch = None
    if body.memory_profile_id is not None:
        profile = await services.store.get_memory_profile(user_id, ProfileId(str(body.memory_profile_id)))
        if session.message_count and session.memory_profile_id != profile.id:
            raise Conflict(user_message="That talk began with another profile. Please start a new one.")
        patch = SessionPatch(memory_profile_id=profile.id)
    if body.privacy_mode is not None:
        session = await services.engine.change_session_privacy_mode(user_id, identifier, body.privacy_mode)
    if patch is not None:
        session = await services.store.update_chat_session(user_id, identifier, patch)
    return ChatSessionResponse.of(session)


@router.delete("/{session_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(401, 403, 404))
async def delete_session(session_id: Id, caller: Talker, services: Services) -> None:
    """With its messages and the key that sealed them. What was learned from it stays."""
    await services.engine.delete_session(caller.user.id, SessionId(str(session_id)))


@router.get("/{session_id}/messages", responses=responses(401, 403, 404))
async def list_messages(
    session_id: Id,
    caller: Reader,
    services: Services,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Offset = 0,
) -> list[ChatMessageResponse]:
    """Oldest first. Incognito messages are nowhere, so not here either."""
    session = await services.engine.validate_session_access(caller.user.id, SessionId(str(session_id)))
    messages = await services.store.get_session_messages(caller.user.id, session.id, limit, offset)
    return [ChatMessageResponse.of(message, await _opened(services, message)) for message in messages]


@router.get("/{session_id}/summary", responses=responses(401, 403, 404))
async def summary(session_id: Id, caller: Reader, services: Services) -> ConversationSummary:
    return ConversationSummary.of(
        await services.engine.get_conversation_summary(caller.user.id, SessionId(str(session_id)))
    )


@router.post("/{session_id}/stop", responses=responses(401, 403, 404))
async def stop(session_id: Id, caller: Talker, services: Services) -> StopResponse:
    """End the answer that is being written; its stream gets what there is, marked as stopped."""
    session = await services.engine.validate_session_access(caller.user.id, SessionId(str(session_id)))
    if session.conversation_id is None:
        raise NotFound
    return StopResponse(stopped=await services.engine.stop(session.conversation_id))


async def _opened(services: Services, message: ChatMessage) -> str | None:
    try:
        return await services.sealer.open(session_scope(message.session_id), message.content)
    except KeyMissing:
        return None
