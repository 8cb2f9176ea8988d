-- What the Supabase store calls: a REST request is one statement, so that everything that is to happen in one piece
-- happens in a function. Nobody but the service may call one.

CREATE TABLE public.runner_leases (
    name TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_runner_leases PRIMARY KEY (name)
);
alter table public.runner_leases enable row level security;
revoke all on public.runner_leases from anon, authenticated;
grant all on public.runner_leases to service_role;

create or replace function public.schema_version() returns text
    language sql immutable security invoker set search_path = '' as $$ select '0004' $$;

-- What the functions share; REST shows only the schema public.
create schema if not exists memorychat;

create function memorychat.fail(name text) returns void language plpgsql set search_path = '' as $$
begin
    -- The names of core/errors.py, under one code of our own.
    raise exception using errcode = 'MC000', message = name;
end $$;

create function memorychat.items(list json) returns json[] language sql immutable set search_path = '' as $$
    select coalesce(array_agg(value), '{}') from json_array_elements(list)
$$;

create function memorychat.words(list json) returns text[] language sql immutable set search_path = '' as $$
    select coalesce(array_agg(value collate "C"), '{}') from json_array_elements_text(list)
$$;

-- Insert a row or a list of rows with the columns that the first one names. `counter` is a column that counts up from
-- `first`. How many were inserted.
create function memorychat.put(tab text, given json, tail text default '', counter text default null, first int default 0)
    returns bigint language plpgsql set search_path = '' as $$
declare
    rows json := case json_typeof(given) when 'array' then given else json_build_array(given) end;
    cols text;
    written bigint;
begin
    select string_agg(format('%I', key), ', ') into cols
        from json_object_keys(rows -> 0) key where key is distinct from counter;
    if cols is null then
        return 0;
    end if;
    execute format(
        'insert into public.%1$I (%2$s%3$s) select %2$s%4$s from json_array_elements($1) with ordinality e(value, nth), '
        'json_populate_record(null::public.%1$I, e.value) order by nth %5$s',
        tab, cols, ', ' || quote_ident(counter), case when counter is null then '' else ', $2 + nth - 1' end, tail)
        using rows, first;
    get diagnostics written = row_count;
    return written;
end $$;

-- ---------------------------------------------------------------------------------------------- memories

create function memorychat.move_on(usr text, profile text, removed boolean default false, erased boolean default false)
    returns int language sql set search_path = '' as $$
    insert into public.namespaces as n (user_id, profile_id, generation, erase_generation, removed_generation)
    values (usr, profile, 1, erased::int, removed::int)
    on conflict (user_id, profile_id) do update set
        generation = n.generation + 1,
        erase_generation = n.erase_generation + excluded.erase_generation,
        removed_generation =
            case when excluded.removed_generation > 0 then n.generation + 1 else n.removed_generation end
    returning generation
$$;

-- The namespace's generations, which nobody else moves on until this transaction is over.
create function memorychat.hold_namespace(usr text, profile text) returns public.namespaces
    language plpgsql set search_path = '' as $$
declare
    held public.namespaces;
begin
    insert into public.namespaces (user_id, profile_id) values (usr, profile) on conflict do nothing;
    select * into held from public.namespaces where user_id = usr and profile_id = profile for update;
    return held;
end $$;

create function memorychat.owns(usr text, profile text) returns boolean language sql stable set search_path = '' as $$
    select exists (select 1 from public.memory_profiles m where m.id = profile and m.user_id = usr)
$$;

-- Insert, or replace the row of the same id and profile.
create function memorychat.put_memories(records json, generation int) returns void
    language plpgsql set search_path = '' as $$
declare
    record json;
    changed text;
begin
    foreach record in array memorychat.items(records) loop
        changed := coalesce(changed, (
            select string_agg(format('%1$I = excluded.%1$I', key), ', ') from json_object_keys(record) key
            where key <> 'id'));
        if memorychat.put('mem0_memories', record, 'on conflict (id) do update set ' || changed
                || ' where mem0_memories.profile_id = excluded.profile_id', 'generation', generation) = 0 then
            perform memorychat.fail('NotFound');
        end if;
    end loop;
end $$;

create function public.mc_store_memory(p json) returns int language plpgsql set search_path = '' as $$
declare
    usr text := p -> 'record' ->> 'user_id';
    profile text := p -> 'record' ->> 'profile_id';
    generation int;
begin
    if not memorychat.owns(usr, profile) then
        perform memorychat.fail('NotFound');
    end if;
    if (p ->> 'erase_generation')::int <> (memorychat.hold_namespace(usr, profile)).erase_generation then
        perform memorychat.fail('ErasedMeanwhile');
    end if;
    generation := memorychat.move_on(usr, profile);
    perform memorychat.put_memories(json_build_array(p -> 'record'), generation);
    return generation;
end $$;

create function public.mc_delete_memory(p json) returns void language plpgsql set search_path = '' as $$
declare
    gone public.mem0_memories;
begin
    delete from public.mem0_memories where id = p ->> 'id' and user_id = p ->> 'user_id' returning * into gone;
    if gone.id is null then
        perform memorychat.fail('NotFound');
    end if;
    perform memorychat.move_on(gone.user_id, gone.profile_id, true);
end $$;

-- One page of what changed after `since`, with the generations that it belongs to.
create function public.mc_memory_changes(p json) returns json language sql stable set search_path = '' as $$
    with known as (
        select generation, erase_generation, removed_generation from public.namespaces
        where user_id = p ->> 'user_id' and profile_id = p ->> 'profile_id'
        union all select 0, 0, 0 order by 1 desc, 2 desc limit 1
    ), page as (
        select m.* from public.mem0_memories m, known
        where m.user_id = p ->> 'user_id' and m.profile_id = p ->> 'profile_id' and m.ordinal > (p ->> 'after')::int
            and m.generation > case
                when (p ->> 'since')::int < known.removed_generation or (p ->> 'since')::int > known.generation then -1
                else (p ->> 'since')::int end
        order by m.ordinal limit (p ->> 'limit')::int
    )
    select json_build_object(
        'generation', known.generation, 'erase_generation', known.erase_generation,
        'removed_generation', known.removed_generation,
        'records', coalesce((select json_agg(page order by page.ordinal) from page), '[]'))
    from known
$$;

create function public.mc_apply_learning(p json) returns json language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    profile text := p ->> 'profile_id';
    held public.namespaces := memorychat.hold_namespace(usr, profile);
    added text[] := array(select value ->> 'id' from json_array_elements(p -> 'add'));
    replaced json;
    gone bigint;
begin
    -- The very same call came twice, because its answer was lost.
    if (p ->> 'again')::boolean and cardinality(added) > 0 and cardinality(added) = (
            select count(*) from public.mem0_memories where id = any(added) and profile_id = profile
                and generation > coalesce((p ->> 'read_at')::int, -1)) then
        return row_to_json(held);
    end if;
    if not memorychat.owns(usr, profile) or held.erase_generation <> (p ->> 'erase_generation')::int
            or held.removed_generation > (p ->> 'read_at')::int then
        perform memorychat.fail('ErasedMeanwhile');
    end if;
    delete from public.mem0_memories
        where profile_id = profile and user_id = usr and id = any(memorychat.words(p -> 'remove'));
    get diagnostics gone = row_count;
    held.generation := memorychat.move_on(usr, profile, gone > 0);
    perform memorychat.put_memories(p -> 'add', held.generation);
    foreach replaced in array memorychat.items(p -> 'supersede') loop
        update public.mem0_memories set state = 'superseded', superseded_by = replaced ->> 1,
            updated_at = (p ->> 'at')::timestamptz, generation = held.generation
        where profile_id = profile and user_id = usr and id = replaced ->> 0;
    end loop;
    return row_to_json(held);
end $$;

create function public.mc_memories_by_turn(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(m order by m.ordinal), '[]') from public.mem0_memories m
    where (m.user_id = p ->> 'user_id' or m.author_id = p ->> 'user_id')
        and p ->> 'turn_id' in (select json_array_elements_text(m.source_turns))
$$;

create function public.mc_erase_namespace(p json) returns bigint language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    profile text := p ->> 'profile_id';
    gone bigint;
begin
    if not memorychat.owns(usr, profile) then
        perform memorychat.fail('NotFound');
    end if;
    perform memorychat.move_on(usr, profile, true, true);
    delete from public.mem0_memories where user_id = usr and profile_id = profile;
    get diagnostics gone = row_count;
    -- What was said before must not be learned after.
    update public.chat_messages set learned = true where namespace = usr || ':' || profile;
    return gone;
end $$;

-- ---------------------------------------------------------------------------------------------- talk

-- Learning that is under way for these messages must not write any more.
create function memorychat.removed_from(ids text[]) returns void language plpgsql set search_path = '' as $$
declare
    name text;
begin
    for name in select distinct namespace from public.chat_messages
            where id = any(ids) and namespace is not null order by namespace loop
        perform memorychat.move_on(split_part(name, ':', 1), split_part(name, ':', 2), true);
    end loop;
end $$;

-- Their sessions' counts follow, and summaries go, for they may quote them.
create function memorychat.drop_messages(ids text[]) returns bigint language plpgsql set search_path = '' as $$
declare
    gone bigint;
begin
    perform memorychat.removed_from(ids);
    update public.chat_sessions s set message_count = greatest(0, s.message_count - c.gone),
        summary_until_seq = 0, summary = null, summary_key_id = null
    from (select session_id, count(*)::int as gone from public.chat_messages where id = any(ids) group by session_id) c
    where s.id = c.session_id;
    delete from public.chat_messages where id = any(ids);
    get diagnostics gone = row_count;
    return gone;
end $$;

create function memorychat.add_session(session json) returns void language plpgsql set search_path = '' as $$
begin
    if session ->> 'memory_profile_id' is not null
            and not memorychat.owns(session ->> 'user_id', session ->> 'memory_profile_id') then
        perform memorychat.fail('NotFound');
    end if;
    if memorychat.put('chat_sessions', session, 'on conflict (id) do nothing') = 0 then
        perform memorychat.fail('Conflict');
    end if;
end $$;

create function public.mc_add_session(p json) returns void language sql set search_path = '' as $$
    select memorychat.add_session(p)
$$;

-- At the end of a session; the first one's number.
create function memorychat.append(session text, messages json, at timestamptz, uncounted int) returns int
    language plpgsql set search_path = '' as $$
declare
    more int := json_array_length(messages);
    first int;
begin
    update public.chat_sessions set last_seq = last_seq + more, message_count = message_count + more + uncounted,
        updated_at = at where id = session returning last_seq - more + 1 into first;
    if first is null then
        perform memorychat.fail('NotFound');
    end if;
    perform memorychat.put('chat_messages', messages, '', 'seq', first);
    return first;
end $$;

create function public.mc_append_message(p json) returns int language plpgsql set search_path = '' as $$
declare
    known int;
begin
    if not exists (select 1 from public.chat_sessions
            where id = p -> 'message' ->> 'session_id' and user_id = p ->> 'user_id') then
        perform memorychat.fail('NotFound');
    end if;
    select seq into known from public.chat_messages
        where id = p -> 'message' ->> 'id' and session_id = p -> 'message' ->> 'session_id';
    if known is not null and (p ->> 'again')::boolean then
        return known;
    end if;
    return memorychat.append(
        p -> 'message' ->> 'session_id', json_build_array(p -> 'message'), (p ->> 'at')::timestamptz, 0);
end $$;

-- Whether `covered`, number, id and text of neighbours, still stand and the summary is that up to `after_seq`.
create function public.mc_keep_summary(p json) returns boolean language plpgsql set search_path = '' as $$
declare
    covered json[] := memorychat.items(p -> 'covered');
    first int := covered[1] ->> 0;
    last int := covered[cardinality(covered)] ->> 0;
    held public.chat_sessions;
begin
    select * into held from public.chat_sessions
        where id = p ->> 'session_id' and user_id = p ->> 'user_id' for update;
    -- The very same call came twice, because its answer was lost.
    if (p ->> 'again')::boolean and held.summary_until_seq = last and held.summary = p ->> 'summary' then
        return true;
    end if;
    if last is null or held.id is null or held.summary_until_seq <> (p ->> 'after_seq')::int
        or (select array_agg(array[m.id, m.content] order by m.seq) from public.chat_messages m
            where m.session_id = held.id and m.seq between first and last)
        is distinct from (select array_agg(array[value ->> 1, value ->> 2] order by nth)
            from unnest(covered) with ordinality c(value, nth)) then
        return false;
    end if;
    update public.chat_sessions set summary_until_seq = last, summary = p ->> 'summary',
        summary_key_id = p ->> 'summary_key_id' where id = held.id;
    return true;
end $$;

-- Every message of a session, and with `delete` the session; else its ended turns. How many messages.
create function public.mc_empty_session(p json) returns bigint language plpgsql set search_path = '' as $$
declare
    session text := p ->> 'session_id';
    gone bigint;
begin
    perform 1 from public.chat_sessions where id = session and user_id = p ->> 'user_id' for update;
    if not found then
        perform memorychat.fail('NotFound');
    end if;
    gone := memorychat.drop_messages(array(select id from public.chat_messages where session_id = session));
    if (p ->> 'delete')::boolean then
        delete from public.chat_sessions where id = session;
    else
        delete from public.inbox where session_id = session and state not in ('accepted', 'running');
        update public.chat_sessions set message_count = 0, summary_until_seq = 0, summary = null, summary_key_id = null
            where id = session;
    end if;
    return gone;
end $$;

create function public.mc_turn_messages(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(m order by m.session_id, m.seq), '[]') from public.chat_messages m
    where m.turn_id = p ->> 'turn_id' and exists (
        select 1 from public.chat_messages t join public.chat_sessions s on s.id = t.session_id
        where t.turn_id = p ->> 'turn_id' and p ->> 'user_id' in (t.author_id, s.user_id))
$$;

create function public.mc_unlearned_messages(p json) returns json language sql stable set search_path = '' as $$
    with said as (
        select * from public.chat_messages
        where namespace = p ->> 'namespace' and not learned and role = 'user' and mode = 'normal' and turn_id is not null
        order by created_at, session_id, seq limit (p ->> 'limit')::int
    ), found as (
        select * from said
        union all
        select m.* from public.chat_messages m
        where m.role = 'assistant' and m.turn_id in (select turn_id from said)
    )
    select coalesce(json_agg(found order by created_at, session_id, seq), '[]') from found
$$;

create function public.mc_namespaces_to_learn(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(namespace order by first, namespace), '[]') from (
        select namespace, min(created_at) as first from public.chat_messages
        where namespace is not null and not learned and role = 'user' and mode = 'normal' and turn_id is not null
        group by namespace
        having max(created_at) < (p ->> 'quiet_before')::timestamptz or count(*) >= (p ->> 'min_messages')::int
    ) due
$$;

create function public.mc_mark_learned(p json) returns void language sql set search_path = '' as $$
    update public.chat_messages set learned = true
    where namespace = p ->> 'namespace' and turn_id = any(memorychat.words(p -> 'turns'))
$$;

-- ---------------------------------------------------------------------------------------------- people

create function public.mc_create_user(p json) returns void language plpgsql set search_path = '' as $$
begin
    if memorychat.put('users', p -> 'user', 'on conflict do nothing') = 0 then
        perform memorychat.fail('Conflict');
    end if;
    perform memorychat.put('memory_profiles', p -> 'profile');
    if p -> 'credentials' is not null then
        perform memorychat.put('credentials', p -> 'credentials');
    end if;
end $$;

-- A function, because a query's address stands in the provider's logs.
create function public.mc_user_by_email(p json) returns json language sql stable set search_path = '' as $$
    select row_to_json(u) from public.users u where u.email_key = p ->> 'email_key'
$$;

create function memorychat.identity_at(key json) returns public.channel_identities
    language sql stable set search_path = '' as $$
    select i from public.channel_identities i
    where platform = key ->> 'platform' and workspace_id = key ->> 'workspace_id' and external_id = key ->> 'external_id'
$$;

-- Get or create, with user and profile.
create function public.mc_resolve_identity(p json) returns json language plpgsql set search_path = '' as $$
declare
    known public.channel_identities := memorychat.identity_at(p -> 'identity');
    name text := p -> 'identity' ->> 'display_name';
begin
    if known.id is null then
        begin
            perform memorychat.put('users', p -> 'user');
            perform memorychat.put('memory_profiles', p -> 'profile');
            perform memorychat.put('channel_identities', p -> 'identity');
            return json_build_object('identity', memorychat.identity_at(p -> 'identity'), 'created', true);
        exception when unique_violation then
            -- Somebody else was quicker; what was written here is gone with this block.
            known := memorychat.identity_at(p -> 'identity');
        end;
    end if;
    if name <> '' and name <> known.display_name then
        update public.channel_identities set display_name = name where id = known.id;
        known.display_name := name;
    end if;
    -- A call that came twice made it itself.
    return json_build_object('identity', known, 'created', known.id = p -> 'identity' ->> 'id');
end $$;

create function public.mc_count_usage(p json) returns void language sql set search_path = '' as $$
    insert into public.usage as u (user_id, day, messages, prompt_tokens, completion_tokens)
    values (p ->> 'user_id', (p ->> 'day')::date, (p ->> 'messages')::int, (p ->> 'prompt_tokens')::int,
        (p ->> 'completion_tokens')::int)
    on conflict (user_id, day) do update set messages = u.messages + excluded.messages,
        prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = u.completion_tokens + excluded.completion_tokens
$$;

create function public.mc_usage_on(p json) returns json language sql stable set search_path = '' as $$
    select json_build_array(coalesce(sum(messages), 0), coalesce(sum(prompt_tokens), 0),
        coalesce(sum(completion_tokens), 0))
    from public.usage where day = (p ->> 'day')::date and (p ->> 'user_id' is null or user_id = p ->> 'user_id')
$$;

-- Each month before `before`, a first day, into one row a person on its first day; how many rows went.
create function public.mc_roll_up_usage(p json) returns bigint language plpgsql set search_path = '' as $$
declare
    gone bigint;
begin
    insert into public.usage as u (user_id, day, messages, prompt_tokens, completion_tokens)
        select user_id, day - extract(day from day)::int + 1, sum(messages), sum(prompt_tokens), sum(completion_tokens)
        from public.usage where day < (p ->> 'before')::date and extract(day from day) > 1
        group by 1, 2
    on conflict (user_id, day) do update set messages = u.messages + excluded.messages,
        prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = u.completion_tokens + excluded.completion_tokens;
    delete from public.usage where day < (p ->> 'before')::date and extract(day from day) > 1;
    get diagnostics gone = row_count;
    return gone;
end $$;

create function memorychat.profile_json(profile public.memory_profiles) returns json
    language sql stable set search_path = '' as $$
    select (to_jsonb(profile) || jsonb_build_object('memory_count', (
        select count(*) from public.mem0_memories m where m.profile_id = profile.id and m.state <> 'superseded')))::json
$$;

-- Those of a user, oldest first; with `id` that one, with `is_default` the default one.
create function public.mc_profiles(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(memorychat.profile_json(m) order by m.ordinal), '[]') from public.memory_profiles m
    where m.user_id = p ->> 'user_id' and (p ->> 'id' is null or m.id = p ->> 'id')
        and (p ->> 'is_default' is null or m.is_default)
$$;

-- The old one first: at no moment there are two.
create function memorychat.make_default(usr text, profile text) returns void language plpgsql set search_path = '' as $$
begin
    perform 1 from public.users where id = usr for no key update;
    update public.memory_profiles set is_default = false where user_id = usr and is_default and id <> profile;
    update public.memory_profiles set is_default = true where user_id = usr and id = profile;
    if not found then
        perform memorychat.fail('NotFound');
    end if;
end $$;

create function public.mc_set_default_profile(p json) returns void language sql set search_path = '' as $$
    select memorychat.make_default(p ->> 'user_id', p ->> 'id')
$$;

create function public.mc_create_profile(p json) returns void language plpgsql set search_path = '' as $$
begin
    perform memorychat.put('memory_profiles', p -> 'profile', 'on conflict (user_id, name_key) do nothing');
    if not exists (select 1 from public.memory_profiles where id = p -> 'profile' ->> 'id') then
        perform memorychat.fail('NameTaken');
    end if;
    if (p ->> 'is_default')::boolean then
        perform memorychat.make_default(p -> 'profile' ->> 'user_id', p -> 'profile' ->> 'id');
    end if;
end $$;

create function public.mc_delete_profile(p json) returns bigint language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    profile text := p ->> 'id';
    other text;
    gone bigint;
begin
    perform 1 from public.users where id = usr for no key update;
    if not memorychat.owns(usr, profile) then
        perform memorychat.fail('NotFound');
    end if;
    select id into other from public.memory_profiles where user_id = usr and id <> profile order by ordinal limit 1;
    if other is null then
        perform memorychat.fail('OnlyProfile');
    end if;
    if (select is_default from public.memory_profiles where id = profile) then
        perform memorychat.make_default(usr, other);
    end if;
    -- Sessions close without their profile, members fall back to their default, nothing is learned for it.
    update public.chat_sessions set memory_profile_id = null,
        closed_at = coalesce(closed_at, (p ->> 'at')::timestamptz) where memory_profile_id = profile;
    update public.members set profile_id = null, version = version + 1 where profile_id = profile;
    update public.chat_messages set namespace = null where namespace = usr || ':' || profile;
    delete from public.namespaces where profile_id = profile;
    delete from public.mem0_memories where profile_id = profile;
    get diagnostics gone = row_count;
    delete from public.memory_profiles where id = profile;
    return gone;
end $$;

create function public.mc_count_link_failure(p json) returns int language sql set search_path = '' as $$
    insert into public.link_failures as f (identity_id, failures, last_at)
    values (p ->> 'identity_id', 1, (p ->> 'now')::timestamptz)
    on conflict (identity_id) do update set last_at = excluded.last_at,
        failures = case when f.last_at >= (p ->> 'forget_before')::timestamptz then f.failures + 1 else 1 end
    returning failures
$$;

-- Only as many wait at a time as the operator can look at.
create function public.mc_request_access(p json) returns json language plpgsql set search_path = '' as $$
declare
    platform_ text := p -> 'request' ->> 'platform';
    workspace text := p -> 'request' ->> 'workspace_id';
    account text := p -> 'request' ->> 'external_id';
    known public.access_grants;
begin
    delete from public.access_grants where platform = platform_ and workspace_id = workspace and external_id = account
        and state = 'waiting' and changed_at < (p ->> 'over')::timestamptz;
    for _ in 1..2 loop
        select * into known from public.access_grants
            where platform = platform_ and workspace_id = workspace and external_id = account;
        if found then
            return row_to_json(known);
        end if;
        if (select count(*) from public.access_grants where platform = platform_ and state = 'waiting')
                >= (p ->> 'most')::int then
            return null;
        end if;
        perform memorychat.put('access_grants', p -> 'request', 'on conflict do nothing');
    end loop;
    return null;
end $$;

-- ---------------------------------------------------------------------------------------------- places

-- Get or create a place, after those it hangs under; a shared one without them gets a space.
create function public.mc_resolve_conversation(p json) returns json language plpgsql set search_path = '' as $$
declare
    link json;
    place json;
    known public.conversations;
    above public.conversations;
    space text;
begin
    foreach link in array memorychat.items(p -> 'chain') loop
        place := link -> 'conversation';
        for _ in 1..2 loop
            select * into known from public.conversations where platform = place ->> 'platform'
                and workspace_id = place ->> 'workspace_id' and chat_id = place ->> 'chat_id'
                and thread_id = place ->> 'thread_id';
            exit when found;
            begin
                space := above.space_id;
                if space is null and place ->> 'kind' = 'shared' then
                    perform memorychat.put('users', link -> 'user');
                    perform memorychat.put('memory_profiles', link -> 'profile');
                    space := link -> 'user' ->> 'id';
                end if;
                perform memorychat.put('conversations', place);
                update public.conversations set parent_id = above.id, space_id = space where id = place ->> 'id';
            exception when unique_violation then
                null;  -- somebody else was quicker, and is found in the second round
            end;
        end loop;
        above := known;
    end loop;
    return row_to_json(known);
end $$;

create function memorychat.member(conversation text, usr text) returns json language sql stable set search_path = '' as $$
    select row_to_json(m) from public.members m where m.conversation_id = conversation and m.user_id = usr
$$;

create function public.mc_member(p json) returns json language sql stable set search_path = '' as $$
    select json_build_object('conversation', c, 'member', memorychat.member(c.id, p ->> 'user_id'),
        'parent_member', memorychat.member(c.parent_id, p ->> 'user_id'))
    from public.conversations c where c.id = p ->> 'conversation_id'
$$;

-- `member` carries its next version.
create function memorychat.save_member(member json) returns void language plpgsql set search_path = '' as $$
declare
    version_ int := member ->> 'version';
begin
    if member ->> 'profile_id' is not null and not memorychat.owns(member ->> 'user_id', member ->> 'profile_id') then
        perform memorychat.fail('NotFound');
    end if;
    if version_ > 1 then
        update public.members m set (mode, profile_id, version, welcomed) = (
                select r.mode, r.profile_id, r.version, r.welcomed
                from json_populate_record(null::public.members, member) r)
            where m.conversation_id = member ->> 'conversation_id' and m.user_id = member ->> 'user_id'
                and m.version = version_ - 1;
        if found then
            return;
        end if;
    elsif memorychat.put('members', member, 'on conflict do nothing') > 0 then
        return;
    end if;
    perform memorychat.fail('StaleMember');
end $$;

create function public.mc_save_member(p json) returns void language sql set search_path = '' as $$
    select memorychat.save_member(p)
$$;

-- `place` becomes `new_place`, threads with what they hang under. Conflict when people have talked there already.
create function public.mc_move_conversation(p json) returns void language plpgsql set search_path = '' as $$
declare
    here json := p -> 'place';
    there json := p -> 'new_place';
    moving public.conversations;
    thread text;
    taken text;
begin
    perform 1 from public.conversations where platform = here ->> 'platform' and workspace_id = here ->> 'workspace_id'
        and chat_id = here ->> 'chat_id' and thread_id = here ->> 'thread_id';
    if not found then
        return;
    end if;
    for moving in select * from public.conversations where platform = here ->> 'platform'
            and workspace_id = here ->> 'workspace_id' and chat_id = here ->> 'chat_id'
            and (here ->> 'thread_id' = '' or thread_id = here ->> 'thread_id') loop
        thread := case when moving.thread_id = here ->> 'thread_id' then there ->> 'thread_id' else moving.thread_id end;
        select id into taken from public.conversations where platform = there ->> 'platform'
            and workspace_id = there ->> 'workspace_id' and chat_id = there ->> 'chat_id' and thread_id = thread;
        if found then
            if exists (select 1 from public.chat_sessions where conversation_id = taken) then
                perform memorychat.fail('Conflict');
            end if;
            delete from public.conversations where id = taken;
        end if;
        update public.conversations set platform = there ->> 'platform', workspace_id = there ->> 'workspace_id',
            chat_id = there ->> 'chat_id', thread_id = thread where id = moving.id;
    end loop;
end $$;

create function memorychat.active_session(conversation text, usr text) returns json
    language sql stable set search_path = '' as $$
    select row_to_json(s) from public.chat_sessions s
    where s.conversation_id = conversation and s.user_id = usr and s.closed_at is null
    order by s.created_at desc, s.ordinal desc limit 1
$$;

create function public.mc_read_scene(p json) returns json language sql stable set search_path = '' as $$
    select json_build_object(
        'identity', i, 'conversation', c,
        'parent', (select row_to_json(above) from public.conversations above where above.id = c.parent_id),
        'user', (select row_to_json(u) from public.users u where u.id = i.user_id),
        'member', memorychat.member(c.id, i.user_id), 'parent_member', memorychat.member(c.parent_id, i.user_id),
        'profiles', (
            select json_agg(memorychat.profile_json(m)) from public.memory_profiles m where m.user_id = i.user_id),
        'space_profile', (
            select m.id from public.memory_profiles m where m.user_id = c.space_id and m.is_default),
        'own_session', memorychat.active_session(c.id, i.user_id),
        'space_session', memorychat.active_session(c.id, c.space_id),
        'shares', (
            select coalesce(json_agg(s order by s.ordinal), '[]') from public.profile_shares s
            where c.space_id is not null and s.conversation_id = coalesce(c.parent_id, c.id)))
    from public.channel_identities i, public.conversations c
    where i.platform = p ->> 'platform' and i.workspace_id = p ->> 'workspace_id'
        and i.external_id = p ->> 'external_id'
        and c.platform = p -> 'place' ->> 'platform' and c.workspace_id = p -> 'place' ->> 'workspace_id'
        and c.chat_id = p -> 'place' ->> 'chat_id' and c.thread_id = p -> 'place' ->> 'thread_id'
$$;

create function public.mc_read_talk(p json) returns json language sql stable set search_path = '' as $$
    select json_build_object(
        'user', u, 'session', s, 'profile', memorychat.profile_json(m),
        'messages', (
            select coalesce(json_agg(newest order by newest.seq), '[]') from (
                select * from public.chat_messages where session_id = s.id
                order by seq desc limit (p ->> 'history')::int) newest),
        'erase_generation', (
            select n.erase_generation from public.namespaces n
            where n.user_id || ':' || n.profile_id = p ->> 'learn'
                and n.user_id = split_part(p ->> 'learn', ':', 1)))
    from public.users u, public.chat_sessions s, public.memory_profiles m
    where u.id = p ->> 'author_id' and s.id = p ->> 'session_id' and s.user_id = p ->> 'owner_id'
        and m.id = p ->> 'profile_id' and m.user_id = p ->> 'owner_id'
$$;

-- ---------------------------------------------------------------------------------------------- turns

create function memorychat.is_new(turn json) returns boolean language sql set search_path = '' as $$
    select memorychat.put('event_keys', json_build_object('event_key', turn ->> 'event_key', 'at', turn ->> 'accepted_at'),
        'on conflict do nothing') > 0
$$;

-- At the end of the conversation.
create function memorychat.enqueue(turn json, reply json) returns void language plpgsql set search_path = '' as $$
declare
    next int;
begin
    update public.conversations set last_seq = last_seq + 1 where id = turn ->> 'conversation_id'
        returning last_seq into next;
    if next is null then
        perform memorychat.fail('NotFound');
    end if;
    perform memorychat.put('inbox', turn, '', 'seq', next);
    if json_typeof(reply) = 'object' then
        perform memorychat.put('outbox', reply);
    end if;
end $$;

-- The stored row, or null when the event is known already.
create function public.mc_accept(p json) returns json language plpgsql set search_path = '' as $$
declare
    turn json := p -> 'row';
    ahead json;
begin
    if not memorychat.is_new(turn) then
        -- The very same call came twice, because its answer was lost: then this is its answer.
        return (select row_to_json(i) from public.inbox i
            where (p ->> 'again')::boolean and i.id = turn ->> 'id' and i.event_key = turn ->> 'event_key');
    end if;
    if json_typeof(p -> 'member') = 'object' then
        perform memorychat.save_member(p -> 'member');
    end if;
    update public.chat_sessions set closed_at = coalesce(closed_at, (turn ->> 'accepted_at')::timestamptz)
        where id = any(memorychat.words(p -> 'close_sessions'));
    if json_typeof(p -> 'open_session') = 'object' then
        perform memorychat.add_session(p -> 'open_session');
    end if;
    foreach ahead in array memorychat.items(p -> 'before') loop
        if memorychat.is_new(ahead -> 0) then
            perform memorychat.enqueue(ahead -> 0, ahead -> 1);
        end if;
    end loop;
    if p ->> 'mode_floor' is not null then
        update public.conversations set mode_floor = p ->> 'mode_floor' where id = (
            select coalesce(c.parent_id, c.id) from public.conversations c where c.id = turn ->> 'conversation_id');
    end if;
    perform memorychat.enqueue(turn, p -> 'outbox');
    if p ->> 'cursor' <> '' then
        update public.conversations set cursor = p ->> 'cursor' where id = turn ->> 'conversation_id';
    end if;
    return (select row_to_json(i) from public.inbox i where i.id = turn ->> 'id');
end $$;

-- `rules.next_turn` and `rules.as_claimed`, under a lock of the conversation.
create function public.mc_claim_turn(p json) returns json language plpgsql set search_path = '' as $$
declare
    place text := p ->> 'conversation_id';
    lane_ text := p ->> 'lane';
    head public.inbox;
    ids text[];
begin
    perform 1 from public.conversations where id = place for update;
    if exists (select 1 from public.inbox where conversation_id = place and lane = lane_ and state = 'running'
            and lease_owner <> p ->> 'owner' and lease_until > (p ->> 'now')::timestamptz) then
        return '[]';
    end if;
    ids := array(select id from public.inbox where conversation_id = place and lane = lane_ and state = 'running'
        order by merged_into is not null, seq);
    if cardinality(ids) = 0 then
        select * into head from public.inbox where conversation_id = place and lane = lane_ and state = 'accepted'
            order by seq limit 1;
        -- Merged only under the very same stamp, without another between.
        ids := array(select id from (
            select i.id, i.seq, i.id = head.id or bool_and(head.mergeable and i.mergeable and (i.session_id, i.author_id,
                i.owner_id, i.stamp::jsonb) = (head.session_id, head.author_id, head.owner_id, head.stamp::jsonb))
                over (order by i.seq) as together
            from public.inbox i where i.conversation_id = place and i.lane = lane_ and i.state = 'accepted'
        ) waiting where together order by seq);
    end if;
    update public.inbox set state = 'running', merged_into = case when id = ids[1] then null else ids[1] end,
        lease_owner = p ->> 'owner', lease_until = (p ->> 'lease_until')::timestamptz, attempts = attempts + 1
    where id = any(ids);
    return (select coalesce(json_agg(i order by array_position(ids, i.id)), '[]') from public.inbox i where i.id = any(ids));
end $$;

create function public.mc_renew_lease(p json) returns boolean language plpgsql set search_path = '' as $$
begin
    update public.inbox set lease_until = (p ->> 'lease_until')::timestamptz
        where p ->> 'turn_id' in (id, merged_into) and lease_owner = p ->> 'owner' and state = 'running';
    return found;
end $$;

create function public.mc_release_turn(p json) returns void language sql set search_path = '' as $$
    update public.inbox set state = 'accepted', merged_into = null, lease_owner = '', lease_until = null
    where p ->> 'turn_id' in (id, merged_into) and exists (select 1 from public.inbox head
        where head.id = p ->> 'turn_id' and head.state = 'running' and head.lease_owner = p ->> 'owner')
$$;

create function public.mc_pending_lanes(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_array(conversation_id, lane) order by at, nth), '[]') from (
        select conversation_id, lane, min(accepted_at) as at, min(ordinal) as nth from public.inbox
        where state in ('accepted', 'running') group by conversation_id, lane
        having not bool_or(state = 'running' and coalesce(lease_until > (p ->> 'now')::timestamptz, false))
    ) lanes
$$;

create function public.mc_reopen_turn(p json) returns void language plpgsql set search_path = '' as $$
declare
    head text;
    ids text[];
begin
    select coalesce(merged_into, id) into head from public.inbox
        where id = p ->> 'turn_id' and p ->> 'user_id' in (author_id, owner_id);
    if head is null then
        perform memorychat.fail('NotFound');
    end if;
    perform 1 from public.inbox where head in (id, merged_into) for update;
    if exists (select 1 from public.inbox where head in (id, merged_into) and state in ('accepted', 'running')) then
        perform memorychat.fail('TurnRunning');
    end if;
    ids := array(select id from public.inbox where head in (id, merged_into));
    perform memorychat.drop_messages(array(select id from public.chat_messages where turn_id = any(ids)));
    delete from public.outbox where turn_id = any(ids);
    update public.inbox set state = 'accepted', merged_into = null, lease_owner = '', lease_until = null, attempts = 0,
        note = '' where id = any(ids);
end $$;

create function memorychat.end_turn(turn text, owner text, ended text, remark text) returns void
    language plpgsql set search_path = '' as $$
begin
    update public.inbox set state = ended, note = remark, lease_owner = '', lease_until = null
        where turn in (id, merged_into) and lease_owner = owner and state = 'running';
    if not found then
        perform memorychat.fail('StaleMember');
    end if;
end $$;

create function public.mc_end_turn(p json) returns void language plpgsql set search_path = '' as $$
begin
    if (p ->> 'again')::boolean and exists (
            select 1 from public.inbox where id = p ->> 'turn_id' and state = p ->> 'state' and lease_owner = '') then
        return;
    end if;
    perform memorychat.end_turn(p ->> 'turn_id', p ->> 'owner', p ->> 'state', p ->> 'note');
end $$;

create function public.mc_record_turn(p json) returns void language plpgsql set search_path = '' as $$
declare
    memory json;
    expected int;
begin
    if (p ->> 'again')::boolean and exists (
            select 1 from public.inbox i where i.id = p ->> 'turn_id' and i.state = p ->> 'state' and (exists (
                select 1 from public.chat_messages where id = p -> 'messages' -> 0 ->> 'id') or exists (
                select 1 from public.outbox where id = p -> 'outbox' ->> 'id'
                    and updated_at = (p ->> 'at')::timestamptz))) then
        return;
    end if;
    perform memorychat.end_turn(p ->> 'turn_id', p ->> 'lease_owner', p ->> 'state', p ->> 'note');
    perform memorychat.append(
        p ->> 'session_id', p -> 'messages', (p ->> 'at')::timestamptz, (p ->> 'count_messages')::int);
    -- Memories whose profile is there and was not erased since the turn read it.
    foreach memory in array memorychat.items(p -> 'memories') loop
        expected := p -> 'erase_generations' ->> ((memory ->> 'user_id') || ':' || (memory ->> 'profile_id'));
        if memorychat.owns(memory ->> 'user_id', memory ->> 'profile_id')
                and coalesce(expected = (memorychat.hold_namespace(memory ->> 'user_id', memory ->> 'profile_id'))
                    .erase_generation, true) then
            perform memorychat.put_memories(
                json_build_array(memory), memorychat.move_on(memory ->> 'user_id', memory ->> 'profile_id'));
        end if;
    end loop;
    if p ->> 'outbox' is not null then
        insert into public.outbox select (json_populate_record(null::public.outbox, p -> 'outbox')).*
            on conflict (turn_id) do update set kind = excluded.kind, state = excluded.state,
                content = excluded.content, content_key_id = excluded.content_key_id,
                message_ids = excluded.message_ids, attempts = excluded.attempts,
                next_attempt_at = excluded.next_attempt_at, updated_at = excluded.updated_at;
    end if;
    if p -> 'usage' is not null then
        perform public.mc_count_usage(p -> 'usage');
    end if;
end $$;

-- `changes` are columns; an attempt is counted in the state `sending` without a next attempt's time.
create function public.mc_mark_outbox(p json) returns void language plpgsql set search_path = '' as $$
declare
    changed public.outbox := json_populate_record(null::public.outbox, p -> 'changes');
begin
    update public.outbox o set state = changed.state, updated_at = changed.updated_at,
        next_attempt_at = coalesce(changed.next_attempt_at, o.next_attempt_at),
        message_ids = coalesce(changed.message_ids, o.message_ids),
        attempts = case
            when changed.state <> 'sending' or changed.next_attempt_at is not null then o.attempts
            when (p ->> 'again')::boolean then greatest(o.attempts, 1)
            else o.attempts + 1 end,
        content = case when changed.state = 'sent' then null else o.content end,
        content_key_id = case when changed.state = 'sent' then null else o.content_key_id end
        where o.id = p ->> 'id';
    if not found then
        perform memorychat.fail('NotFound');
    end if;
end $$;

create function public.mc_unsent_outbox(p json) returns json language plpgsql set search_path = '' as $$
declare
    ids text[];
begin
    ids := array(select o.id from public.outbox o join public.inbox i on i.id = o.turn_id
        where o.state in ('ready', 'sending') and i.state not in ('accepted', 'running')
            and (o.next_attempt_at is null or o.next_attempt_at <= (p ->> 'now')::timestamptz)
        order by o.created_at, i.ordinal for update of o skip locked);
    update public.outbox set next_attempt_at = (p ->> 'hold_until')::timestamptz where id = any(ids);
    return (select coalesce(json_agg(o order by array_position(ids, o.id)), '[]') from public.outbox o
        where o.id = any(ids));
end $$;

create function public.mc_record_notice(p json) returns boolean language plpgsql set search_path = '' as $$
begin
    insert into public.notices as n (key, at) values (p ->> 'key', (p ->> 'at')::timestamptz)
        on conflict (key) do update set at = excluded.at where n.at <= (p ->> 'not_after')::timestamptz;
    return found;
end $$;

-- ---------------------------------------------------------------------------------------------- forgetting

create function public.mc_forget_turns(p json) returns json language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    turns text[] := memorychat.words(p -> 'turns');
    used text[] := memorychat.words(p -> 'memories');
    said text[];
    quoting text[];
    messages bigint;
    rows bigint;
begin
    said := array(select m.id from public.chat_messages m where m.turn_id = any(turns) and m.turn_id in (
        select t.turn_id from public.chat_messages t join public.chat_sessions s on s.id = t.session_id
        where t.turn_id = any(turns) and usr in (t.author_id, s.user_id)));
    -- Replies that used one of the memories, or one that came from one of the turns among them, and those after it in
    -- the same talk, whose prompts it stood in.
    quoting := array(select m.id from public.chat_messages m join (
            select r.session_id, min(r.seq) as seq from public.chat_messages r
            where cardinality(used) > 0 and r.role = 'assistant'
                and exists (select 1 from unnest(array['memories_used', 'turns_used']) list(name),
                    json_array_elements_text(case json_typeof(r.metadata -> list.name) when 'array'
                        then r.metadata -> list.name else '[]' end) u
                    where u.value = any(used))
            group by r.session_id
        ) first on first.session_id = m.session_id and m.seq >= first.seq where m.role = 'assistant');
    messages := memorychat.drop_messages(said || quoting);
    delete from public.inbox where usr in (author_id, owner_id) and (id = any(turns) or merged_into = any(turns))
        and state not in ('accepted', 'running');
    get diagnostics rows = row_count;
    return json_build_object('messages', messages, 'turns', rows);
end $$;

create function public.mc_change_message(p json) returns boolean language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    ids text[];
    changed record;
begin
    ids := array(select id from public.chat_messages
        where turn_id = p ->> 'turn_id' and author_id = usr and role = 'user');
    perform memorychat.removed_from(ids);
    update public.chat_sessions set summary_until_seq = 0, summary = null, summary_key_id = null
        where id in (select session_id from public.chat_messages where id = any(ids));
    for changed in select key, value from json_each(p -> 'rows') loop
        update public.inbox set content = changed.value ->> 'content', content_key_id = changed.value ->> 'content_key_id'
            where id = changed.key and author_id = usr;
    end loop;
    update public.chat_messages set learned = false, content = p -> 'content' ->> 'content',
        content_key_id = p -> 'content' ->> 'content_key_id' where id = any(ids);
    return cardinality(ids) > 0;
end $$;

create function memorychat.expire_messages(ids text[]) returns bigint language plpgsql set search_path = '' as $$
begin
    delete from public.inbox i using public.chat_messages m where m.id = any(ids) and m.turn_id in (i.id, i.merged_into)
        and i.state not in ('accepted', 'running');
    return memorychat.drop_messages(ids);
end $$;

create function memorychat.expire_memories(ids text[]) returns bigint language plpgsql set search_path = '' as $$
declare
    place record;
    gone bigint;
begin
    for place in select distinct user_id, profile_id from public.mem0_memories where id = any(ids) order by 1, 2 loop
        perform memorychat.move_on(place.user_id, place.profile_id, true);
    end loop;
    delete from public.mem0_memories where id = any(ids);
    get diagnostics gone = row_count;
    return gone;
end $$;

-- A profile's own limit goes before the common ones.
create function public.mc_expire(p json) returns json language plpgsql set search_path = '' as $$
declare
    now_ timestamptz := p ->> 'now';
begin
    return json_build_object(
        'messages', memorychat.expire_messages(array(
            select m.id from public.chat_messages m join public.chat_sessions s on s.id = m.session_id
            left join public.memory_profiles f on f.id = s.memory_profile_id
            where m.created_at < case when f.retention_days is null then (p ->> 'messages_before')::timestamptz
                else now_ - make_interval(hours => 24 * f.retention_days) end)),
        'memories', memorychat.expire_memories(array(
            select m.id from public.mem0_memories m join public.memory_profiles f on f.id = m.profile_id
            where m.created_at < case when f.retention_days is null then (p ->> 'memories_before')::timestamptz
                else now_ - make_interval(hours => 24 * f.retention_days) end)));
end $$;

-- ---------------------------------------------------------------------------------------------- erasing and joining

-- Everything of a person, also in rooms; how many rows of what went.
create function memorychat.remove_person(usr text) returns json language plpgsql set search_path = '' as $$
declare
    alone text[];
    turns text[];
    part text;
    place record;
    gone bigint;
    counts jsonb := '{}';
begin
    -- Their chats with the bot, whose addresses name them; not those that somebody else uses too.
    alone := array(select c.id from public.conversations c join (
            select conversation_id, user_id from public.members
            union all select conversation_id, author_id from public.inbox
            union all select conversation_id, user_id from public.chat_sessions
        ) presence on presence.conversation_id = c.id
        where c.kind = 'private' group by c.id
        having min(presence.user_id) = usr and max(presence.user_id) = usr);
    delete from public.link_failures where identity_id in (
        select id from public.channel_identities where user_id = usr);
    turns := array(select id from public.inbox where usr in (author_id, owner_id));
    counts := counts || jsonb_build_object('messages', memorychat.drop_messages(array(
        select m.id from public.chat_messages m join public.chat_sessions s on s.id = m.session_id
        where m.author_id = usr or m.turn_id = any(turns) or s.user_id = usr)));
    delete from public.outbox where turn_id = any(turns);
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object('replies', gone);
    delete from public.inbox where usr in (author_id, owner_id);
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object('turns', gone);
    for place in select distinct user_id, profile_id from public.mem0_memories where usr in (user_id, author_id)
            order by 1, 2 loop
        perform memorychat.move_on(place.user_id, place.profile_id, true);
    end loop;
    delete from public.namespaces where user_id = usr;
    delete from public.mem0_memories where usr in (user_id, author_id);
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object('memories', gone);
    -- Children before parents, so that they are counted.
    foreach part in array array['shares profile_shares', 'sessions chat_sessions', 'members members',
            'profiles memory_profiles', 'usage usage', 'pending pending', 'identities channel_identities'] loop
        execute format('delete from public.%I where user_id = $1', split_part(part, ' ', 2)) using usr;
        get diagnostics gone = row_count;
        counts := counts || jsonb_build_object(split_part(part, ' ', 1), gone);
    end loop;
    delete from public.conversations where id = any(alone);
    get diagnostics gone = row_count;
    counts := counts || jsonb_build_object('conversations', gone);
    delete from public.users where id = usr;
    get diagnostics gone = row_count;
    return (counts || jsonb_build_object('users', gone))::json;
end $$;

-- Verified by removing once more, which must find nothing.
create function public.mc_erase_user(p json) returns json language plpgsql set search_path = '' as $$
declare
    usr text := p ->> 'user_id';
    receipt public.erasures := json_populate_record(null::public.erasures, p);
begin
    perform 1 from public.users where id = usr and kind = 'person' for update;
    if not found then
        perform memorychat.fail('NotFound');
    end if;
    receipt.removed := memorychat.remove_person(usr);
    receipt.verified := not exists (
        select 1 from json_each_text(memorychat.remove_person(usr)) again where again.value <> '0');
    insert into public.erasures select receipt.*;
    return row_to_json(receipt);
end $$;

-- `LinkStore.merge_users`. Profiles, stamps and members come as they are to be: what they become was decided by the
-- caller over what it read, and `read` says what that was.
create function public.mc_merge_users(p json) returns void language plpgsql set search_path = '' as $$
declare
    source text := p ->> 'source';
    target text := p ->> 'target';
    old_default text := p ->> 'old_default';
    new_default text := p ->> 'new_default';
    item json;
    place record;
    moved int;
begin
    -- Nothing that hangs under either can come or go from here on.
    perform 1 from public.users where id in (source, target) order by id for update;
    if (select count(*) from public.users where id in (source, target)) < 2 then
        perform memorychat.fail('NotFound');
    end if;
    foreach item in array memorychat.items(p -> 'generations') loop
        if (memorychat.hold_namespace(item ->> 0, item ->> 1)).generation <> (item ->> 2)::int then
            perform memorychat.fail('StaleMember');
        end if;
    end loop;
    if (select array_agg(id order by id) from public.memory_profiles where user_id = source)
            <> (select array_agg(value order by value collate "C") from json_array_elements_text(p -> 'old_profiles'))
        or not exists (select 1 from public.memory_profiles where id = old_default and user_id = source and is_default)
        or not exists (select 1 from public.memory_profiles where id = new_default and user_id = target and is_default)
        or exists (select 1 from public.members m where m.user_id = source and not exists (
            select 1 from json_array_elements(p -> 'members_read') r
            where r.value ->> 0 = m.conversation_id and (r.value ->> 1)::int = m.version)) then
        perform memorychat.fail('StaleMember');
    end if;
    foreach item in array memorychat.items(p -> 'profiles') loop
        update public.memory_profiles set user_id = target, name = item ->> 'name', name_key = item ->> 'name_key',
            updated_at = (p ->> 'at')::timestamptz where id = item ->> 'id';
    end loop;
    update public.memory_profiles set instructions = p ->> 'instructions' where id = new_default;
    -- What named the source's profiles names them under the target.
    update public.chat_messages set namespace = target || ':' ||
            case split_part(namespace, ':', 2) when old_default then new_default else split_part(namespace, ':', 2) end
        where split_part(namespace, ':', 1) = source;
    update public.chat_sessions set memory_profile_id = new_default where memory_profile_id = old_default;
    delete from public.profile_shares s where s.profile_id = old_default and exists (
        select 1 from public.profile_shares t
        where t.profile_id = new_default and t.conversation_id = s.conversation_id);
    update public.profile_shares set user_id = target,
        profile_id = case profile_id when old_default then new_default else profile_id end where user_id = source;
    -- Memories: the source's own go, sealed anew they come back under the target.
    for item in select to_json(value) from json_array_elements_text(p -> 'old_profiles') loop
        perform memorychat.move_on(source, item #>> '{}', true, true);
    end loop;
    delete from public.mem0_memories where user_id = source;
    foreach item in array memorychat.items(p -> 'records') loop
        moved := memorychat.move_on(target, item ->> 'profile_id');
        perform memorychat.put_memories(item -> 'records', moved);
    end loop;
    for place in select distinct user_id, profile_id from public.mem0_memories where author_id = source order by 1, 2 loop
        moved := memorychat.move_on(place.user_id, place.profile_id);
        update public.mem0_memories m set author_id = target, generation = moved
            where m.author_id = source and m.profile_id = place.profile_id;
    end loop;
    -- Talk.
    update public.chat_sessions set user_id = target where user_id = source;
    update public.chat_messages set author_id = target where author_id = source;
    update public.inbox set
        author_id = case author_id when source then target else author_id end,
        owner_id = case owner_id when source then target else owner_id end,
        stamp = memorychat.merged_stamp(stamp, source, target, old_default, new_default)
        where source in (author_id, owner_id) or position(source in stamp::text) > 0;
    -- Members, as the caller joined them.
    delete from public.members where user_id = source;
    foreach item in array memorychat.items(p -> 'members') loop
        perform memorychat.put('members', item, 'on conflict (conversation_id, user_id) do update set mode = '
            'excluded.mode, profile_id = excluded.profile_id, version = excluded.version, welcomed = excluded.welcomed');
    end loop;
    -- The account.
    for item in select json_build_object('user_id', target, 'day', day, 'messages', messages,
            'prompt_tokens', prompt_tokens, 'completion_tokens', completion_tokens)
            from public.usage where user_id = source loop
        perform public.mc_count_usage(item);
    end loop;
    update public.channel_identities set user_id = target where user_id = source;
    update public.erasures set user_id = target where user_id = source;
    update public.api_keys set user_id = target where user_id = source;
    update public.sign_ins set user_id = target where user_id = source;
    update public.credentials set user_id = target where user_id = source
        and not exists (select 1 from public.credentials where user_id = target);
    delete from public.pending where user_id in (source, target);
    delete from public.link_codes where user_id in (source, target);
    -- Last, for everything that still names the source goes down with it.
    delete from public.memory_profiles where id = old_default;
    delete from public.users where id = source;
    update public.users u set email = p -> 'user' ->> 'email', email_key = p -> 'user' ->> 'email_key',
        updated_at = (p ->> 'at')::timestamptz where u.id = target;
end $$;

-- `Merging.stamp` for the part that is no column.
create function memorychat.merged_stamp(stamp json, source text, target text, old_default text, new_default text)
    returns json language sql immutable set search_path = '' as $$
    select json_build_object(
        'identity_id', stamp -> 'identity_id',
        'profile_id', case stamp ->> 'profile_id' when old_default then new_default else stamp ->> 'profile_id' end,
        'mode', stamp -> 'mode', 'audience', stamp -> 'audience',
        'recall', (
            select coalesce(json_agg(name order by first), '[]') from (
                select replace(replace(value, source || ':' || old_default, target || ':' || new_default),
                    source || ':', target || ':') as name, min(nth) as first
                from json_array_elements_text(stamp -> 'recall') with ordinality r(value, nth) group by 1) names),
        'learn', replace(replace(stamp ->> 'learn', source || ':' || old_default, target || ':' || new_default),
            source || ':', target || ':'))
$$;

create function public.mc_authored_messages(p json) returns json language sql stable set search_path = '' as $$
    select coalesce(json_agg(page order by created_at, session_id, seq), '[]') from (
        select m.* from public.chat_messages m join public.chat_sessions s on s.id = m.session_id
        where m.author_id = p ->> 'user_id' and s.user_id <> p ->> 'user_id'
        order by m.created_at, m.session_id, m.seq limit (p ->> 'limit')::int offset (p ->> 'offset')::int) page
$$;

-- ---------------------------------------------------------------------------------------------- upkeep

-- Drop what is over. `before` has a moment for each kind of row.
create function public.mc_purge(p json) returns bigint language plpgsql set search_path = '' as $$
declare
    now_ timestamptz := p ->> 'now';
    gone bigint;
    total bigint := 0;
begin
    delete from public.event_keys where at < (p ->> 'event_keys')::timestamptz and event_key not in (
        select event_key from public.inbox where state in ('accepted', 'running'));
    get diagnostics gone = row_count; total := total + gone;
    delete from public.pending where expires_at <= now_;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.link_codes where expires_at <= now_;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.link_failures where last_at < (p ->> 'link_failures')::timestamptz;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.revoked_tokens where expires_at <= now_;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.sign_ins where expires_at <= now_;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.access_grants where state = 'waiting' and changed_at < (p ->> 'access_grants')::timestamptz;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.notices where at < (p ->> 'notices')::timestamptz;
    get diagnostics gone = row_count; total := total + gone;
    delete from public.job_runs where tick < (p ->> 'job_runs')::timestamptz;
    get diagnostics gone = row_count; total := total + gone;
    return total;
end $$;

create function public.mc_has_sealed_rows() returns boolean language sql stable set search_path = '' as $$
    select exists (select 1 from public.chat_messages where content_key_id is not null)
        or exists (select 1 from public.mem0_memories where text_key_id is not null)
        or exists (select 1 from public.inbox where content_key_id is not null)
        or exists (select 1 from public.outbox where content_key_id is not null)
        or exists (select 1 from public.chat_sessions where summary_key_id is not null)
$$;

-- Take or keep the lease of the one runner, by the server's clock; false while another one holds it.
create function public.mc_hold_runner(p json) returns boolean language plpgsql set search_path = '' as $$
begin
    insert into public.runner_leases as r (name, owner, expires_at)
        values ('runner', p ->> 'owner', clock_timestamp() + make_interval(secs => (p ->> 'seconds')::float))
        on conflict (name) do update set owner = excluded.owner, expires_at = excluded.expires_at
        where r.owner = excluded.owner or r.expires_at < clock_timestamp();
    return found;
end $$;

do $$
declare
    made text;
begin
    revoke all on schema memorychat from public;
    grant usage on schema memorychat to service_role;
    for made in select p.oid::regprocedure::text from pg_catalog.pg_proc p
            where p.pronamespace = 'memorychat'::regnamespace
                or (p.pronamespace = 'public'::regnamespace and p.proname like 'mc\_%') loop
        execute format('revoke execute on function %s from public, anon, authenticated', made);
        execute format('grant execute on function %s to service_role', made);
    end loop;
end $$;

-- Where PostgREST is there, it looks at the schema anew.
notify pgrst, 'reload schema';
