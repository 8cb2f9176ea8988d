"""Two people become one: the SQL of `LinkStore.merge_users`."""

from __future__ import annotations

from sqlalchemy import Connection, Text, bindparam, cast, delete, or_, select, update

from adapters.stores import merging
from adapters.stores.merging import Merging
from adapters.stores.sql import rows
from adapters.stores.sql.engine import insert
from adapters.stores.sql.memories import move_on, namespace_state, write_memories
from adapters.stores.sql.profiles import profiles_of
from adapters.stores.sql.schema import (
    api_keys,
    channel_identities,
    chat_messages,
    chat_sessions,
    credentials,
    erasures,
    inbox,
    link_codes,
    mem0_memories,
    members,
    memory_profiles,
    pending,
    profile_shares,
    sign_ins,
    usage,
    users,
)
from adapters.stores.sql.users import count_usage, find_user
from core.batches import MergeBatch
from core.errors import StaleMember
from core.profiles import name_key
from core.types import MemoryNamespace, MemoryProfile, MemoryRecord, Usage, User


def merge(connection: Connection, batch: MergeBatch) -> None:
    source, target = find_user(connection, batch.source), find_user(connection, batch.target)
    profiles = profiles_of(connection, source.id)
    plan = merging.plan(batch, profiles, profiles_of(connection, target.id))
    for namespace, generation in batch.generations:
        if namespace_state(connection, namespace).generation != generation:
            raise StaleMember
    _move_profiles(connection, plan, batch)
    _rename_namespaces(connection, plan, profiles)
    _merge_memories(connection, plan, batch, profiles)
    _move_talk(connection, plan)
    _merge_members(connection, plan)
    _merge_account(connection, plan)
    # Last, for everything that still names the source goes down with it.
    connection.execute(delete(memory_profiles).where(memory_profiles.c.id == plan.old_default.id))
    connection.execute(delete(users).where(users.c.id == plan.source))
    _take_email(connection, source, target, batch)


def _move_profiles(connection: Connection, plan: Merging, batch: MergeBatch) -> None:
    for profile in profiles_of(connection, plan.source):
        name = dict(batch.profiles).get(profile.id)
        if name is not None:
            moved = {"user_id": plan.target, "name": name, "name_key": name_key(name), "updated_at": batch.at}
            connection.execute(update(memory_profiles).where(memory_profiles.c.id == profile.id).values(moved))
    where = memory_profiles.c.id == plan.new_default.id
    connection.execute(update(memory_profiles).where(where).values(instructions=plan.default().instructions))


def _rename_namespaces(connection: Connection, plan: Merging, profiles: list[MemoryProfile]) -> None:
    for old in (profile.namespace for profile in profiles):
        new = plan.namespace(old)
        said = chat_messages.c.namespace == str(old)
        connection.execute(update(chat_messages).where(said).values(namespace=str(new)))
        used = chat_sessions.c.memory_profile_id == old.profile_id
        connection.execute(update(chat_sessions).where(used).values(memory_profile_id=new.profile_id))
        shared = select(profile_shares.c.conversation_id).where(profile_shares.c.profile_id == new.profile_id)
        twice = (profile_shares.c.profile_id == old.profile_id, profile_shares.c.conversation_id.in_(shared))
        if old.profile_id != new.profile_id:
            connection.execute(delete(profile_shares).where(*twice))
        mine = profile_shares.c.profile_id == old.profile_id
        moved = {"user_id": plan.target, "profile_id": new.profile_id}
        connection.execute(update(profile_shares).where(mine).values(moved))


def _merge_memories(connection: Connection, plan: Merging, batch: MergeBatch, profiles: list[MemoryProfile]) -> None:
    for profile in profiles:
        move_on(connection, profile.namespace, removed=True, erased=True)
    table = mem0_memories
    connection.execute(delete(table).where(table.c.user_id == plan.source))
    by_namespace: dict[MemoryNamespace, list[MemoryRecord]] = {
        MemoryNamespace(plan.target, profile_id): [] for profile_id, _ in batch.profiles
    }
    for record in batch.records:
        by_namespace.setdefault(record.namespace, []).append(record)
    for namespace, records in by_namespace.items():
        write_memories(connection, records, move_on(connection, namespace))
    authored = table.c.author_id == plan.source
    places = select(table.c.user_id, table.c.profile_id).where(authored).distinct()
    for owner_id, profile_id in connection.execute(places).all():
        generation = move_on(connection, MemoryNamespace(owner_id, profile_id))
        there = (authored, table.c.profile_id == profile_id)
        connection.execute(update(table).where(*there).values(author_id=plan.target, generation=generation))


def _move_talk(connection: Connection, plan: Merging) -> None:
    mine = chat_sessions.c.user_id == plan.source
    connection.execute(update(chat_sessions).where(mine).values(user_id=plan.target))
    said = chat_messages.c.author_id == plan.source
    connection.execute(update(chat_messages).where(said).values(author_id=plan.target))
    named = or_(
        inbox.c.author_id == plan.source,
        inbox.c.owner_id == plan.source,
        cast(inbox.c.stamp, Text).contains(plan.source, autoescape=True),
    )
    turns = [rows.turn_of(row) for row in connection.execute(select(inbox).where(named))]
    stamps = [{"turn": turn.id, **rows.stamp_values(plan.stamp(turn.stamp))} for turn in turns]
    if stamps:
        columns: rows.Values = {name: bindparam(name) for name in stamps[0] if name != "turn"}
        connection.execute(update(inbox).where(inbox.c.id == bindparam("turn")).values(columns), stamps)


def _merge_members(connection: Connection, plan: Merging) -> None:
    mine = select(members).where(members.c.user_id == plan.source)
    for row in connection.execute(mine).all():
        key = (members.c.conversation_id == row.conversation_id, members.c.user_id == plan.target)
        theirs = connection.execute(select(members).where(*key)).first()
        merged = plan.member(rows.member_of(row), rows.member_of(theirs) if theirs else None)
        values = rows.member_values(merged)
        statement = insert(members).values(values)
        index = ["conversation_id", "user_id"]
        connection.execute(statement.on_conflict_do_update(index_elements=index, set_=values))
    connection.execute(delete(members).where(members.c.user_id == plan.source))


def _merge_account(connection: Connection, plan: Merging) -> None:
    for row in connection.execute(select(usage).where(usage.c.user_id == plan.source)).all():
        count_usage(connection, plan.target, row.day, Usage(row.messages, row.prompt_tokens, row.completion_tokens))
    has_own = connection.execute(select(1).where(credentials.c.user_id == plan.target)).first()
    for table in (channel_identities, erasures, api_keys, sign_ins, *(() if has_own else (credentials,))):
        connection.execute(update(table).where(table.c.user_id == plan.source).values(user_id=plan.target))
    for table in (pending, link_codes):
        connection.execute(delete(table).where(table.c.user_id.in_([plan.source, plan.target])))


def _take_email(connection: Connection, source: User, target: User, batch: MergeBatch) -> None:
    user = merging.merged_user(source, target, batch.at)
    connection.execute(update(users).where(users.c.id == user.id).values(rows.user_values(user)))
