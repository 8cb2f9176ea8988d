"""The Store on a database."""

from adapters.stores.sql.store import SqlStore

__all__ = ["SqlStore"]
