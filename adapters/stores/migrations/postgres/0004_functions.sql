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
