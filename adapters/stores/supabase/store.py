from __future__ import annotations

from adapters.stores import migrations
from adapters.stores.supabase.accounts import SupabaseAccounts
from adapters.stores.supabase.faults import REFUSED
from adapters.stores.supabase.joining import SupabaseErasure, SupabaseLinks
from adapters.stores.supabase.memories import SupabaseForgetting, SupabaseMemories
from adapters.stores.supabase.places import SupabaseConversations, SupabaseScenes
from adapters.stores.supabase.rest import Rest
from adapters.stores.supabase.talk import SupabaseSessions
from adapters.stores.supabase.turns import SupabaseReplies, SupabaseTurns
from adapters.stores.supabase.upkeep import LEASE, SupabaseMaintenance
from core.errors import ConfigurationError, SchemaMismatch, StoreError, StoreReadOnly, StoreUnavailable
from core.ports.clock import Clock

NO_SCHEMA = (
    "The Supabase project has schema {found}, I need {head}. Apply supabase/migrations to it: with `supabase db push`, "
    "by pasting what `memorychat db sql{after}` prints into its SQL editor, or with `memorychat db upgrade` and "
    "DATABASE_URL set to its direct connection."
)
AWAY = "Supabase cannot be reached at SUPABASE_URL. Is the address right, and is the project awake?"
WRONG_KEY = "SUPABASE_SERVICE_KEY: Supabase refuses it; allowed is the project's service_role or sb_secret_ key"
WRONG_URL = "SUPABASE_URL: there is no Supabase REST interface at that address"


class SupabaseStore(
    SupabaseScenes,
    SupabaseConversations,
    SupabaseSessions,
    SupabaseMemories,
    SupabaseTurns,
    SupabaseReplies,
    SupabaseLinks,
    SupabaseErasure,
    SupabaseForgetting,
    SupabaseAccounts,
    SupabaseMaintenance,
):
    """The Store on a Supabase project: `SupabaseStore("https://ref.supabase.co", service_key, clock)`, then `await
    open()`.

    The key has to be a service_role or `sb_secret_` key. `timeout` in seconds is that of one request, `lease` that of
    the runner lock. One process runs the bot at a time; others may look and change beside it.
    """

    def __init__(self, url: str, key: str, clock: Clock, *, timeout: float = 10.0, lease: float = LEASE) -> None:
        super().__init__(Rest(url, key, timeout=timeout), clock, lease=lease)

    async def open(self) -> None:
        """Raises ConfigurationError (wrong address, wrong key), SchemaMismatch, StoreUnavailable."""
        found = await self.schema()
        if found != migrations.HEAD:
            raise SchemaMismatch(found, user_message=mismatch(found))

    async def schema(self) -> str | None:
        """The project's version, None without our functions. Raises ConfigurationError, StoreUnavailable."""
        try:
            return str(await self._rest.call("schema_version", safe=True))
        except SchemaMismatch:
            return None
        except StoreReadOnly:
            raise ConfigurationError(WRONG_KEY) from None
        except StoreUnavailable as error:
            if error.args == (REFUSED,):
                raise ConfigurationError(WRONG_KEY) from None
            raise StoreUnavailable(*error.args, user_message=AWAY) from None
        except StoreError as error:
            raise ConfigurationError(WRONG_URL) from error

    async def close(self) -> None:
        await self.release_runner_lock()
        await self._rest.close()


def mismatch(found: str | None) -> str:
    if found is not None and found > migrations.HEAD:
        return migrations.mismatch(found)
    after = f" --after {found}" if found else ""
    return NO_SCHEMA.format(found=found or "none", head=migrations.HEAD, after=after)
