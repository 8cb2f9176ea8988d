from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from adapters.http.schemas.common import (
    EXAMPLE_ID,
    EXAMPLE_USER,
    MOMENT,
    FullText,
    Id,
    Metadata,
    Request,
    Response,
    Text,
    example,
)
from core.types import Memory, MemoryProfile, RecalledMemory

Name = Annotated[FullText, Field(min_length=1, max_length=40)]
Description = Annotated[Text, Field(max_length=500)]
Instructions = Annotated[Text, Field(max_length=2_000)]
Content = Annotated[FullText, Field(min_length=1, max_length=2_000)]

FOUND_EXAMPLE: dict[str, object] = {
    "id": EXAMPLE_ID,
    "memory": "I am allergic to peanuts.",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "user_id": EXAMPLE_USER,
    "metadata": {"state": "learned", "said_at": MOMENT, "platform": "slack"},
    "score": 0.82,
}


class MemoryProfileCreate(Request):
    model_config = example(name="work", description="Projects and colleagues")

    name: Name
    description: Description = ""
    is_default: bool = False


class MemoryProfileUpdate(Request):
    """Only the given fields change. `retention_days` 0: memories are kept until they are forgotten."""

    model_config = example(instructions="Answer in one sentence.", retention_days=365)

    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    retention_days: Annotated[int, Field(ge=0, le=36_500)] | None = None


class MemoryProfileResponse(Response):
    model_config = example(
        id=EXAMPLE_ID,
        user_id=EXAMPLE_USER,
        name="work",
        description="Projects and colleagues",
        instructions="Answer in one sentence.",
        is_default=False,
        retention_days=365,
        created_at=MOMENT,
        updated_at=MOMENT,
        memory_count=12,
    )

    id: str
    user_id: str
    name: str
    description: str
    instructions: str
    is_default: bool
    retention_days: int | None
    created_at: datetime
    updated_at: datetime
    memory_count: int

    @classmethod
    def of(cls, profile: MemoryProfile) -> MemoryProfileResponse:
        return cls.model_validate(profile)


class MemoryCreate(Request):
    model_config = example(content="I am allergic to peanuts.")

    content: Content


class MemoryUpdate(Request):
    model_config = example(content="I am allergic to peanuts and walnuts.")

    content: Content


class MemoryResponse(Response):
    """`metadata`: profile, state (`recent`, `learned`, `superseded`), when and where it was said, the turns it is
    from."""

    model_config = example(
        id=EXAMPLE_ID,
        memory="I am allergic to peanuts.",
        created_at=MOMENT,
        updated_at=MOMENT,
        user_id=EXAMPLE_USER,
        metadata={"state": "learned", "said_at": MOMENT, "platform": "slack"},
    )

    id: str
    memory: str
    created_at: datetime
    updated_at: datetime
    user_id: str
    metadata: Metadata

    @classmethod
    def of(cls, memory: Memory) -> MemoryResponse:
        return cls(
            id=memory.id,
            memory=memory.text,
            created_at=memory.created_at,
            updated_at=memory.updated_at,
            user_id=memory.namespace.user_id,
            metadata={
                "profile_id": memory.namespace.profile_id,
                "state": memory.state.value,
                "said_at": memory.said_at.isoformat(),
                "author_name": memory.author_name,
                "platform": memory.platform,
                "language": memory.language,
                "source_turns": list(memory.source_turns),
                "superseded_by": memory.superseded_by,
            },
        )


class MemorySearchRequest(Request):
    model_config = example(query="allergies", limit=10)

    query: Annotated[FullText, Field(min_length=1, max_length=1_000)]
    limit: Annotated[int, Field(ge=1, le=50)] = 10


class FoundMemory(MemoryResponse):
    """`score` is comparable within one search only."""

    model_config = example(**FOUND_EXAMPLE)

    score: float

    @classmethod
    def found(cls, item: RecalledMemory) -> FoundMemory:
        return cls(**MemoryResponse.of(item.memory).model_dump(), score=item.score)


class MemorySearchResponse(Response):
    """Best first."""

    model_config = example(query="allergies", results=[FOUND_EXAMPLE], count=1)

    query: str
    results: list[FoundMemory]
    count: int


class MemoryCopy(Request):
    model_config = example(target_profile_id=EXAMPLE_ID)

    target_profile_id: Id


class MemoryCopyResponse(Response):
    model_config = example(copied=12)

    copied: int


class RoomResponse(Response):
    """A room where the person talks with the bot; `chat_id` is the platform's own name for it."""

    model_config = example(conversation_id=EXAMPLE_ID, platform="slack", chat_id="C0123456789")

    conversation_id: str
    platform: str
    chat_id: str


class ProfileShareCreate(Request):
    model_config = example(conversation_id=EXAMPLE_ID)

    conversation_id: Id


class ProfileShareResponse(RoomResponse):
    """A room whose answers may use the profile."""

    model_config = example(conversation_id=EXAMPLE_ID, platform="slack", chat_id="C0123456789", created_at=MOMENT)

    created_at: datetime
