"""Only what `make test-live` asks for leaves this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from adapters.clock import ManualClock
from adapters.stores.supabase import SupabaseStore

# Read before the tests' own fixture takes them out of the environment.
URL, KEY, PUBLIC_KEY = (os.environ.get(f"SUPABASE_{name}", "") for name in ("URL", "SERVICE_KEY", "KEY"))


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> None:
    """In the place of the one that holds for every other test."""


@pytest.fixture
async def store(clock: ManualClock) -> AsyncIterator[SupabaseStore]:
    if not (URL and KEY):
        pytest.skip("SUPABASE_URL and SUPABASE_SERVICE_KEY name no project")
    store = SupabaseStore(URL, KEY, clock)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
