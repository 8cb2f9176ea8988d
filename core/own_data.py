"""What a person does to what is held about them, wherever they ask for it: a command in a chat, or the web page."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from core.batches import SessionPatch
from core.direct import DIRECT
from core.errors import BadArgument, NotFound, OnlyProfile
from core.forgetting import EraseFiles, ErasureServices, Forgetting, no_files
from core.linking import CODE_LIFE, JoinOutcome, LinkCode, LinkedAccount, Linking
from core.pages import pages
from core.ports import Clock, EphemeralStore, MemoryOrigin, MemoryPort, Store
from core.sealing import Sealer
from core.secrecy import holds_secret
from core.statements import MAX_MEMORY
from core.text import clean_text, is_blank
from core.types import (
    ChannelIdentity,
    Conversation,
    ConversationId,
    ConversationKind,
    ErasureReceipt,
    Memory,
    MemoryId,
    MemoryNamespace,
    Place,
    ProfileId,
    User,
    UserId,
    new_id,
)

LINK_PENDING = "link"


@dataclass(frozen=True, slots=True)
class OwnData:
    """Every call names the person, and finds nothing of anybody else's (NotFound)."""

    store: Store
    memory: MemoryPort
    sealer: Sealer
    ephemeral: EphemeralStore
    clock: Clock
    linking: Linking
    erase_files: EraseFiles = no_files

    # -- memories ---------------------------------------------------------------------------------------------------

    async def remember(self, user: User, profile_id: ProfileId, text: str) -> Memory:
        """Keep a text that the person typed in. Raises BadArgument for a blank one, one too long and a secret."""
        profile = await self.store.get_memory_profile(user.id, profile_id)
        origin = MemoryOrigin(
            said_at=self.clock.now(), author_id=user.id, author_name=user.display_name, platform=DIRECT
        )
        return await self.memory.add_memory(profile.namespace, _memory_text(text), origin)

    async def find_memory(self, user_id: UserId, memory_id: MemoryId) -> Memory:
        for profile in await self.store.get_memory_profiles(user_id):
            with suppress(NotFound):
                return await self.memory.get_memory(profile.namespace, memory_id)
        raise NotFound

    async def correct_memory(self, user_id: UserId, memory_id: MemoryId, text: str) -> Memory:
        """The words it came from are not learned from again. Raises BadArgument as `remember`."""
        memory = await self.find_memory(user_id, memory_id)
        changed = await self.memory.update_memory(memory.namespace, memory_id, _memory_text(text))
        await self.store.mark_learned(memory.namespace, memory.source_turns)
        return changed

    async def forget_memory(self, user_id: UserId, memory_id: MemoryId) -> ErasureReceipt:
        """With the messages that it came from and the replies that used it."""
        memory = await self.find_memory(user_id, memory_id)
        removal = await Forgetting.of(self).memories([(memory.namespace, memory_id)])
        return await self._receipt(user_id, "memory", removal.removed, verified=removal.verified)

    async def delete_profile(self, user_id: UserId, profile_id: ProfileId) -> ErasureReceipt:
        """With its talks. Memory first: should the second step fail, an empty profile is left and nothing in it.

        Raises OnlyProfile (nothing is changed).
        """
        profile = await self.store.get_memory_profile(user_id, profile_id)
        if len(await self.store.get_memory_profiles(user_id)) == 1:
            raise OnlyProfile
        removal = await Forgetting.of(self).profile(profile.namespace)
        removal.count({"memories": await self.store.delete_memory_profile(user_id, profile_id), "profiles": 1})
        left = await self.memory.count_memories(profile.namespace)
        verified = removal.verified and not left
        return await self._receipt(user_id, "profile", removal.removed, verified=verified)

    # -- rooms ------------------------------------------------------------------------------------------------------

    async def share(self, user_id: UserId, profile_id: ProfileId, conversation_id: ConversationId) -> None:
        """Let a room's answers use a profile. Raises NotFound for a room in which the person never was."""
        profile = await self.store.get_memory_profile(user_id, profile_id)
        for room in await self.store.get_user_rooms(user_id):
            if room.id == conversation_id:
                await self.store.share_profile(room.id, profile.namespace)
                return await end_room_talks(self.store, room, self.clock)
        raise NotFound

    async def unshare(self, user_id: UserId, profile_id: ProfileId, conversation_id: ConversationId) -> None:
        namespace = MemoryNamespace(user_id, profile_id)
        if not await self.store.unshare_profile(conversation_id, namespace):
            raise NotFound
        await end_room_talks(self.store, await self.store.get_conversation(conversation_id), self.clock)

    # -- accounts ---------------------------------------------------------------------------------------------------

    async def link_code(self, user_id: UserId) -> LinkCode:
        return await self.linking.create_code(user_id, (await self._home(user_id)).id)

    async def redeem_code(self, user: User, code: str) -> tuple[str, LinkedAccount]:
        """Whose a code is, and a token to confirm the joining with. Raises as `Linking.redeem`."""
        other = await self.linking.redeem(user.id, (await self._web_identity(user)).id, code)
        token, home = new_id(), await self._home(user.id)
        payload = {"target": other.user_id, "place": other.conversation_id}
        expires_at = self.clock.now() + CODE_LIFE
        await self.store.put_pending(user.id, home.id, f"{LINK_PENDING}:{token}", payload, expires_at)
        return token, other

    async def join(self, user_id: UserId, token: str) -> JoinOutcome:
        """Become a part of the person whose code was redeemed. Raises NotFound for a token that is used or over."""
        home = await self._home(user_id)
        payload = await self.store.take_pending(user_id, home.id, f"{LINK_PENDING}:{token}", self.clock.now())
        if payload is None:
            raise NotFound
        target, place = UserId(str(payload["target"])), ConversationId(str(payload["place"]))
        return await self.linking.join(user_id, target, place)

    async def erase(self, user_id: UserId) -> ErasureReceipt:
        return await erase_person(self, user_id)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _home(self, user_id: UserId) -> Conversation:
        """Where a person is when they are in no session. They are its member, so that it goes with them."""
        home = await self.store.resolve_conversation(Place(DIRECT, "", user_id), ConversationKind.PRIVATE)
        member = await self.store.get_member(home.id, user_id)
        if not member.version:
            await self.store.save_member(replace(member, welcomed=True))
        return home

    async def _web_identity(self, user: User) -> ChannelIdentity:
        return await self.store.add_identity(user.id, DIRECT, "", user.id, user.display_name)

    async def _receipt(
        self, user_id: UserId, scope: str, removed: Mapping[str, int], *, verified: bool
    ) -> ErasureReceipt:
        receipt = ErasureReceipt(new_id(), user_id, scope, removed, verified, self.clock.now())
        await self.store.save_receipt(receipt)
        return receipt


async def end_room_talks(store: Store, room: Conversation, clock: Clock) -> None:
    """History never crosses a share or unshare (design §4.3): the room's open sessions end, those of threads too."""
    space_id, now = room.space_id, clock.now()
    if space_id is None:
        return
    async for session in pages(lambda limit, offset: store.get_user_sessions(space_id, limit, offset)):
        if session.closed_at is None:
            await store.update_chat_session(space_id, session.id, SessionPatch(closed_at=now))


async def erase_person(services: ErasureServices, user_id: UserId) -> ErasureReceipt:
    return await Forgetting.of(services).person(user_id, services.clock.now(), services.erase_files)


def _memory_text(text: str) -> str:
    cleaned = " ".join(clean_text(text).split())
    if is_blank(cleaned) or len(cleaned) > MAX_MEMORY:
        raise BadArgument(user_message=f"A memory has 1 to {MAX_MEMORY:,} characters.")
    if holds_secret(cleaned):
        raise BadArgument(
            user_message="That looks like a password, a code, a key or a card number. I never keep those, also not on "
            "request."
        )
    return cleaned
