from __future__ import annotations

from adapters.stores import rules
from adapters.stores.memory.conversations import MemoryConversations
from adapters.stores.memory.profiles import MemoryProfiles
from adapters.stores.memory.sessions import MemorySessions
from core.batches import Scene, TalkScene
from core.messages import Stamp
from core.types import Place, PlatformName


class MemoryScenes(MemoryConversations, MemorySessions, MemoryProfiles):
    async def read_scene(
        self, platform: PlatformName, workspace_id: str, external_id: str, place: Place
    ) -> Scene | None:
        identity = await self.find_identity(platform, workspace_id, external_id)
        conversation = await self.find_conversation(place)
        if identity is None or conversation is None:
            return None
        parent = await self.get_conversation(conversation.parent_id) if conversation.parent_id else None
        space_id = conversation.space_id
        return Scene(
            user=await self.get_user_by_id(identity.user_id),
            identity=identity,
            conversation=conversation,
            member=await self.get_member(conversation.id, identity.user_id),
            profiles=tuple(await self.get_memory_profiles(identity.user_id)),
            floor=rules.floor_of(conversation, parent),
            space=(await self.get_default_memory_profile(space_id)).namespace if space_id else None,
            own_session=await self.get_active_session(conversation.id, identity.user_id),
            space_session=await self.get_active_session(conversation.id, space_id) if space_id else None,
            shares=tuple(await self.get_shares(conversation.parent_id or conversation.id)),
        )

    async def read_talk(self, stamp: Stamp, history: int) -> TalkScene:
        return TalkScene(
            user=await self.get_user_by_id(stamp.author_id),
            session=await self.get_chat_session(stamp.owner_id, stamp.session_id),
            profile=await self.get_memory_profile(stamp.owner_id, stamp.profile_id),
            messages=tuple(await self.get_recent_messages(stamp.owner_id, stamp.session_id, history)),
            erase_generation=self._tables.state(stamp.learn).erase_generation if stamp.learn else 0,
        )
