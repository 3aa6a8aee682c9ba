"""Which errors of the databases mean that the store can't be used now: the only place that decides.

All others are faults of a statement, which fail in the same way however often they are tried.
"""

import sqlite3
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

# Of PostgreSQL, by the first two characters of SQLSTATE: connection exception, transaction
# rollback (deadlock), insufficient resources (disk, memory, connections), operator intervention
# (shutting down, starting up, statement_timeout), system error.
_CLASSES = frozenset({"08", "40", "53", "57", "58"})
READ_ONLY = "25006"
_STATES = frozenset(
    {
        READ_ONLY,
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction took too long
        "42P01",  # undefined table: the database was emptied
        "55P03",  # lock not available
    }
)
_DAMAGED_STATES = frozenset({"XX001", "XX002"})
_DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CODES = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


def reason_of(error: DBAPIError, url: URL) -> str | None:
    """Why the store at `url` can't be used now, in a sentence; None when a statement is at fault.

    It has only the driver's words: a statement's parameters may hold what nobody should read.
    """
    words = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
    if _is_damaged(error):
        what = f"file {url.database}" if url.get_backend_name() == "sqlite" else "database"
        return f"The {what} is damaged ({words}). Stop Hookline and restore it from a backup."
    if _is_outage(error):
        return f"The store can't be used now ({words}). Try again."
    return None


def _is_damaged(error: DBAPIError) -> bool:
    """Whether the database found that its own data are broken."""
    return _sqlite_code(error) in _DAMAGED_CODES or _sqlstate(error) in _DAMAGED_STATES


def is_busy(error: DBAPIError) -> bool:
    """Whether another connection holds SQLite's lock."""
    return _sqlite_code(error) == sqlite3.SQLITE_BUSY


def _is_outage(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error) in _CODES or "no such table" in str(error.orig)
    state = _sqlstate(error)
    if state is None:
        # The server did not say it: there is no connection to it, or no longer one.
        return isinstance(error, OperationalError | InterfaceError)
    return state[:2] in _CLASSES or state in _STATES


def _sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code; None where the error is not the server's."""
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code


def _sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code."""
    code: Any = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
