"""What a database's error means for a keyring."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from core.errors import StoreError, StoreFull, StoreReadOnly, StoreUnavailable

_SQLITE = {
    "SQLITE_FULL": StoreFull,
    "SQLITE_READONLY": StoreReadOnly,
    "SQLITE_CANTOPEN": StoreReadOnly,
    "SQLITE_PERM": StoreReadOnly,
    "SQLITE_NOTADB": StoreError,
    "SQLITE_CORRUPT": StoreError,
}
"""By the first two words of `sqlite_errorname` (https://sqlite.org/rescode.html)."""

_POSTGRES = {
    "53100": StoreFull,
    "25006": StoreReadOnly,
    "42501": StoreReadOnly,
}
"""By SQLSTATE: disk_full, read_only_sql_transaction, insufficient_privilege."""


def map_failure(error: DBAPIError) -> StoreError:
    """StoreUnavailable for whatever may pass: locked, no connection, restarted."""
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    kind = _SQLITE.get("_".join(name.split("_")[:2])) or _POSTGRES.get(str(getattr(error.orig, "sqlstate", "")))
    return (kind or StoreUnavailable)("keyring", name or type(error.orig).__name__)
