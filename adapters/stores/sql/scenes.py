from __future__ import annotations

from sqlalchemy import Connection

from adapters.stores import rules
from adapters.stores.sql.conversations import conversation_at, find_conversation, member_of
from adapters.stores.sql.engine import Group, reads
from adapters.stores.sql.memories import namespace_state
from adapters.stores.sql.profiles import default_profile, find_profile, profiles_of, shares_in
from adapters.stores.sql.sessions import active_session, find_session, newest_messages
from adapters.stores.sql.users import find_user, identity_at
from core.batches import Scene, TalkScene
from core.messages import Stamp
from core.types import Place, PlatformName


class SqlScenes(Group):
    @reads
    def read_scene(
        self, connection: Connection, platform: PlatformName, workspace_id: str, external_id: str, place: Place
    ) -> Scene | None:
        identity = identity_at(connection, platform, workspace_id, external_id)
        conversation = conversation_at(connection, place)
        if identity is None or conversation is None:
            return None
        user_id, space_id, parent_id = identity.user_id, conversation.space_id, conversation.parent_id
        parent = find_conversation(connection, parent_id) if parent_id else None
        return Scene(
            user=find_user(connection, user_id),
            identity=identity,
            conversation=conversation,
            member=member_of(connection, conversation, user_id),
            profiles=tuple(sorted(profiles_of(connection, user_id), key=rules.profile_order)),
            floor=rules.floor_of(conversation, parent),
            space=default_profile(connection, space_id).namespace if space_id else None,
            own_session=active_session(connection, conversation.id, user_id),
            space_session=active_session(connection, conversation.id, space_id) if space_id else None,
            shares=tuple(shares_in(connection, parent_id or conversation.id)) if space_id else (),
        )

    @reads
    def read_talk(self, connection: Connection, stamp: Stamp, history: int) -> TalkScene:
        return TalkScene(
            user=find_user(connection, stamp.author_id),
            session=find_session(connection, stamp.owner_id, stamp.session_id),
            profile=find_profile(connection, stamp.owner_id, stamp.profile_id),
            messages=tuple(newest_messages(connection, stamp.session_id, history)),
            erase_generation=namespace_state(connection, stamp.learn).erase_generation if stamp.learn else 0,
        )
