"""Everything that is held about a person, as one document (docs/export.md) and as a page to read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.errors import KeyMissing
from core.pages import pages
from core.ports import MemoryPort, Store
from core.sealing import Sealed, Sealer, namespace_scope, session_scope
from core.types import ChatMessage, ChatSession, Memory, MemoryProfile, MemoryState, PrivacyMode, Role, User


class _Part(BaseModel):
    """Unknown fields of later versions are ignored on reading."""

    model_config = ConfigDict(frozen=True)


class ExportedPerson(_Part):
    id: str
    display_name: str
    email: str | None
    language: str | None
    timezone: str
    created_at: datetime


class ExportedAccount(_Part):
    platform: str
    workspace_id: str
    external_id: str
    display_name: str
    created_at: datetime


class ExportedMemory(_Part):
    """`superseded_by` names another memory of the same list; `author_name` is who said it, `platform` where."""

    id: str
    text: str
    state: MemoryState
    said_at: datetime
    created_at: datetime
    updated_at: datetime
    language: str = ""
    platform: str = ""
    author_name: str = ""
    source_turns: tuple[str, ...] = ()
    superseded_by: str | None = None


class ExportedProfile(_Part):
    id: str
    name: str
    description: str
    instructions: str
    is_default: bool
    retention_days: int | None
    created_at: datetime
    memories: tuple[ExportedMemory, ...]


class ExportedMessage(_Part):
    """`text` None: its key was destroyed."""

    role: Role
    text: str | None
    created_at: datetime
    mode: PrivacyMode
    author_name: str = ""
    turn_id: str | None = None


class ExportedSession(_Part):
    id: str
    profile_id: str | None
    privacy_mode: PrivacyMode
    created_at: datetime
    closed_at: datetime | None
    message_count: int
    summary: str | None
    messages: tuple[ExportedMessage, ...]


class ExportedShare(_Part):
    conversation_id: str
    profile_id: str
    created_at: datetime


class ExportedUsage(_Part):
    messages: int
    prompt_tokens: int
    completion_tokens: int


class ExportDocument(_Part):
    """`room_messages` and `room_memories` are this person's own words in rooms, whose talks belong to the room."""

    format: Literal["memorychat-export"] = "memorychat-export"
    version: Literal[1] = 1
    exported_at: datetime
    person: ExportedPerson
    accounts: tuple[ExportedAccount, ...]
    profiles: tuple[ExportedProfile, ...]
    sessions: tuple[ExportedSession, ...]
    room_messages: tuple[ExportedMessage, ...]
    room_memories: tuple[ExportedMemory, ...]
    shares: tuple[ExportedShare, ...]
    usage_today: ExportedUsage


class _Exporter:
    def __init__(self, store: Store, memory: MemoryPort, sealer: Sealer) -> None:
        self._store = store
        self._memory = memory
        self._sealer = sealer

    async def document(self, user: User, now: datetime) -> ExportDocument:
        store = self._store
        usage = await store.get_usage(user.id, now.date())
        return ExportDocument(
            exported_at=now,
            person=ExportedPerson.model_validate(user, from_attributes=True),
            accounts=tuple(
                ExportedAccount.model_validate(item, from_attributes=True)
                for item in await store.get_identities(user.id)
            ),
            profiles=tuple([await self._profile(item) for item in await store.get_memory_profiles(user.id)]),
            sessions=await self._sessions(user),
            room_messages=await self._room_messages(user),
            room_memories=await self._room_memories(user),
            shares=tuple(
                ExportedShare(
                    conversation_id=item.conversation_id,
                    profile_id=item.namespace.profile_id,
                    created_at=item.created_at,
                )
                for item in await store.get_user_shares(user.id)
            ),
            usage_today=ExportedUsage.model_validate(usage, from_attributes=True),
        )

    async def _profile(self, profile: MemoryProfile) -> ExportedProfile:
        async def read(limit: int, offset: int) -> Sequence[Memory]:
            return await self._memory.get_memories(
                profile.namespace, limit=limit, offset=offset, include_superseded=True
            )

        return ExportedProfile(
            id=profile.id,
            name=profile.name,
            description=profile.description,
            instructions=profile.instructions,
            is_default=profile.is_default,
            retention_days=profile.retention_days,
            created_at=profile.created_at,
            memories=tuple([ExportedMemory.model_validate(item, from_attributes=True) async for item in pages(read)]),
        )

    async def _sessions(self, user: User) -> tuple[ExportedSession, ...]:
        sessions = pages(lambda limit, offset: self._store.get_user_sessions(user.id, limit, offset))
        return tuple([await self._session(user, session) async for session in sessions])

    async def _session(self, user: User, session: ChatSession) -> ExportedSession:
        messages = pages(lambda limit, offset: self._store.get_session_messages(user.id, session.id, limit, offset))
        return ExportedSession(
            id=session.id,
            profile_id=session.memory_profile_id,
            privacy_mode=session.privacy_mode,
            created_at=session.created_at,
            closed_at=session.closed_at,
            message_count=session.message_count,
            summary=await self._open(session_scope(session.id), session.summary) if session.summary else None,
            messages=tuple([await self._message(message) async for message in messages]),
        )

    async def _message(self, message: ChatMessage) -> ExportedMessage:
        return ExportedMessage(
            role=message.role,
            text=await self._open(session_scope(message.session_id), message.content),
            created_at=message.created_at,
            mode=message.mode,
            author_name=message.author_name,
            turn_id=message.turn_id,
        )

    async def _room_messages(self, user: User) -> tuple[ExportedMessage, ...]:
        messages = pages(lambda limit, offset: self._store.get_authored_messages(user.id, limit, offset))
        return tuple([await self._message(message) async for message in messages])

    async def _room_memories(self, user: User) -> tuple[ExportedMemory, ...]:
        exported = []
        async for record in pages(lambda limit, offset: self._store.get_authored_memories(user.id, limit, offset)):
            text = await self._open(namespace_scope(record.namespace), record.text)
            if text is not None:
                fields = {name: getattr(record, name) for name in ExportedMemory.model_fields if name != "text"}
                exported.append(ExportedMemory.model_validate({**fields, "text": text}))
        return tuple(exported)

    async def _open(self, scope: str, sealed: Sealed) -> str | None:
        try:
            return await self._sealer.open(scope, sealed)
        except KeyMissing:
            return None


async def export_person(store: Store, memory: MemoryPort, sealer: Sealer, user: User, now: datetime) -> ExportDocument:
    """Raises StoreError or MemoryUnavailable: a part of the truth is not handed out as the whole."""
    return await _Exporter(store, memory, sealer).document(user, now)


def to_json(document: ExportDocument) -> bytes:
    """UTF-8, indented."""
    return document.model_dump_json(indent=2).encode()


def to_markdown(document: ExportDocument) -> bytes:
    """The same to read, in UTF-8: memories by profile, then the talks. Every text stands in a quotation."""
    person = document.person
    lines = [
        f"# What MemoryChat holds about {person.display_name or 'you'}",
        "",
        f"Exported at {_time(document.exported_at)}. Time zone {person.timezone}; known since "
        f"{_time(person.created_at)}.",
        "",
        "## Accounts",
        "",
        *(f"- {item.platform}: {item.display_name or item.external_id}" for item in document.accounts),
    ]
    for profile in document.profiles:
        lines += ["", f"## Profile: {profile.name}{' (default)' if profile.is_default else ''}", ""]
        if profile.instructions:
            lines += ["Instructions:", "", *_quotation(profile.instructions), ""]
        lines += _memory_lines(profile.memories)
    if document.room_memories:
        lines += ["", "## Told in rooms", "", *_memory_lines(document.room_memories)]
    for session in document.sessions:
        lines += ["", f"## Talk of {_time(session.created_at)} ({session.privacy_mode.value})", ""]
        lines += _message_lines(session.messages)
    if document.room_messages:
        lines += ["", "## Your messages in rooms", "", *_message_lines(document.room_messages)]
    return ("\n".join(lines) + "\n").encode()


def _memory_lines(memories: Sequence[ExportedMemory]) -> list[str]:
    if not memories:
        return ["Nothing."]
    return [f"- {_time(item.said_at)}, {item.state.value}: {' '.join(item.text.split())}" for item in memories]


def _message_lines(messages: Sequence[ExportedMessage]) -> list[str]:
    lines: list[str] = []
    for message in messages:
        speaker = message.author_name or ("You" if message.role is Role.USER else "MemoryChat")
        text = message.text if message.text is not None else "(its key was destroyed)"
        lines += [f"**{speaker}**, {_time(message.created_at)}:", "", *_quotation(text), ""]
    return lines or ["No message is kept."]


def _quotation(text: str) -> list[str]:
    return [f"> {line}" for line in text.splitlines()] or [">"]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
