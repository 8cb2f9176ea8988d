"""A database's errors, as the rest of the product knows them."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from adapters.keys.failures import map_failure
from core.errors import StoreError, StoreFull, StoreReadOnly, StoreUnavailable


def sqlite_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        (sqlite_error("SQLITE_FULL"), StoreFull),
        (sqlite_error("SQLITE_READONLY_DBMOVED"), StoreReadOnly),
        (sqlite_error("SQLITE_CANTOPEN"), StoreReadOnly),
        (sqlite_error("SQLITE_NOTADB"), StoreError),
        (sqlite_error("SQLITE_BUSY"), StoreUnavailable),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), StoreUnavailable),
        (psycopg.errors.DiskFull("x"), StoreFull),
        (psycopg.errors.ReadOnlySqlTransaction("x"), StoreReadOnly),
        (psycopg.errors.InsufficientPrivilege("x"), StoreReadOnly),
        (psycopg.errors.SerializationFailure("x"), StoreUnavailable),
        (psycopg.OperationalError("connection refused"), StoreUnavailable),
    ],
)
def test_each_failure_has_its_meaning(original: Exception, expected: type[StoreError]) -> None:
    mapped = map_failure(OperationalError("INSERT secret words", {}, original))
    assert type(mapped) is expected
    assert "secret" not in str(mapped)
