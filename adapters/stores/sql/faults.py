"""Every foreign exception becomes one of ours here and nowhere else. None carries a parameter of a statement."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

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
_DAMAGED = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
_ERRNO: dict[int, type[MemoryChatError]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
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
    return StoreError(type(error).__name__)


def _of_sqlite(error: sqlite3.Error) -> MemoryChatError:
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code & 0xFF in _DAMAGED:
        text = "My database file is damaged or is not a database. My operator has to restore a backup."
        return StoreError(name, user_message=text)
    return _EXTENDED.get(code, _PRIMARY.get(code & 0xFF, StoreError))(name)
