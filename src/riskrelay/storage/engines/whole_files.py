"""Whether a SQLite file is whole, and whether the log beside it is its own."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.causes import cannot_open, sqlite_cause

_MAGIC: Final = b"SQLite format 3\x00"
_READ_VERSION_AT: Final = 19  # 1: rollback journal; 2: write-ahead log (https://www.sqlite.org/fileformat2.html, 1.3.2)
_ROLLBACK_JOURNAL: Final = 1
_FAULTS_SHOWN: Final = 3


def log_of(path: Path) -> Path:
    """Return where SQLite keeps the write-ahead log of *path*."""
    return path.with_name(path.name + "-wal")


def require_own_log(path: Path) -> None:
    """Refuse a database next to the write-ahead log of another database: SQLite would mix the two.

    The header of a file states whether SQLite keeps a log for it. A copy by `riskrelay backup` has none, so a log next
    to it belongs to the previous file.

    Raises: Misconfigured: the error describes how to restore.
    """
    log = log_of(path)
    if not log.exists() or not log.stat().st_size or not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(_READ_VERSION_AT + 1)
    if header.startswith(_MAGIC) and header[_READ_VERSION_AT] == _ROLLBACK_JOURNAL:
        raise Misconfigured(
            f"{path} is a copy, but {log.name} in the same directory belongs to the previous database. SQLite would "
            f"mix the two. Restore the copy with `riskrelay restore FILE --overwrite`, or remove {log} and "
            f"{path.name}-shm first"
        )


def faults_of(path: Path) -> str | None:
    """Run SQLite's `quick_check`, which reads the whole file.

    Returns: the first faults in SQLite's words; None when the file is whole.
    Raises:  Misconfigured: the file cannot be read, or is no database.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = [row[0] for row in connection.execute(f"PRAGMA quick_check({_FAULTS_SHOWN})")]
    except sqlite3.Error as error:
        raise cannot_open(str(path), sqlite_cause(error, path)) from error
    faults = "; ".join(line.strip() for row in found for line in str(row).splitlines() if not line.startswith("***"))
    return None if faults == "ok" else faults[:500]


def require_whole(path: Path) -> None:
    """Refuse a damaged database.

    Raises: Misconfigured: the error contains SQLite's findings and describes how to restore.
    """
    faults = faults_of(path)
    if faults is not None:
        raise Misconfigured(
            f"{path} is damaged ({faults}); copy it and its -wal file, then restore a backup: "
            "riskrelay restore FILE --overwrite"
        )
