-- What Supabase has and a plain Postgres lacks: the roles, and who is asking.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
        if not exists (select 1 from pg_catalog.pg_roles where rolname = wanted) then
            execute format('create role %I nologin noinherit %s', wanted,
                case wanted when 'service_role' then 'bypassrls' else '' end);
        end if;
    end loop;
end
$$;
create schema if not exists auth;
create function auth.uid() returns uuid language sql stable set search_path = '' as $$
    select nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid
$$;
grant usage on schema public, auth to anon, authenticated, service_role;
grant execute on function auth.uid() to anon, authenticated, service_role;
