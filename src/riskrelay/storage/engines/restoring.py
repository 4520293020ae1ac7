"""Restore a backup of a SQLite installation."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.causes import cannot_open, sqlite_cause
from riskrelay.storage.engines.copying import copy_file, sync
from riskrelay.storage.engines.file_systems import hold_alone, require_local, require_one_name
from riskrelay.storage.engines.opening import work_on_file
from riskrelay.storage.engines.private_files import database_files, ensure_private
from riskrelay.storage.engines.schema import known_revisions, upgrade
from riskrelay.storage.engines.whole_files import log_of, require_own_log
from riskrelay.storage.sealed_values import sealed_values

_NAME = "alembic_version"


def restore(backup: Path, path: Path, opens: Callable[[bytes, str], object], *, overwrite: bool) -> list[str]:
    """Replace a SQLite database by a backup, completely or not at all.

    The copy is checked and migrated next to the old file. Only then it replaces the old file.

    Args:
        opens: opens a sealed value, or raises Misconfigured if it is sealed under another master key.
        overwrite: whether a database with accounts may be replaced.

    Returns: the ids of the accounts in the restored database.
    Raises:  Misconfigured: the backup is damaged or of a newer version, the master key is another one, or the existing
        database may not be replaced. Nothing was changed.
    """
    _require_backup(backup, path)
    require_local(path)
    require_one_name(path)
    unfinished = path.with_name(path.name + ".restoring")
    ensure_private(path.with_name(path.name + ".lock"))  # makes the directory, too
    with hold_alone(path):
        if not overwrite:
            _require_vacant(path)
        try:
            _remove(unfinished)
            ensure_private(unfinished)
            _copy_checked(backup, unfinished)
            accounts = work_on_file(unfinished, lambda connection: _made_ready(connection, opens))
            _replace(unfinished, path)
        finally:
            _remove(unfinished)
    return accounts


def _require_backup(backup: Path, path: Path) -> None:
    if not backup.is_file():
        raise Misconfigured(f"{backup} does not exist; give a file that `riskrelay backup` created")
    if path.exists() and backup.samefile(path):
        raise Misconfigured(f"{backup} is the database itself; give a file that `riskrelay backup` created")
    require_own_log(backup)


def _require_vacant(path: Path) -> None:
    """Refuse to replace a database that holds accounts.

    Raises: Misconfigured.
    """
    if not path.exists() or not path.stat().st_size:
        return
    advice = "to replace it, stop the service and add --overwrite; if you may need it later, make a copy first"
    try:
        accounts = work_on_file(path, _accounts)
    except Misconfigured as error:
        raise Misconfigured(f"{path} already exists ({error}); {advice}") from error
    if accounts:
        raise Misconfigured(f"{path} contains the accounts {', '.join(accounts[:5])}; {advice}")


def _copy_checked(backup: Path, unfinished: Path) -> None:
    try:
        copy_file(backup, unfinished)
    except sqlite3.Error as error:
        raise cannot_open(str(backup), sqlite_cause(error, backup)) from error


def _made_ready(connection: Connection, opens: Callable[[bytes, str], object]) -> list[str]:
    found = connection.execute(text(f"SELECT version_num FROM {_NAME}")).scalar() if _has(connection, _NAME) else None  # noqa: S608  a constant
    if found is None:
        raise Misconfigured("the backup is a SQLite database, but not a riskrelay database; give another file")
    if found not in known_revisions():
        raise Misconfigured(
            f"the backup has the unknown schema {found}; restore it with the version of riskrelay that created it, or "
            "a newer version"
        )
    upgrade(connection)
    for one in sealed_values(connection):
        opens(one.value, one.row)
    return _accounts(connection)


def _accounts(connection: Connection) -> list[str]:
    if not _has(connection, "accounts"):
        return []
    return list(connection.execute(text("SELECT account_id FROM accounts ORDER BY created_at, account_id")).scalars())


def _has(connection: Connection, table: str) -> bool:
    return table in inspect(connection).get_table_names()


def _replace(unfinished: Path, path: Path) -> None:
    """Replace *path* by the finished copy, so that the new file is never next to a log of the old one.

    The order makes a crash between two steps safe: the log of the old file is first written into it, so the old file is
    complete without its log. The new file is moved last.
    """
    try:
        sync(unfinished)
        _settle(path)
        for file in (log_of(path), path.with_name(path.name + "-shm"), path.with_name(path.name + "-journal")):
            file.unlink(missing_ok=True)
        unfinished.rename(path.resolve())
        sync(path.resolve().parent)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be replaced ({error.strerror}); the old file is unchanged") from error


def _settle(path: Path) -> None:
    """Write the log of the old file into it, if it can be read. A damaged file is replaced as it is.

    Raises: Misconfigured: another program uses the file.
    """
    if not path.exists() or not log_of(path).exists():
        return
    try:
        require_own_log(path)
        with closing(sqlite3.connect(path)) as old:
            busy, _, _ = old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (Misconfigured, sqlite3.DatabaseError):
        return
    if busy:
        raise Misconfigured(f"another program uses {path}; stop it (`fuser -v {path}` shows it), then restore again")


def _remove(unfinished: Path) -> None:
    for file in database_files(unfinished):
        file.unlink(missing_ok=True)
