"""The Store on a Supabase project, over its REST interface."""

from adapters.stores.supabase.store import SupabaseStore

__all__ = ["SupabaseStore"]
