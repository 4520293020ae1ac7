"""Work on a PostgreSQL database without a store. Only processes that use PostgreSQL import this module."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from riskrelay.core.errors import Misconfigured, UnavailableCause
from riskrelay.storage.engines.causes import cannot_open
from riskrelay.storage.engines.lock_holders import LockHolders, watched
from riskrelay.storage.engines.postgres_causes import postgres_cause
from riskrelay.storage.engines.postgres_engine import postgres_engine

T = TypeVar("T")

_DEADLOCK: Final = "40P01"
_LOCK_TIMEOUT: Final = "55P03"
_TRIES: Final = 10  # guessed: under load a migration that locks table after table meets one transaction or two
# While a migration waits for a lock, all nodes wait behind it. So it waits shortly (schema.LOCK_TIMEOUT), and then
# pauses for longer, so that the nodes can continue.
_PAUSE_SECONDS: Final = 4.0


async def work_on_postgres(
    database_url: str, work: Callable[[Connection], T], waiting: Callable[[str], None] | None
) -> T:
    """Run *work* in one transaction of any length.

    It runs again if PostgreSQL ended it because of a deadlock with a running node, or because a lock was not free
    within the lock timeout that *work* has set.

    Args:
        waiting: called for each wait for a lock; None: *work* sets no lock timeout.
    """
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
    waiting: Callable[[str], None] | None = None,
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


def _explained(error: DBAPIError) -> Exception:
    cause = postgres_cause(error)
    is_known = cause not in (UnavailableCause.REFUSED, UnavailableCause.DAMAGED)
    return cannot_open("the PostgreSQL database", cause) if is_known else error
