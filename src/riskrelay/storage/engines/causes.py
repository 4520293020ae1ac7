"""Why a database refuses: from the codes of SQLite, PostgreSQL and the operating system to one of a few causes."""

import errno
import resource
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy import exc

from riskrelay.core.errors import Misconfigured, Unavailable, UnavailableCause

ROOM_BYTES: Final = 1 << 20  # guessed: a group of transactions writes less than this to the log

_BY_SQLITE_CODE: Final = {
    sqlite3.SQLITE_FULL: UnavailableCause.DISK_FULL,
    sqlite3.SQLITE_READONLY: UnavailableCause.READ_ONLY,
    sqlite3.SQLITE_BUSY: UnavailableCause.LOCKED,
    sqlite3.SQLITE_LOCKED: UnavailableCause.LOCKED,
    sqlite3.SQLITE_PROTOCOL: UnavailableCause.LOCKED,
    sqlite3.SQLITE_PERM: UnavailableCause.NOT_ALLOWED,
    sqlite3.SQLITE_CANTOPEN: UnavailableCause.NOT_ALLOWED,
    sqlite3.SQLITE_IOERR: UnavailableCause.IO_ERROR,
    sqlite3.SQLITE_CORRUPT: UnavailableCause.DAMAGED,
    sqlite3.SQLITE_NOTADB: UnavailableCause.DAMAGED,
}
_BY_ERRNO: Final = {
    errno.ENOSPC: UnavailableCause.DISK_FULL,
    errno.EDQUOT: UnavailableCause.DISK_FULL,
    errno.EFBIG: UnavailableCause.DISK_FULL,
    errno.EROFS: UnavailableCause.READ_ONLY,
    errno.EACCES: UnavailableCause.NOT_ALLOWED,
    errno.EPERM: UnavailableCause.NOT_ALLOWED,
    errno.EIO: UnavailableCause.IO_ERROR,
    errno.EMFILE: UnavailableCause.NO_DESCRIPTORS,
    errno.ENFILE: UnavailableCause.NO_DESCRIPTORS,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html; a state that is not here is judged by its class.
_BY_SQLSTATE: Final = {
    "53100": UnavailableCause.DISK_FULL,
    "53300": UnavailableCause.BUSY,
    "25006": UnavailableCause.READ_ONLY,
    "55P03": UnavailableCause.LOCKED,
    "57014": UnavailableCause.TOO_SLOW,
    "57P01": UnavailableCause.UNREACHABLE,  # the server shuts down
    "57P02": UnavailableCause.UNREACHABLE,  # the server crashed
    "57P03": UnavailableCause.STARTING,
    "58030": UnavailableCause.IO_ERROR,
    "08": UnavailableCause.UNREACHABLE,
    "28": UnavailableCause.UNREACHABLE,  # the password or the user is wrong
    "3D": UnavailableCause.UNREACHABLE,  # the database does not exist
    "XX": UnavailableCause.DAMAGED,
}


def sqlite_cause(error: BaseException, path: Path) -> UnavailableCause:
    """Return why SQLite refused.

    Args:
        error: of the driver, or SQLAlchemy's around it.
        path: the database file. SQLite reports a used-up quota as an input/output error, so its disk is asked.
    """
    original = _original(error)
    code = getattr(original, "sqlite_errorcode", None)
    if code is None:
        return _BY_ERRNO.get(getattr(original, "errno", None) or 0, UnavailableCause.REFUSED)
    cause = _BY_SQLITE_CODE.get(code & 0xFF, UnavailableCause.REFUSED)  # the lowest byte is the primary code
    if cause in (UnavailableCause.IO_ERROR, UnavailableCause.NOT_ALLOWED):
        return disk_refusal(path) or cause
    return cause


def postgres_cause(error: BaseException) -> UnavailableCause:
    """Return why PostgreSQL refused, or why there was no way to it.

    Args:
        error: of the driver, SQLAlchemy's around it, or the operating system's.
    """
    original = _original(error)
    if isinstance(original, exc.TimeoutError):
        return UnavailableCause.BUSY  # of SQLAlchemy's pool
    if isinstance(original, TimeoutError):
        return UnavailableCause.TOO_SLOW
    state = getattr(original, "sqlstate", None)
    if state is None:
        is_network = isinstance(original, OSError | asyncpg.exceptions.InterfaceError) or getattr(
            error, "connection_invalidated", False
        )
        return UnavailableCause.UNREACHABLE if is_network else UnavailableCause.REFUSED
    return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2], UnavailableCause.REFUSED)


def disk_refusal(path: Path) -> UnavailableCause | None:
    """Return why the disk of a SQLite file accepts no data; None if it accepts another megabyte.

    A database can still write into the existing space of its log, but the next larger transaction fails. A write of one
    page would not detect this, so this writes a temporary file without a name.
    """
    directory = path.resolve().parent
    if _exceeds_file_limit(path):
        return UnavailableCause.DISK_FULL
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as trial:
            left = ROOM_BYTES
            while left:  # a write that reaches the end of the disk is short; the next write raises the reason
                left -= trial.write(bytes(left))
    except FileNotFoundError:
        return UnavailableCause.NOT_ALLOWED  # its directory does not exist
    except OSError as error:
        return _BY_ERRNO.get(error.errno or 0)
    return None


def _exceeds_file_limit(path: Path) -> bool:
    """Return whether `ulimit -f` prevents the database or its log from growing by a megabyte."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return False
    sizes = [file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists()]
    return max(sizes, default=0) + ROOM_BYTES > limit


def refused(cause: UnavailableCause) -> Unavailable:
    """Return the error for a transaction that was not stored."""
    return Unavailable(f"{cause}; nothing was stored", cause)


def cannot_open(what: str, cause: UnavailableCause) -> Misconfigured:
    """Return the error for a command that cannot use the database, with advice for the operator.

    Args:
        what: the name of the database, such as its path.
    """
    return Misconfigured(f"{what} cannot be used: {cause}; {cause.advice}")


def _original(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
