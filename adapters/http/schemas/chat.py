from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from adapters.http.schemas.common import (
    EXAMPLE_ID,
    EXAMPLE_MEMORY,
    EXAMPLE_TURN,
    EXAMPLE_USER,
    MOMENT,
    FullText,
    Id,
    Metadata,
    Request,
    Response,
    example,
)
from core.engine import ConversationSummary as Summary
from core.messages import ReplyDone
from core.types import ChatMessage, ChatSession, PrivacyMode

__all__ = ["PrivacyMode"]

MAX_MESSAGE = 100_000

CHAT_EXAMPLE: dict[str, object] = {
    "session_id": EXAMPLE_ID,
    "turn_id": EXAMPLE_TURN,
    "reply": "You are allergic to **peanuts**.",
    "kind": "answer",
    "privacy_mode": "normal",
    "badge": "",
    "memories_used": [EXAMPLE_MEMORY],
    "usage": {"prompt_tokens": 210, "completion_tokens": 9},
    "recall_missed": False,
    "buttons": [],
    "files": [],
}


class ChatSessionCreate(Request):
    model_config = example(privacy_mode="normal")

    memory_profile_id: Id | None = None
    privacy_mode: PrivacyMode = PrivacyMode.NORMAL


class ChatSessionUpdate(Request):
    """Only the given fields change, from the next message on."""

    model_config = example(privacy_mode="incognito")

    privacy_mode: PrivacyMode | None = None
    memory_profile_id: Id | None = None


class ChatSessionResponse(Response):
    """`closed_at`: no message is taken any more. `memory_profile_id` None: that profile was deleted."""

    model_config = example(
        id=EXAMPLE_ID,
        user_id=EXAMPLE_USER,
        memory_profile_id=EXAMPLE_MEMORY,
        privacy_mode="normal",
        created_at=MOMENT,
        updated_at=MOMENT,
        closed_at=MOMENT,
        message_count=4,
    )

    id: str
    user_id: str
    memory_profile_id: str | None
    privacy_mode: PrivacyMode
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    message_count: int

    @classmethod
    def of(cls, session: ChatSession) -> ChatSessionResponse:
        return cls.model_validate(session)


class ChatMessageCreate(Request):
    """A message as a person writes it."""

    model_config = example(content="What am I allergic to?")

    content: Annotated[FullText, Field(min_length=1, max_length=MAX_MESSAGE)]


class ChatMessageResponse(Response):
    """`content` None: its key was destroyed."""

    model_config = example(
        id=EXAMPLE_MEMORY,
        session_id=EXAMPLE_ID,
        role="assistant",
        content="You are allergic to **peanuts**.",
        created_at=MOMENT,
        metadata={"memories_used": [EXAMPLE_MEMORY], "privacy_mode": "normal"},
    )

    id: str
    session_id: str
    role: Literal["user", "assistant", "system"]
    content: str | None
    created_at: datetime
    metadata: Metadata

    @classmethod
    def of(cls, message: ChatMessage, content: str | None) -> ChatMessageResponse:
        return cls(
            id=message.id,
            session_id=message.session_id,
            role=message.role.value,
            content=content,
            created_at=message.created_at,
            metadata={
                **{key: value for key, value in message.metadata.items() if value is not None},
                "turn_id": message.turn_id,
                "privacy_mode": message.mode.value,
            },
        )


class ChatRequest(Request):
    model_config = example(session_id=EXAMPLE_ID, message="What am I allergic to?")

    session_id: Id
    message: Annotated[FullText, Field(min_length=1, max_length=MAX_MESSAGE)]


class ReplyButton(Response):
    """Pressing it sends `command` as a message."""

    model_config = example(label="Forget it", command="/forget 1", danger=True)

    label: str
    command: str
    danger: bool


class ReplyFile(Response):
    model_config = example(name="export.json", media_type="application/json", content_base64="e30=")

    name: str
    media_type: str
    content_base64: str


class TokenUsage(Response):
    model_config = example(prompt_tokens=210, completion_tokens=9)

    prompt_tokens: int
    completion_tokens: int


class ChatResponse(Response):
    """`reply` is Markdown. `memories_used` are the ids of the memories that the prompt held; `recall_missed`: they
    could not be had in time. `badge` is the sign of the privacy mode the message was sent under."""

    model_config = example(**CHAT_EXAMPLE)

    session_id: str
    turn_id: str
    reply: str
    kind: Literal["answer", "command", "notice", "error"]
    privacy_mode: PrivacyMode
    badge: str
    memories_used: list[str]
    usage: TokenUsage
    recall_missed: bool
    buttons: list[ReplyButton]
    files: list[ReplyFile]

    @classmethod
    def of(cls, done: ReplyDone) -> ChatResponse:
        reply = done.reply
        return cls(
            session_id=done.session_id,
            turn_id=done.turn_id,
            reply=reply.text,
            kind=reply.kind.value,
            privacy_mode=reply.mode,
            badge=reply.badge,
            memories_used=list(done.memories_used),
            usage=TokenUsage(prompt_tokens=done.prompt_tokens, completion_tokens=done.completion_tokens),
            recall_missed=done.recall_missed,
            buttons=[ReplyButton.model_validate(button) for button in reply.buttons],
            files=[
                ReplyFile(
                    name=item.name,
                    media_type=item.media_type,
                    content_base64=base64.b64encode(item.data).decode(),
                )
                for item in reply.files
            ],
        )


class ChatStreamChunk(Response):
    """One server-sent event; `type` is also its event name. `delta`: `text` is to be appended. `done`: `response` is
    the whole. `error`: `detail` and `code`, and `response` where the session keeps a reply that says so."""

    model_config = example(type="done", response=CHAT_EXAMPLE)

    type: Literal["delta", "done", "error"]
    text: str | None = None
    response: ChatResponse | None = None
    detail: str | None = None
    code: str | None = None


class StopResponse(Response):
    model_config = example(stopped=True)

    stopped: bool


class ConversationSummary(Response):
    """Counts and dates; of an incognito talk only the counts exist."""

    model_config = example(
        session_id=EXAMPLE_ID,
        privacy_mode="normal",
        message_count=4,
        user_messages=2,
        assistant_messages=2,
        memories_used=1,
        started_at=MOMENT,
        last_message_at=MOMENT,
    )

    session_id: str
    privacy_mode: PrivacyMode
    message_count: int
    user_messages: int
    assistant_messages: int
    memories_used: int
    started_at: datetime
    last_message_at: datetime | None

    @classmethod
    def of(cls, summary: Summary) -> ConversationSummary:
        return cls.model_validate(summary)


class ErrorResponse(Response):
    """Every answer but a 2xx. `detail` is for people, `code` for programs."""

    model_config = example(detail="I could not find that.", code="not_found")

    detail: str
    code: str
