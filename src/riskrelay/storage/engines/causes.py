"""Why SQLite refuses: from its codes and those of the operating system to one of a few causes."""

import errno
import resource
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

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


def sqlite_cause(error: BaseException, path: Path) -> UnavailableCause:
    """Return why SQLite refused.

    Args:
        error: of the driver, or SQLAlchemy's around it.
        path: the database file. SQLite reports a used-up quota as an input/output error, so its disk is asked.
    """
    original = original_error(error)
    code = getattr(original, "sqlite_errorcode", None)
    if code is None:
        return _BY_ERRNO.get(getattr(original, "errno", None) or 0, UnavailableCause.REFUSED)
    cause = _BY_SQLITE_CODE.get(code & 0xFF, UnavailableCause.REFUSED)  # the lowest byte is the primary code
    if cause in (UnavailableCause.IO_ERROR, UnavailableCause.NOT_ALLOWED):
        return disk_refusal(path) or cause
    return cause


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


def original_error(error: BaseException) -> BaseException:
    """Return the error of the driver that an error of SQLAlchemy is about."""
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
