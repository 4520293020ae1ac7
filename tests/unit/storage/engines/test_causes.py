"""Why a database refuses: told apart by real refusals of SQLite, and by the codes of PostgreSQL and the system."""

import errno
import resource
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import exc

from riskrelay.core.errors import UnavailableCause
from riskrelay.storage.engines.causes import disk_refusal, sqlite_cause
from riskrelay.storage.engines.postgres_causes import postgres_cause


def refusal_of(path: Path, *statements: str) -> sqlite3.Error:
    """The error that the last of *statements* ends with."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute(statements[-1])
    return raised.value


def test_a_full_database_is_a_full_disk(tmp_path: Path) -> None:
    """SQLITE_FULL, also wrapped by SQLAlchemy."""
    path = tmp_path / "a.db"
    error = refusal_of(path, "CREATE TABLE a (x)", "PRAGMA max_page_count=2", "INSERT INTO a VALUES (zeroblob(100000))")
    assert sqlite_cause(error, path) is UnavailableCause.DISK_FULL
    assert sqlite_cause(exc.OperationalError("INSERT", None, error), path) is UnavailableCause.DISK_FULL


def test_another_programs_lock(tmp_path: Path) -> None:
    """SQLITE_BUSY, whoever holds it."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert sqlite_cause(refusal_of(path, "BEGIN IMMEDIATE"), path) is UnavailableCause.LOCKED


def test_a_read_only_database(tmp_path: Path) -> None:
    """SQLITE_READONLY."""
    path = tmp_path / "a.db"
    assert (
        sqlite_cause(refusal_of(path, "PRAGMA query_only=ON", "CREATE TABLE a (x)"), path) is UnavailableCause.READ_ONLY
    )


@pytest.mark.parametrize("content", [b"hello, this is text" * 200, b"\x00" * 5_000, b"SQLite format 3\x00" + b"x" * 99])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """Text, zeros, a header and nothing behind it."""
    path = tmp_path / "a.db"
    path.write_bytes(content)
    assert sqlite_cause(refusal_of(path, "SELECT * FROM sqlite_master"), path) is UnavailableCause.DAMAGED


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """SQLITE_CANTOPEN."""
    path = tmp_path / "none" / "a.db"
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(path)
    assert sqlite_cause(raised.value, path) is UnavailableCause.NOT_ALLOWED


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOSPC, UnavailableCause.DISK_FULL),
        (errno.EDQUOT, UnavailableCause.DISK_FULL),
        (errno.EFBIG, UnavailableCause.DISK_FULL),
        (errno.EROFS, UnavailableCause.READ_ONLY),
        (errno.EACCES, UnavailableCause.NOT_ALLOWED),
        (errno.EIO, UnavailableCause.IO_ERROR),
        (errno.EMFILE, UnavailableCause.NO_DESCRIPTORS),
    ],
)
def test_what_sqlite_calls_an_io_error_is_asked_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cause: UnavailableCause
) -> None:
    """SQLite reports a quota as SQLITE_IOERR_WRITE; the disk says what it is."""

    class Disk:
        def __init__(self, *arguments: object, **options: object) -> None:
            raise OSError(number, "refused")

    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert sqlite_cause(error, tmp_path / "a.db") is UnavailableCause.IO_ERROR
    monkeypatch.setattr(tempfile, "TemporaryFile", Disk)
    assert disk_refusal(tmp_path / "a.db") is cause
    assert sqlite_cause(error, tmp_path / "a.db") is cause


def test_the_disk_is_asked_for_a_megabyte_and_nothing_is_left(tmp_path: Path) -> None:
    """A limit on the size of a file counts as a full disk, for the file, its log and the trial."""
    path = tmp_path / "a.db"
    assert disk_refusal(path) is None
    assert list(tmp_path.iterdir()) == []
    path.with_name("a.db-wal").write_bytes(bytes(600_000))
    script = (
        "import resource, sys; from pathlib import Path; from riskrelay.storage.engines.causes import disk_refusal\n"
        "for limit in (1_600_000, 1_700_000):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    print(disk_refusal(Path(sys.argv[1])))"
    )
    said = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str(UnavailableCause.DISK_FULL), "None"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (asyncpg.exceptions.DiskFullError(), UnavailableCause.DISK_FULL),
        (asyncpg.exceptions.ReadOnlySQLTransactionError(), UnavailableCause.READ_ONLY),
        (asyncpg.exceptions.CannotConnectNowError(), UnavailableCause.STARTING),
        (asyncpg.exceptions.TooManyConnectionsError(), UnavailableCause.BUSY),
        (asyncpg.exceptions.LockNotAvailableError(), UnavailableCause.LOCKED),
        (asyncpg.exceptions.QueryCanceledError(), UnavailableCause.TOO_SLOW),
        (asyncpg.exceptions.AdminShutdownError(), UnavailableCause.UNREACHABLE),
        (asyncpg.exceptions.InvalidPasswordError(), UnavailableCause.UNREACHABLE),
        (asyncpg.exceptions.InvalidCatalogNameError(), UnavailableCause.UNREACHABLE),
        (asyncpg.exceptions.ConnectionDoesNotExistError(), UnavailableCause.UNREACHABLE),
        (asyncpg.exceptions.InterfaceError("closed"), UnavailableCause.UNREACHABLE),
        (asyncpg.exceptions.PostgresIOError(), UnavailableCause.IO_ERROR),
        (asyncpg.exceptions.DataCorruptedError(), UnavailableCause.DAMAGED),
        (asyncpg.exceptions.UndefinedTableError(), UnavailableCause.REFUSED),
        (ConnectionRefusedError(), UnavailableCause.UNREACHABLE),
        (TimeoutError(), UnavailableCause.TOO_SLOW),
        (exc.TimeoutError(), UnavailableCause.BUSY),
    ],
)
def test_what_postgresql_says(error: Exception, cause: UnavailableCause) -> None:
    """By SQLSTATE, or its class; without one by what the network said."""
    assert postgres_cause(error) is cause
    if isinstance(error, asyncpg.exceptions.PostgresError):
        assert postgres_cause(exc.DBAPIError("SELECT", None, error)) is cause


def test_each_cause_has_advice() -> None:
    """An operator is never left with the cause alone."""
    assert all(cause.advice for cause in UnavailableCause)
