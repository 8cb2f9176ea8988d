"""People: users, their profiles, links between their accounts, and everything of one at once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from core.batches import LinkOffer, MergeBatch, ProfilePatch, UserPatch
from core.types import (
    ChannelIdentity,
    ChatMessage,
    ConversationId,
    ErasureReceipt,
    IdentityId,
    MemoryNamespace,
    MemoryProfile,
    MemoryRecord,
    PlatformName,
    ProfileId,
    ProfileShare,
    Usage,
    User,
    UserId,
    UserKind,
)


class UserStore(Protocol):
    async def get_user_by_id(self, user_id: UserId) -> User: ...

    async def get_user_by_email(self, email: str) -> User | None: ...

    async def create_user(
        self,
        email: str | None = None,
        user_id: UserId | None = None,
        *,
        kind: UserKind = UserKind.PERSON,
        display_name: str = "",
    ) -> User:
        """Also makes the default profile (named `personal`; `room` for a space). Raises Conflict on a taken e-mail
        or id."""
        ...

    async def update_user(self, user_id: UserId, patch: UserPatch) -> User: ...

    async def find_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str
    ) -> ChannelIdentity | None: ...

    async def resolve_identity(
        self, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> tuple[ChannelIdentity, bool]:
        """Get or create, with user and default profile; whether it was created. A changed display name is kept."""
        ...

    async def add_identity(
        self, user_id: UserId, platform: PlatformName, workspace_id: str, external_id: str, display_name: str
    ) -> ChannelIdentity:
        """Give a user one more account; the existing one when they have it. Raises Conflict when it is somebody
        else's."""
        ...

    async def get_identities(self, user_id: UserId) -> list[ChannelIdentity]: ...

    async def move_identity(self, user_id: UserId, identity_id: IdentityId, new_user_id: UserId) -> ChannelIdentity: ...

    async def add_usage(self, user_id: UserId, day: date, usage: Usage) -> None: ...

    async def get_usage(self, user_id: UserId | None, day: date) -> Usage:
        """Of one user, or of the whole instance for None. Of a month that was rolled up, its first day has it all."""
        ...

    async def roll_up_usage(self, before: date) -> int:
        """Keep of each month that was over before the month of `before` one row a person, on its first day, and not one
        a day; how many rows went. Once more it changes nothing."""
        ...


class ProfileStore(Protocol):
    """Names are unique per user, compared by `core.profiles.name_key`. Exactly one profile is the default, always."""

    async def get_memory_profiles(self, user_id: UserId) -> list[MemoryProfile]:
        """Default first, then by name; `memory_count` counts what can be recalled."""
        ...

    async def create_memory_profile(
        self, user_id: UserId, name: str, description: str = "", is_default: bool = False
    ) -> MemoryProfile:
        """Raises NameTaken, InvalidName, NotFound (no such user)."""
        ...

    async def update_memory_profile(
        self, user_id: UserId, profile_id: ProfileId, patch: ProfilePatch
    ) -> MemoryProfile: ...

    async def delete_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> int:
        """With its memories and shares; its sessions are closed and lose the profile; members who chose it fall back to
        their default; another one becomes default where needed. How many memories went. Raises OnlyProfile."""
        ...

    async def get_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile: ...

    async def get_default_memory_profile(self, user_id: UserId) -> MemoryProfile: ...

    async def set_default_memory_profile(self, user_id: UserId, profile_id: ProfileId) -> MemoryProfile: ...

    async def share_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> None:
        """Idempotent."""
        ...

    async def unshare_profile(self, conversation_id: ConversationId, namespace: MemoryNamespace) -> bool: ...

    async def get_shares(self, conversation_id: ConversationId) -> list[ProfileShare]: ...

    async def get_user_shares(self, user_id: UserId) -> list[ProfileShare]: ...


class LinkStore(Protocol):
    """Joining the accounts of one person. Codes are stored as hashes; wrong tries count per trying account."""

    async def put_link_code(self, offer: LinkOffer, code_hash: str, expires_at: datetime) -> None:
        """Replaces an earlier code of the same user, so that at most one is open. Raises NotFound: no such user."""
        ...

    async def take_link_code(self, code_hash: str, now: datetime) -> LinkOffer | None:
        """Who offered it, once and never again; None: unknown, expired (`expires_at <= now`) or used."""
        ...

    async def get_link_failures(self, identity_id: IdentityId, forget_before: datetime) -> int:
        """Wrong tries counted so far; 0 when the newest of them is older than `forget_before`."""
        ...

    async def count_link_failure(self, identity_id: IdentityId, now: datetime, forget_before: datetime) -> int:
        """Count one more wrong try at `now`, atomically; the count with it. Starts again at 1 when the newest earlier
        one is older than `forget_before`."""
        ...

    async def clear_link_failures(self, identity_id: IdentityId) -> None: ...

    async def merge_users(self, batch: MergeBatch) -> None:
        """Everything of `batch.source` becomes `batch.target`'s, in one transaction; the source user is gone after.

        - Identities, sessions, messages and authored memories in spaces (author), turns with their stamps, replies,
          shares, receipts and credentials change their user. Usage of the same day is added up.
        - Profiles in `batch.profiles` keep their id and move under the given name, never as default. The source's
          default profile goes away; what named it (sessions, members, stamps, messages, shares) names
          `batch.default_profile` of the target. Namespaces in rows change with user and profile. Empty instructions of
          the target's default profile are filled with the source's.
        - `batch.records` replace the source's memory rows (same ids, new namespace, sealed anew); the source's rows
        that
          are not among them go away. Every namespace touched moves its generation on; the source's also their erase
          generation, so that work under way for them cannot write any more.
        - Members of both in one conversation: the stricter mode wins, the target's profile stays.
        - Pending rows and link codes of both go away.

        Raises NotFound for either user, StaleMember when a generation in `batch.generations` is no longer current
        (nothing is written: read again and try again), NameTaken for a name that the target has.
        """
        ...


class ExportStore(Protocol):
    """What a person left in places that belong to somebody else: rooms."""

    async def get_authored_messages(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        """Messages by this author in sessions that they do not own; oldest first."""
        ...

    async def get_authored_memories(self, user_id: UserId, limit: int = 100, offset: int = 0) -> list[MemoryRecord]:
        """Memories by this author in namespaces of other users (spaces), superseded ones too; oldest `said_at`
        first."""
        ...


class ErasureStore(Protocol):
    async def erase_user(self, user_id: UserId, at: datetime) -> ErasureReceipt:
        """Everything of a person: profiles, memories, sessions, messages, turns, replies, members, shares, usage,
        pending, identities, the user. Event keys stay. Verified by counting again; the receipt is stored."""
        ...

    async def save_receipt(self, receipt: ErasureReceipt) -> None: ...

    async def get_receipt(self, receipt_id: str) -> ErasureReceipt | None: ...
