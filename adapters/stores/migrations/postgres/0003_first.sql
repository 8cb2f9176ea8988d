-- Everything that MemoryChat keeps, on Postgres and on Supabase. The number is the schema's version on every engine.
-- What is sealed stays sealed here: content columns hold ciphertext beside the id of its key.

CREATE TABLE public.access_grants (
    platform TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_access_grants PRIMARY KEY (platform, workspace_id, external_id)
);

CREATE TABLE public.erasures (
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    removed JSON NOT NULL,
    verified BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_erasures PRIMARY KEY (id)
);
CREATE INDEX ix_erasures_user_id ON public.erasures (user_id);

CREATE TABLE public.event_keys (
    event_key TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_event_keys PRIMARY KEY (event_key)
);

CREATE TABLE public.job_runs (
    job TEXT COLLATE "C" NOT NULL,
    tick TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_job_runs PRIMARY KEY (job, tick)
);

CREATE TABLE public.link_failures (
    identity_id TEXT COLLATE "C" NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_link_failures PRIMARY KEY (identity_id)
);

CREATE TABLE public.namespaces (
    user_id TEXT COLLATE "C" NOT NULL,
    profile_id TEXT COLLATE "C" NOT NULL,
    generation INTEGER DEFAULT '0' NOT NULL,
    erase_generation INTEGER DEFAULT '0' NOT NULL,
    removed_generation INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_namespaces PRIMARY KEY (user_id, profile_id)
);

CREATE TABLE public.notices (
    key TEXT COLLATE "C" NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (key)
);

CREATE TABLE public.revoked_tokens (
    token_id TEXT COLLATE "C" NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_revoked_tokens PRIMARY KEY (token_id)
);

CREATE TABLE public.users (
    id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C",
    email_key TEXT COLLATE "C",
    display_name TEXT COLLATE "C" NOT NULL,
    language TEXT COLLATE "C",
    timezone TEXT COLLATE "C" NOT NULL,
    metadata JSON NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email_key UNIQUE (email_key)
);

CREATE TABLE public.api_keys (
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    key_hash TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    scopes JSON NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT fk_api_keys_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash)
);
CREATE INDEX ix_api_keys_user_id ON public.api_keys (user_id);

CREATE TABLE public.channel_identities (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_channel_identities PRIMARY KEY (ordinal),
    CONSTRAINT uq_channel_identities_platform_workspace_id_external_id UNIQUE (platform, workspace_id, external_id),
    CONSTRAINT uq_channel_identities_id UNIQUE (id),
    CONSTRAINT fk_channel_identities_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);
CREATE INDEX ix_channel_identities_user_id ON public.channel_identities (user_id);

CREATE TABLE public.conversations (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL,
    chat_id TEXT COLLATE "C" NOT NULL,
    thread_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    parent_id TEXT COLLATE "C",
    space_id TEXT COLLATE "C",
    mode_floor TEXT COLLATE "C" NOT NULL,
    cursor TEXT COLLATE "C" NOT NULL,
    last_seq INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_conversations PRIMARY KEY (ordinal),
    CONSTRAINT uq_conversations_platform_workspace_id_chat_id_thread_id UNIQUE (platform, workspace_id, chat_id, thread_id),
    CONSTRAINT uq_conversations_id UNIQUE (id),
    CONSTRAINT fk_conversations_parent_id FOREIGN KEY(parent_id) REFERENCES public.conversations (id) ON DELETE SET NULL,
    CONSTRAINT fk_conversations_space_id FOREIGN KEY(space_id) REFERENCES public.users (id)
);
CREATE INDEX ix_conversations_parent_id ON public.conversations (parent_id);

CREATE TABLE public.credentials (
    user_id TEXT COLLATE "C" NOT NULL,
    password_hash TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (user_id),
    CONSTRAINT fk_credentials_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);

CREATE TABLE public.link_codes (
    user_id TEXT COLLATE "C" NOT NULL,
    conversation_id TEXT COLLATE "C" NOT NULL,
    code_hash TEXT COLLATE "C" NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_link_codes PRIMARY KEY (user_id),
    CONSTRAINT fk_link_codes_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT uq_link_codes_code_hash UNIQUE (code_hash)
);

CREATE TABLE public.memory_profiles (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    instructions TEXT COLLATE "C" NOT NULL,
    retention_days INTEGER,
    is_default BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_memory_profiles PRIMARY KEY (ordinal),
    CONSTRAINT uq_memory_profiles_user_id_name_key UNIQUE (user_id, name_key),
    CONSTRAINT uq_memory_profiles_id UNIQUE (id),
    CONSTRAINT fk_memory_profiles_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX one_default_profile ON public.memory_profiles (user_id) WHERE is_default = true;

CREATE TABLE public.pending (
    user_id TEXT COLLATE "C" NOT NULL,
    conversation_id TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C" NOT NULL,
    payload JSON NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_pending PRIMARY KEY (user_id, conversation_id, token),
    CONSTRAINT fk_pending_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);

CREATE TABLE public.sign_ins (
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sign_ins PRIMARY KEY (id),
    CONSTRAINT fk_sign_ins_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);
CREATE INDEX ix_sign_ins_user_id ON public.sign_ins (user_id);

CREATE TABLE public.usage (
    user_id TEXT COLLATE "C" NOT NULL,
    day DATE NOT NULL,
    messages INTEGER DEFAULT '0' NOT NULL,
    prompt_tokens INTEGER DEFAULT '0' NOT NULL,
    completion_tokens INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_usage PRIMARY KEY (user_id, day),
    CONSTRAINT fk_usage_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE
);

CREATE TABLE public.chat_sessions (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    conversation_id TEXT COLLATE "C",
    memory_profile_id TEXT COLLATE "C",
    privacy_mode TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    message_count INTEGER DEFAULT '0' NOT NULL,
    last_seq INTEGER DEFAULT '0' NOT NULL,
    summary TEXT COLLATE "C",
    summary_key_id TEXT COLLATE "C",
    summary_until_seq INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_chat_sessions PRIMARY KEY (ordinal),
    CONSTRAINT uq_chat_sessions_id UNIQUE (id),
    CONSTRAINT fk_chat_sessions_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_chat_sessions_conversation_id FOREIGN KEY(conversation_id) REFERENCES public.conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_chat_sessions_memory_profile_id FOREIGN KEY(memory_profile_id) REFERENCES public.memory_profiles (id) ON DELETE SET NULL
);
CREATE INDEX ix_chat_sessions_conversation_id_user_id ON public.chat_sessions (conversation_id, user_id);
CREATE INDEX ix_chat_sessions_memory_profile_id ON public.chat_sessions (memory_profile_id);
CREATE INDEX ix_chat_sessions_user_id_updated_at ON public.chat_sessions (user_id, updated_at);

CREATE TABLE public.mem0_memories (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    profile_id TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    text_key_id TEXT COLLATE "C",
    vector TEXT COLLATE "C",
    vector_key_id TEXT COLLATE "C",
    embedder TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    said_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    author_id TEXT COLLATE "C",
    author_name TEXT COLLATE "C" NOT NULL,
    language TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    source_turns JSON NOT NULL,
    superseded_by TEXT COLLATE "C",
    generation INTEGER DEFAULT '0' NOT NULL,
    metadata JSON NOT NULL,
    CONSTRAINT pk_mem0_memories PRIMARY KEY (ordinal),
    CONSTRAINT uq_mem0_memories_id UNIQUE (id),
    CONSTRAINT fk_mem0_memories_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_mem0_memories_profile_id FOREIGN KEY(profile_id) REFERENCES public.memory_profiles (id) ON DELETE CASCADE
);
CREATE INDEX ix_mem0_memories_author_id ON public.mem0_memories (author_id);
CREATE INDEX ix_mem0_memories_embedder ON public.mem0_memories (embedder);
CREATE INDEX ix_mem0_memories_profile_id_generation ON public.mem0_memories (profile_id, generation);
CREATE INDEX ix_mem0_memories_profile_id_said_at ON public.mem0_memories (profile_id, said_at);
CREATE INDEX ix_mem0_memories_profile_id_state ON public.mem0_memories (profile_id, state);
CREATE INDEX ix_mem0_memories_user_id ON public.mem0_memories (user_id);

CREATE TABLE public.members (
    conversation_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    profile_id TEXT COLLATE "C",
    version INTEGER DEFAULT '0' NOT NULL,
    welcomed BOOLEAN NOT NULL,
    CONSTRAINT pk_members PRIMARY KEY (conversation_id, user_id),
    CONSTRAINT fk_members_conversation_id FOREIGN KEY(conversation_id) REFERENCES public.conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_members_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_members_profile_id FOREIGN KEY(profile_id) REFERENCES public.memory_profiles (id) ON DELETE SET NULL
);
CREATE INDEX ix_members_profile_id ON public.members (profile_id);
CREATE INDEX ix_members_user_id ON public.members (user_id);

CREATE TABLE public.profile_shares (
    ordinal SERIAL NOT NULL,
    conversation_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    profile_id TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_profile_shares PRIMARY KEY (ordinal),
    CONSTRAINT uq_profile_shares_conversation_id_profile_id UNIQUE (conversation_id, profile_id),
    CONSTRAINT fk_profile_shares_conversation_id FOREIGN KEY(conversation_id) REFERENCES public.conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_profile_shares_user_id FOREIGN KEY(user_id) REFERENCES public.users (id) ON DELETE CASCADE,
    CONSTRAINT fk_profile_shares_profile_id FOREIGN KEY(profile_id) REFERENCES public.memory_profiles (id) ON DELETE CASCADE
);
CREATE INDEX ix_profile_shares_profile_id ON public.profile_shares (profile_id);
CREATE INDEX ix_profile_shares_user_id ON public.profile_shares (user_id);

CREATE TABLE public.chat_messages (
    id TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    seq INTEGER NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    content_key_id TEXT COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    turn_id TEXT COLLATE "C",
    author_id TEXT COLLATE "C",
    author_name TEXT COLLATE "C" NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C",
    learned BOOLEAN NOT NULL,
    metadata JSON NOT NULL,
    CONSTRAINT pk_chat_messages PRIMARY KEY (id),
    CONSTRAINT uq_chat_messages_session_id_seq UNIQUE (session_id, seq),
    CONSTRAINT fk_chat_messages_session_id FOREIGN KEY(session_id) REFERENCES public.chat_sessions (id) ON DELETE CASCADE
);
CREATE INDEX ix_chat_messages_author_id ON public.chat_messages (author_id);
CREATE INDEX ix_chat_messages_namespace_learned ON public.chat_messages (namespace, learned);
CREATE INDEX ix_chat_messages_turn_id ON public.chat_messages (turn_id);

CREATE TABLE public.inbox (
    ordinal SERIAL NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    event_key TEXT COLLATE "C" NOT NULL,
    conversation_id TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    author_id TEXT COLLATE "C" NOT NULL,
    owner_id TEXT COLLATE "C" NOT NULL,
    stamp JSON NOT NULL,
    address JSON NOT NULL,
    content TEXT COLLATE "C",
    content_key_id TEXT COLLATE "C",
    lane TEXT COLLATE "C" NOT NULL,
    mergeable BOOLEAN NOT NULL,
    is_command BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq INTEGER NOT NULL,
    merged_into TEXT COLLATE "C",
    lease_owner TEXT COLLATE "C" NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    attempts INTEGER DEFAULT '0' NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (ordinal),
    CONSTRAINT uq_inbox_id UNIQUE (id),
    CONSTRAINT fk_inbox_conversation_id FOREIGN KEY(conversation_id) REFERENCES public.conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_inbox_session_id FOREIGN KEY(session_id) REFERENCES public.chat_sessions (id) ON DELETE CASCADE
);
CREATE INDEX ix_inbox_author_id ON public.inbox (author_id);
CREATE INDEX ix_inbox_conversation_id_lane_state_seq ON public.inbox (conversation_id, lane, state, seq);
CREATE INDEX ix_inbox_event_key ON public.inbox (event_key);
CREATE INDEX ix_inbox_merged_into ON public.inbox (merged_into);
CREATE INDEX ix_inbox_owner_id ON public.inbox (owner_id);
CREATE INDEX ix_inbox_session_id ON public.inbox (session_id);
CREATE INDEX ix_inbox_state ON public.inbox (state);

CREATE TABLE public.outbox (
    id TEXT COLLATE "C" NOT NULL,
    turn_id TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    conversation_id TEXT COLLATE "C" NOT NULL,
    address JSON NOT NULL,
    audience TEXT COLLATE "C" NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C",
    content_key_id TEXT COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    message_ids JSON NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT uq_outbox_turn_id UNIQUE (turn_id),
    CONSTRAINT fk_outbox_turn_id FOREIGN KEY(turn_id) REFERENCES public.inbox (id) ON DELETE CASCADE,
    CONSTRAINT fk_outbox_conversation_id FOREIGN KEY(conversation_id) REFERENCES public.conversations (id) ON DELETE CASCADE
);
CREATE INDEX ix_outbox_state ON public.outbox (state);

-- Nobody but the service reads or writes, except that people may look at what is theirs.
alter table public.access_grants enable row level security;
revoke all on public.access_grants from anon, authenticated;
grant all on public.access_grants to service_role;
alter table public.erasures enable row level security;
revoke all on public.erasures from anon, authenticated;
grant all on public.erasures to service_role;
grant select on public.erasures to authenticated;
create policy own_rows on public.erasures for select to authenticated using (user_id = auth.uid()::text);
alter table public.event_keys enable row level security;
revoke all on public.event_keys from anon, authenticated;
grant all on public.event_keys to service_role;
alter table public.job_runs enable row level security;
revoke all on public.job_runs from anon, authenticated;
grant all on public.job_runs to service_role;
alter table public.link_failures enable row level security;
revoke all on public.link_failures from anon, authenticated;
grant all on public.link_failures to service_role;
alter table public.namespaces enable row level security;
revoke all on public.namespaces from anon, authenticated;
grant all on public.namespaces to service_role;
alter table public.notices enable row level security;
revoke all on public.notices from anon, authenticated;
grant all on public.notices to service_role;
alter table public.revoked_tokens enable row level security;
revoke all on public.revoked_tokens from anon, authenticated;
grant all on public.revoked_tokens to service_role;
alter table public.users enable row level security;
revoke all on public.users from anon, authenticated;
grant all on public.users to service_role;
grant select on public.users to authenticated;
create policy own_rows on public.users for select to authenticated using (id = auth.uid()::text);
alter table public.api_keys enable row level security;
revoke all on public.api_keys from anon, authenticated;
grant all on public.api_keys to service_role;
alter table public.channel_identities enable row level security;
revoke all on public.channel_identities from anon, authenticated;
grant all on public.channel_identities to service_role;
grant select on public.channel_identities to authenticated;
create policy own_rows on public.channel_identities for select to authenticated using (user_id = auth.uid()::text);
alter table public.conversations enable row level security;
revoke all on public.conversations from anon, authenticated;
grant all on public.conversations to service_role;
alter table public.credentials enable row level security;
revoke all on public.credentials from anon, authenticated;
grant all on public.credentials to service_role;
alter table public.link_codes enable row level security;
revoke all on public.link_codes from anon, authenticated;
grant all on public.link_codes to service_role;
alter table public.memory_profiles enable row level security;
revoke all on public.memory_profiles from anon, authenticated;
grant all on public.memory_profiles to service_role;
grant select on public.memory_profiles to authenticated;
create policy own_rows on public.memory_profiles for select to authenticated using (user_id = auth.uid()::text);
alter table public.pending enable row level security;
revoke all on public.pending from anon, authenticated;
grant all on public.pending to service_role;
alter table public.sign_ins enable row level security;
revoke all on public.sign_ins from anon, authenticated;
grant all on public.sign_ins to service_role;
alter table public.usage enable row level security;
revoke all on public.usage from anon, authenticated;
grant all on public.usage to service_role;
grant select on public.usage to authenticated;
create policy own_rows on public.usage for select to authenticated using (user_id = auth.uid()::text);
alter table public.chat_sessions enable row level security;
revoke all on public.chat_sessions from anon, authenticated;
grant all on public.chat_sessions to service_role;
grant select on public.chat_sessions to authenticated;
create policy own_rows on public.chat_sessions for select to authenticated using (user_id = auth.uid()::text);
alter table public.mem0_memories enable row level security;
revoke all on public.mem0_memories from anon, authenticated;
grant all on public.mem0_memories to service_role;
grant select on public.mem0_memories to authenticated;
create policy own_rows on public.mem0_memories for select to authenticated using (user_id = auth.uid()::text);
alter table public.members enable row level security;
revoke all on public.members from anon, authenticated;
grant all on public.members to service_role;
grant select on public.members to authenticated;
create policy own_rows on public.members for select to authenticated using (user_id = auth.uid()::text);
alter table public.profile_shares enable row level security;
revoke all on public.profile_shares from anon, authenticated;
grant all on public.profile_shares to service_role;
grant select on public.profile_shares to authenticated;
create policy own_rows on public.profile_shares for select to authenticated using (user_id = auth.uid()::text);
alter table public.chat_messages enable row level security;
revoke all on public.chat_messages from anon, authenticated;
grant all on public.chat_messages to service_role;
grant select on public.chat_messages to authenticated;
create policy own_rows on public.chat_messages for select to authenticated using (exists (select 1 from public.chat_sessions s where s.id = session_id and s.user_id = auth.uid()::text));
alter table public.inbox enable row level security;
revoke all on public.inbox from anon, authenticated;
grant all on public.inbox to service_role;
alter table public.outbox enable row level security;
revoke all on public.outbox from anon, authenticated;
grant all on public.outbox to service_role;
grant usage on sequence public.channel_identities_ordinal_seq to service_role;
grant usage on sequence public.conversations_ordinal_seq to service_role;
grant usage on sequence public.memory_profiles_ordinal_seq to service_role;
grant usage on sequence public.chat_sessions_ordinal_seq to service_role;
grant usage on sequence public.mem0_memories_ordinal_seq to service_role;
grant usage on sequence public.profile_shares_ordinal_seq to service_role;
grant usage on sequence public.inbox_ordinal_seq to service_role;

-- The version travels with the schema, whichever tool applied it.
create function public.schema_version() returns text
    language sql immutable security invoker set search_path = '' as $$ select '0003' $$;
revoke execute on function public.schema_version() from public, anon, authenticated;
grant execute on function public.schema_version() to service_role;
