"""What the layers below may raise, and what of it gets out."""

from __future__ import annotations

import errno
import sqlite3

import pytest
import sqlalchemy.exc
from sqlalchemy import create_engine, text

from adapters.stores.sql.faults import as_store_error
from core.errors import Conflict, MemoryChatError, NotFound, StoreError, StoreFull, StoreReadOnly, StoreUnavailable

SECRET = "what nobody may read"
CODES = {name: code for name, code in vars(sqlite3).items() if name.startswith("SQLITE_") and isinstance(code, int)}


def sqlite_error(code: int, name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("from SQLite")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("SQLITE_BUSY", StoreUnavailable),
        ("SQLITE_BUSY_SNAPSHOT", StoreUnavailable),
        ("SQLITE_LOCKED", StoreUnavailable),
        ("SQLITE_IOERR_READ", StoreUnavailable),
        ("SQLITE_FULL", StoreFull),
        ("SQLITE_READONLY", StoreReadOnly),
        ("SQLITE_READONLY_DBMOVED", StoreReadOnly),
        ("SQLITE_CANTOPEN", StoreReadOnly),
        ("SQLITE_CONSTRAINT_FOREIGNKEY", NotFound),
        ("SQLITE_CONSTRAINT_UNIQUE", Conflict),
        ("SQLITE_CONSTRAINT_PRIMARYKEY", Conflict),
        ("SQLITE_NOTADB", StoreError),
        ("SQLITE_CORRUPT_INDEX", StoreError),
        ("SQLITE_MISUSE", StoreError),
    ],
)
def test_sqlites_codes_become_what_a_caller_can_act_on(name: str, ours: type[MemoryChatError]) -> None:
    error = as_store_error(sqlite_error(CODES[name], name))
    assert type(error) is ours
    assert error.args == (name,)


def test_every_code_of_sqlite_becomes_one_of_ours() -> None:
    for name, code in CODES.items():
        assert isinstance(as_store_error(sqlite_error(code, name)), MemoryChatError)


def test_every_exception_of_sqlalchemy_becomes_one_of_ours() -> None:
    kinds = [kind for kind in vars(sqlalchemy.exc).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, sqlalchemy.exc.SQLAlchemyError)]
    assert len(kinds) > 30
    for kind in kinds:
        assert isinstance(as_store_error(kind.__new__(kind)), StoreError)


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, StoreReadOnly),
        (errno.EPERM, StoreReadOnly),
        (errno.EIO, StoreUnavailable),
    ],
)
def test_what_the_file_system_refuses_is_told_apart(number: int, ours: type[MemoryChatError]) -> None:
    assert type(as_store_error(OSError(number, "refused", "/somewhere"))) is ours


def test_no_parameter_of_a_statement_gets_out() -> None:
    engine = create_engine("sqlite://", hide_parameters=True)
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        connection.execute(text("SELECT nowhere(:secret)"), {"secret": SECRET})
    engine.dispose()
    ours = as_store_error(caught.value)
    assert SECRET not in f"{caught.value!r} {caught.value} {ours!r} {ours}"
