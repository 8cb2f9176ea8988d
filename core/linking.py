"""One person, one memory: joining two accounts, and parting them again.

A code made in one private chat and typed into another proves that both are the same person's. Nothing of either crosses
before the one who typed it has confirmed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from core.batches import LinkOffer, MergeBatch
from core.errors import BadArgument, Conflict, KeyMissing, LimitReached, MemoryChatError, NotFound, StaleMember
from core.learning import text_key
from core.pages import pages
from core.ports import Clock, Store
from core.profiles import MAX_NAME, name_key
from core.sealing import Sealer, namespace_scope
from core.types import (
    ChannelIdentity,
    ConversationId,
    IdentityId,
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    User,
    UserId,
)

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""No letter or digit that is easily taken for another."""
CODE_LENGTH = 10
CODE_LIFE = timedelta(minutes=10)
MAX_TRIES = 5
LOCK = timedelta(hours=1)
MERGE_TRIES = 5
JOINED = (
    "Another account was joined to this one, with the code that you made here: you are one person in both places now, "
    "with the same profiles and memories."
)

Tell = Callable[[ConversationId, str], Awaitable[None]]
"""Sends a notice to a private conversation. Raises DeliveryError or StoreError."""


@dataclass(frozen=True, slots=True)
class LinkCode:
    """`code` as the person types it, blocks of five with a hyphen between."""

    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """The person that would be joined, and how they are called where."""

    user_id: UserId
    conversation_id: ConversationId
    accounts: tuple[ChannelIdentity, ...]


@dataclass(frozen=True, slots=True)
class JoinOutcome:
    """`renamed` are profiles that had to take another name, as (old, new)."""

    memories: int
    profiles: int
    renamed: tuple[tuple[str, str], ...] = ()


class Linking(Protocol):
    """What `/link`, `/unlink` and the REST routes for them do."""

    async def create_code(self, user_id: UserId, conversation_id: ConversationId) -> LinkCode:
        """A fresh code for ten minutes and one use; an earlier one of this person is void."""
        ...

    async def redeem(self, user_id: UserId, identity_id: IdentityId, code: str) -> LinkedAccount:
        """Use a code up and tell whose it is; nothing is joined yet.

        Raises LimitReached after five wrong tries of this account within an hour, BadArgument for a code that is wrong,
        used or expired (the three cannot be told apart), Conflict for one's own.
        """
        ...

    async def join(self, source: UserId, target: UserId, conversation_id: ConversationId) -> JoinOutcome:
        """Make `source` a part of `target`, and tell `target` in the conversation where the code was made.

        Raises Conflict when either changed all the time meanwhile, NotFound when one of them is gone.
        """
        ...

    async def unlink(self, user_id: UserId, identity_id: IdentityId) -> User:
        """Make one account a new person without memories. Raises NotFound for one that is not theirs, Conflict for a
        person's only account."""
        ...


class AccountLinking:
    """`Linking` over the Store: codes stored hashed, memories sealed anew for their new owner."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock, tell: Tell) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._tell = tell

    async def create_code(self, user_id: UserId, conversation_id: ConversationId) -> LinkCode:
        letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        expires_at = self._clock.now() + CODE_LIFE
        await self._store.put_link_code(LinkOffer(user_id, conversation_id), code_hash(letters), expires_at)
        return LinkCode(f"{letters[:5]}-{letters[5:]}", expires_at)

    async def redeem(self, user_id: UserId, identity_id: IdentityId, code: str) -> LinkedAccount:
        now = self._clock.now()
        forget_before = now - LOCK
        if await self._store.get_link_failures(identity_id, forget_before) >= MAX_TRIES:
            raise _locked()
        # Counted before the code is looked at, so that tries made at the same time cannot pass the limit together.
        if await self._store.count_link_failure(identity_id, now, forget_before) > MAX_TRIES:
            raise _locked()
        offer = await self._store.take_link_code(code_hash(code), now)
        if offer is None:
            raise BadArgument(
                user_message="That code is not valid. A code works once, for ten minutes: `/link` makes one."
            )
        await self._store.clear_link_failures(identity_id)
        if offer.user_id == user_id:
            raise Conflict(
                user_message="That is your own code. Type it on the other platform, in a direct chat with me."
            )
        accounts = tuple(await self._store.get_identities(offer.user_id))
        return LinkedAccount(offer.user_id, offer.conversation_id, accounts)

    async def join(self, source: UserId, target: UserId, conversation_id: ConversationId) -> JoinOutcome:
        for _ in range(MERGE_TRIES):
            batch, outcome, old = await self._prepare(source, target)
            try:
                await self._store.merge_users(batch)
            except StaleMember:
                continue
            for namespace in old:
                await self._sealer.destroy(namespace_scope(namespace))
            # It is done already, so a notice that cannot be sent must not look like a failure.
            with suppress(MemoryChatError):
                await self._tell(conversation_id, JOINED)
            return outcome
        raise Conflict(user_message="Both accounts are busy just now. Please try again in a moment.")

    async def unlink(self, user_id: UserId, identity_id: IdentityId) -> User:
        identities = await self._store.get_identities(user_id)
        mine = [identity for identity in identities if identity.id == identity_id]
        if not mine:
            raise NotFound
        user = await self._store.get_user_by_id(user_id)
        if len(identities) == 1 and user.email is None:
            raise Conflict(user_message="This account is joined to no other.")
        fresh = await self._store.create_user(display_name=mine[0].display_name)
        await self._store.move_identity(user_id, identity_id, fresh.id)
        return fresh

    async def _prepare(self, source: UserId, target: UserId) -> tuple[MergeBatch, JoinOutcome, list[MemoryNamespace]]:
        """What the merge will write, made from what is there now; the store refuses it when that has changed."""
        await self._store.get_user_by_id(target)
        theirs = await self._store.get_memory_profiles(target)
        ours = await self._store.get_memory_profiles(source)
        default = next(profile for profile in theirs if profile.is_default)
        names = _free_names([profile for profile in ours if not profile.is_default], theirs)
        generations, records = [], []
        for profile in ours:
            state = await self._store.get_namespace_state(profile.namespace)
            generations.append((profile.namespace, state.generation))
            goal = default.namespace if profile.is_default else MemoryNamespace(target, profile.id)
            records += await self._moved(profile.namespace, goal, fold=profile.is_default)
        batch = MergeBatch(
            source=source,
            target=target,
            at=self._clock.now(),
            default_profile=default.id,
            profiles=tuple((profile.id, name) for profile, name in names),
            records=tuple(records),
            generations=tuple(generations),
        )
        renamed = tuple((profile.name, name) for profile, name in names if profile.name != name)
        outcome = JoinOutcome(memories=len(records), profiles=len(names), renamed=renamed)
        return batch, outcome, [profile.namespace for profile in ours]

    async def _moved(self, source: MemoryNamespace, goal: MemoryNamespace, *, fold: bool) -> list[MemoryRecord]:
        """The records of a namespace, sealed for another; with `fold` without those that the goal holds already."""
        known = {text_key(text) for _, text in await self._opened(goal)} if fold else set()
        moved = []
        for record, text in await self._opened(source):
            if text_key(text) in known:
                continue
            scope = namespace_scope(goal)
            vector = None
            if record.vector is not None:
                data = await self._sealer.open_bytes(namespace_scope(source), record.vector)
                vector = await self._sealer.seal_bytes(scope, data)
            sealed = await self._sealer.seal(scope, text)
            author = goal.user_id if record.author_id == source.user_id else record.author_id
            moved.append(replace(record, namespace=goal, text=sealed, vector=vector, author_id=author))
        return moved

    async def _opened(self, namespace: MemoryNamespace) -> list[tuple[MemoryRecord, str]]:
        """Every record with its text, superseded ones too."""

        async def read(limit: int, offset: int) -> list[MemoryRecord]:
            return await self._store.get_mem0_memory_references(namespace, limit, offset, include_superseded=True)

        opened = []
        async for record in pages(read):
            # What no key opens any more was erased; it does not come along.
            with suppress(KeyMissing):
                opened.append((record, await self._sealer.open(namespace_scope(namespace), record.text)))
        return opened


def code_hash(code: str) -> str:
    """How a code is stored. Case, blanks and hyphens do not count."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(f"link:{letters}".encode("utf-8", "surrogatepass")).hexdigest()


def _free_names(profiles: list[MemoryProfile], taken: list[MemoryProfile]) -> list[tuple[MemoryProfile, str]]:
    """A name for each profile that clashes with none; a clash gets a number behind it."""
    keys = {name_key(profile.name) for profile in taken}
    named = []
    for profile in profiles:
        name, number = profile.name, 2
        while name_key(name) in keys:
            suffix = f" {number}"
            name, number = profile.name[: MAX_NAME - len(suffix)] + suffix, number + 1
        keys.add(name_key(name))
        named.append((profile, name))
    return named


def _locked() -> LimitReached:
    return LimitReached(
        retry_after=LOCK.total_seconds(), user_message="Too many wrong codes. Please try again in an hour."
    )
