"""Work on a database of either engine without a store: migrations and copies."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from riskrelay.core.errors import Misconfigured, UnavailableCause
from riskrelay.storage.engines.causes import cannot_open, sqlite_cause
from riskrelay.storage.engines.file_systems import require_local, require_one_name
from riskrelay.storage.engines.private_files import ensure_private
from riskrelay.storage.engines.sqlite import sqlite_engine
from riskrelay.storage.engines.whole_files import require_own_log

T = TypeVar("T")

Waiting = Callable[[str], None]
"""Hears who holds a lock that is waited for."""


async def work_on(
    database_url: str,
    sqlite_path: Path | None,
    work: Callable[[Connection], T],
    waiting: Waiting | None = None,
) -> T:
    """Run *work* in one transaction of any length.

    Args:
        sqlite_path: the file; None: *database_url* is of PostgreSQL.
        waiting: called for each wait for a lock of PostgreSQL; None: *work* sets no lock timeout.
    """
    if sqlite_path is not None:
        return await asyncio.to_thread(work_on_file, sqlite_path, work)
    # Here, because commands on SQLite start faster without the driver and SQLAlchemy's asynchronous part.
    from riskrelay.storage.engines.postgres_opening import work_on_postgres

    return await work_on_postgres(database_url, work, waiting)


def work_on_file(path: Path, work: Callable[[Connection], T]) -> T:
    """Run *work* in one transaction on a SQLite file, which is created if it does not exist.

    Raises: Misconfigured: the file cannot be used; the error contains the fix. Nothing was changed.
    """
    if path.is_dir():
        raise Misconfigured(
            f"{path} is a directory; set RISKRELAY_DATABASE_URL to a file, such as "
            "sqlite:////var/lib/riskrelay/riskrelay.db"
        )
    require_local(path)
    require_one_name(path)
    require_own_log(path)
    ensure_private(path)
    engine = sqlite_engine(path)
    try:
        with engine.begin() as connection:
            # the driver begins no transaction; without one, a failed migration would leave changes
            connection.exec_driver_sql("BEGIN")
            return work(connection)
    except (DBAPIError, sqlite3.Error) as error:
        cause = sqlite_cause(error, path)
        if cause is UnavailableCause.REFUSED:  # a statement is wrong, not the file
            raise
        raise cannot_open(str(path), cause) from error
    finally:
        engine.dispose()
