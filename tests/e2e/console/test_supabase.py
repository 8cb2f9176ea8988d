"""`memorychat` on a Supabase project, with its address and key alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.stores import migrations
from tests.e2e.console.conftest import Run
from tests.support.postgres import Server, postgres_server
from tests.support.postgrest import PUBLIC_KEY, SECRET_KEY, Project, Trouble, project

pytestmark = pytest.mark.long  # whole processes over a project: minutes on a busy machine


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


@pytest.fixture
def supabase(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with the schema, in the settings of this process."""
    with project(server.fresh("project")) as started:
        monkeypatch.setenv("SUPABASE_URL", started.url)
        monkeypatch.setenv("SUPABASE_SERVICE_KEY", SECRET_KEY)
        monkeypatch.setenv("MEMORYCHAT_MASTER_KEY", base64.b64encode(bytes(range(32))).decode())
        yield started


@pytest.mark.usefixtures("supabase")
def test_what_is_told_is_kept_in_the_project_and_sealed(memorychat: Run, home: Path, server: Server) -> None:
    assert memorychat("chat", stdin="My dog is called Rex\n").code == 0
    asked = memorychat("chat", stdin="What is my dog called?")
    assert (asked.code, "Rex" in asked.out) == (0, True)
    assert "Rex" in memorychat("memory", "list").out
    assert not list(home.glob("memorychat.db*"))
    doctor = memorychat("doctor")
    assert "Supabase, schema up to date" in doctor.out
    assert "Keys" in doctor.out


@pytest.mark.usefixtures("supabase")
def test_the_schema_is_looked_at_and_told_how_to_apply(memorychat: Run, supabase: Project) -> None:
    assert f"{migrations.HEAD} (up to date)" in memorychat("db", "current").out
    assert migrations.HEAD in memorychat("db", "upgrade").out
    supabase.trouble += [Trouble(404, '{"code": "PGRST202", "message": "no function"}')] * 2
    assert "supabase db push" in memorychat("db", "current").out
    missing = memorychat("db", "upgrade")
    assert (missing.code, "memorychat db sql" in missing.err) == (1, True)
    printed = memorychat("db", "sql").out
    assert "CREATE TABLE public.users" in printed
    assert "public.mc_accept" in printed
    newer = memorychat("db", "sql", "--after", "0003").out
    assert "CREATE TABLE public.users" not in newer
    assert "public.mc_accept" in newer
    assert memorychat("db", "sql", "--after", migrations.HEAD).out == ""


def test_a_wrong_key_or_address_is_one_clear_sentence(
    memorychat: Run, supabase: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", PUBLIC_KEY)
    for command in (("chat",), ("db", "current"), ("doctor",)):
        refused = memorychat(*command)
        assert refused.code != 0
        assert "SUPABASE_SERVICE_KEY: Supabase refuses it" in refused.out + refused.err
        assert PUBLIC_KEY not in refused.out + refused.err
        assert "Traceback" not in refused.err
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", SECRET_KEY)
    monkeypatch.setenv("SUPABASE_URL", f"{supabase.url}/elsewhere")
    assert "SUPABASE_URL" in memorychat("chat").err


def test_the_other_settings_go_with_it(memorychat: Run, supabase: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = memorychat("backup", "copy.db")
    assert (copied.code != 0, "project's own backups" in copied.err) == (True, True)
    monkeypatch.setenv("QUEUE", "postgres")
    assert "needs DATABASE_URL" in memorychat("chat").err
    monkeypatch.delenv("QUEUE")
    # DATABASE_URL goes before: SUPABASE_URL is then for sign-in only.
    monkeypatch.setenv("DATABASE_URL", "sqlite:///here.db")
    supabase.requests.clear()
    assert memorychat("chat", stdin="hello").code == 0
    assert supabase.requests == []
