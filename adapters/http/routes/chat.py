from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from adapters.http.dependencies import Config, Services, Talker
from adapters.http.errors import responses
from adapters.http.routes import API
from adapters.http.schemas.chat import ChatRequest, ChatResponse, ChatStreamChunk
from adapters.http.services import ApiServices
from adapters.http.sse import event_stream
from core.engine import ConversationEngine
from core.errors import BadArgument, Conflict, MemoryChatError, ModelError, TurnRunning
from core.messages import ReplyDone, ReplyKind
from core.types import ChatSession, SessionId, User, UserId

log = logging.getLogger(__name__)
router = APIRouter(prefix=API, tags=["chat"])

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events, each the JSON of a ChatStreamChunk; lines that begin with `:` are signs of "
        "life",
        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/ChatStreamChunk"}}},
    }
}


@router.post("/chat", responses=responses(401, 403, 404, 409, 502))
async def chat(body: ChatRequest, caller: Talker, services: Services, wait: bool = True) -> ChatResponse:
    """Answer one message. `wait=false`: 409 when the session is still answering another one, instead of waiting."""
    session = await _ready(services, caller.user.id, body, wait)
    async with aclosing(_events(services.engine, caller.user, session, body.message, wait)) as events:
        async for event in events:
            if isinstance(event, ReplyDone):
                if event.reply.kind is ReplyKind.ERROR:
                    raise _failure(services, body.message, event.reply.text)
                return ChatResponse.of(event)
    raise Conflict(user_message="That message was not answered. Please send it again.")


@router.post(
    "/chat/stream",
    response_class=StreamingResponse,
    responses={**responses(401, 403, 404, 409), **STREAM},
)
async def chat_stream(
    body: ChatRequest, caller: Talker, services: Services, config: Config, wait: bool = True
) -> StreamingResponse:
    """The same as server-sent events. Closing the connection ends the answer, and nothing half-written is kept."""
    session = await _ready(services, caller.user.id, body, wait)
    chunks = _chunks(services, caller.user, session, body.message, wait)
    return StreamingResponse(
        event_stream(chunks, config.heartbeat),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _ready(services: ApiServices, user_id: UserId, body: ChatRequest, wait: bool) -> ChatSession:
    """Everything that can be refused before the answer begins. Raises NotFound, Conflict, TurnRunning, LimitReached,
    InputError for a command that there is not."""
    session = await services.engine.validate_session_access(user_id, SessionId(str(body.session_id)))
    if session.closed_at is not None:
        raise Conflict(user_message="That session is closed. Please start a new one.")
    await services.refuse_elsewhere(session)
    services.registry.parse(body.message)
    await services.quotas.check(user_id, services.clock.now())
    if not wait and session.conversation_id is not None and await services.store.is_busy(session.conversation_id):
        raise TurnRunning
    return session


def _events(
    engine: ConversationEngine, user: User, session: ChatSession, text: str, wait: bool
) -> AsyncGenerator[object, None]:
    events = engine.stream_user_message(user.id, session.id, text, wait=wait, known=(user, session))
    assert isinstance(events, AsyncGenerator)
    return events


async def _chunks(
    services: ApiServices, user: User, session: ChatSession, text: str, wait: bool
) -> AsyncGenerator[ChatStreamChunk, None]:
    try:
        async with aclosing(_events(services.engine, user, session, text, wait)) as events:
            async for event in events:
                yield _chunk(services, text, event)
    except MemoryChatError as error:
        yield ChatStreamChunk(type="error", detail=error.user_message, code=error.code)
    except Exception as error:
        log.error("stream failed: %s", type(error).__name__, exc_info=error)
        yield ChatStreamChunk(type="error", detail=MemoryChatError.user_message, code=MemoryChatError.code)


def _chunk(services: ApiServices, text: str, event: object) -> ChatStreamChunk:
    if not isinstance(event, ReplyDone):
        return ChatStreamChunk(type="delta", text=getattr(event, "text", ""))
    response = ChatResponse.of(event)
    if event.reply.kind is ReplyKind.ERROR:
        error = _failure(services, text, event.reply.text)
        return ChatStreamChunk(type="error", response=response, detail=error.user_message, code=error.code)
    return ChatStreamChunk(type="done", response=response)


def _failure(services: ApiServices, text: str, reply: str) -> MemoryChatError:
    """A reply that is no answer: a command that was refused, or a model that failed."""
    if services.registry.parse(text) is not None:
        return BadArgument(user_message=reply)
    return ModelError(user_message=reply)
