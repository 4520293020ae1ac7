"""Work on a database of either engine without a store: migrations and copies."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from riskrelay.core.errors import Misconfigured, UnavailableCause
from riskrelay.storage.engines.causes import cannot_open, postgres_cause, sqlite_cause
from riskrelay.storage.engines.file_systems import require_local, require_one_name
from riskrelay.storage.engines.lock_holders import LockHolders, watched
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.private_files import ensure_private
from riskrelay.storage.engines.sqlite import sqlite_engine
from riskrelay.storage.engines.whole_files import require_own_log

T = TypeVar("T")

Waiting = Callable[[str], None]
"""Hears who holds a lock that is waited for."""

_DEADLOCK: Final = "40P01"
_LOCK_TIMEOUT: Final = "55P03"
_TRIES: Final = 10  # guessed: under load a migration that locks table after table meets one transaction or two
# While a migration waits for a lock, all nodes wait behind it. So it waits shortly (schema.LOCK_TIMEOUT), and then
# pauses for longer, so that the nodes can continue.
_PAUSE_SECONDS: Final = 4.0


async def work_on(
    database_url: str,
    sqlite_path: Path | None,
    work: Callable[[Connection], T],
    waiting: Waiting | None = None,
) -> T:
    """Run *work* in one transaction of any length.

    It runs again if PostgreSQL ended it because of a deadlock with a running node, or because a lock was not free
    within the lock timeout that *work* has set.

    Args:
        sqlite_path: the file; None: *database_url* is of PostgreSQL.
        waiting: called for each wait for a lock; None: *work* sets no lock timeout.
    """
    if sqlite_path is not None:
        return await asyncio.to_thread(work_on_file, sqlite_path, work)
    engine = postgres_engine(database_url, limits={})
    try:
        async with aclosing(await _connected(engine)) as connection:
            await _require_utf8(connection)
            if waiting is None:
                return await _work_with_retries(connection, work)
            async with watched(database_url) as holders:
                return await _work_with_retries(connection, work, holders, waiting)
    finally:
        await engine.dispose()


async def _work_with_retries(
    connection: AsyncConnection,
    work: Callable[[Connection], T],
    holders: LockHolders | None = None,
    waiting: Waiting | None = None,
) -> T:
    for tries_left in reversed(range(_TRIES)):
        try:
            return await _work_in(connection, work, holders)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state == _LOCK_TIMEOUT and holders is not None and waiting is not None:
                if not tries_left:
                    raise Misconfigured(
                        f"the schema cannot be changed because of a lock held by {holders}. Nothing was changed, and "
                        "nodes continue with the old schema; end that session, then run the command again"
                    ) from error
                waiting(str(holders))
                await asyncio.sleep(_PAUSE_SECONDS)
            elif state != _DEADLOCK or not tries_left:
                raise _explained(error) from error
    raise AssertionError("unreachable: the last try returns or raises")


async def _work_in(connection: AsyncConnection, work: Callable[[Connection], T], holders: LockHolders | None) -> T:
    async with connection.begin():
        if holders is not None:
            holders.watch((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
        return await connection.run_sync(work)


# A port that is no number, in the URL or in PGPORT, is a ValueError; one that is too large is an OverflowError.
_UNREACHABLE = (
    OSError,
    DBAPIError,
    asyncpg.exceptions.PostgresError,
    asyncpg.exceptions.InterfaceError,
    ValueError,
    OverflowError,
)


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect()
    except _UNREACHABLE as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        cause = postgres_cause(error)
        advice = "check RISKRELAY_DATABASE_URL" if cause is UnavailableCause.REFUSED else cause.advice
        raise Misconfigured(f"PostgreSQL cannot be reached ({said}); {advice}") from error


async def _require_utf8(connection: AsyncConnection) -> None:
    """Refuse a database that cannot store all characters.

    Raises: Misconfigured: the error describes how to create one that can.
    """
    query = text("SELECT current_database(), current_setting('server_encoding')")
    async with connection.begin():
        name, encoding = (await connection.execute(query)).one()
    if encoding != "UTF8":
        raise Misconfigured(
            f"the PostgreSQL database {name} has the encoding {encoding}, which cannot store every name and address; "
            "create another database and set RISKRELAY_DATABASE_URL to it: "
            "CREATE DATABASE riskrelay ENCODING 'UTF8' TEMPLATE template0"
        )


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


def _explained(error: DBAPIError) -> Exception:
    cause = postgres_cause(error)
    is_known = cause not in (UnavailableCause.REFUSED, UnavailableCause.DAMAGED)
    return cannot_open("the PostgreSQL database", cause) if is_known else error
