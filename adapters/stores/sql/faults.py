"""Every foreign exception becomes one of ours here and nowhere else. None carries a parameter of a statement."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import (
    Conflict,
    MemoryChatError,
    NotFound,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

FOREIGN = (SQLAlchemyError, sqlite3.Error, OSError)
"""What the layers below may raise."""

# Source: sqlite.org/rescode.html. Extended codes share the low byte with their primary code.
_PRIMARY: dict[int, type[MemoryChatError]] = {
    3: StoreReadOnly,  # SQLITE_PERM
    5: StoreUnavailable,  # SQLITE_BUSY
    6: StoreUnavailable,  # SQLITE_LOCKED
    8: StoreReadOnly,  # SQLITE_READONLY
    9: StoreUnavailable,  # SQLITE_INTERRUPT
    10: StoreUnavailable,  # SQLITE_IOERR
    13: StoreFull,  # SQLITE_FULL
    14: StoreReadOnly,  # SQLITE_CANTOPEN: the folder or the files beside the database
    15: StoreUnavailable,  # SQLITE_PROTOCOL
    19: Conflict,  # SQLITE_CONSTRAINT
    23: StoreReadOnly,  # SQLITE_AUTH
}
_EXTENDED: dict[int, type[MemoryChatError]] = {787: NotFound}  # SQLITE_CONSTRAINT_FOREIGNKEY: what a row names is gone
# SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE: for a full disk SQLite takes ENOSPC at a write alone, not a quota's EDQUOT
# or EFBIG, and nothing at the index of its log.
_REFUSED = {778, 4874}
_DAMAGED = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
# Source: postgresql.org/docs/current/errcodes-appendix.html; the longest key that a code begins with counts.
_SQLSTATE: dict[str, type[MemoryChatError]] = {
    "08": StoreUnavailable,  # connection_exception
    "23": Conflict,  # integrity_constraint_violation
    "23503": NotFound,  # foreign_key_violation: what a row names is gone
    "25006": StoreReadOnly,  # read_only_sql_transaction
    "25P02": StoreUnavailable,  # in_failed_sql_transaction
    "28": StoreUnavailable,  # invalid_authorization_specification: a password being changed
    "40": StoreUnavailable,  # transaction_rollback: serialization failures and deadlocks that outlasted the retries
    "42501": StoreReadOnly,  # insufficient_privilege
    "53": StoreUnavailable,  # insufficient_resources
    "53100": StoreFull,  # disk_full
    "55": StoreUnavailable,  # object_not_in_prerequisite_state, lock_not_available among them
    "57": StoreUnavailable,  # operator_intervention: shut down, cancelled
    "58": StoreUnavailable,  # system_error
}
_ERRNO: dict[int, type[MemoryChatError]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EFBIG: StoreFull,
    errno.ENOENT: StoreReadOnly,
    errno.ENOTDIR: StoreReadOnly,
    errno.EISDIR: StoreReadOnly,
    errno.EEXIST: StoreReadOnly,  # a file where the folder should be
    errno.ELOOP: StoreReadOnly,
    errno.ENAMETOOLONG: StoreReadOnly,
    errno.EROFS: StoreReadOnly,
    errno.EACCES: StoreReadOnly,
    errno.EPERM: StoreReadOnly,
}


def as_store_error(error: BaseException) -> MemoryChatError:
    """Ours for an exception of SQLAlchemy, sqlite3 or the file system; what is not known is a StoreError."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, StoreUnavailable)(type(error).__name__)
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(type(error).__name__)
    if type(error).__module__.startswith("psycopg"):
        return _of_postgres(error)
    return StoreError(type(error).__name__)


def sqlstate(error: BaseException) -> str:
    """Postgres's five characters, `""` for what did not come from a server (a lost connection, another driver)."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    return getattr(error, "sqlstate", None) or ""


def _of_postgres(error: BaseException) -> MemoryChatError:
    """Told by its name, so that SQLite's users need not import the driver."""
    code = sqlstate(error)
    if not code and type(error).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout"):
        return StoreUnavailable(type(error).__name__)
    return of_sqlstate(code) if code else StoreError(type(error).__name__)


def of_sqlstate(code: str) -> MemoryChatError:
    """Ours for Postgres's five characters, whichever way they came."""
    known = [_SQLSTATE[code[:length]] for length in (5, 2) if code[:length] in _SQLSTATE]
    return (known or [StoreError])[0](code)


def _of_sqlite(error: sqlite3.Error) -> MemoryChatError:
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code & 0xFF in _DAMAGED:
        text = "My database file is damaged or is not a database. My operator has to restore a backup."
        return StoreError(name, user_message=text)
    if code in _REFUSED:
        text = (
            "My disk takes no more (full, over a quota, or broken), so I could not keep that. My operator has to look."
        )
        return StoreFull(name, user_message=text)
    return _EXTENDED.get(code, _PRIMARY.get(code & 0xFF, StoreError))(name)
