"""Working on a database of either engine outside of a store: its schema, and copies of it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from riskrelay.errors import Misconfigured
from riskrelay.storage.file_systems import require_local, require_one_name
from riskrelay.storage.postgres_engine import postgres_engine
from riskrelay.storage.sqlite import sqlite_engine

T = TypeVar("T")

_DEADLOCK = "40P01"
_TRIES = 10  # guessed: under load a migration that locks table after table meets one transaction or two


async def work_on(database_url: str, sqlite_path: Path | None, work: Callable[[Connection], T]) -> T:
    """Run *work* in one transaction, however long that takes; again when PostgreSQL ended it to undo a deadlock with
    a node that works meanwhile.

    Args:
        sqlite_path: the file; None: *database_url* is of PostgreSQL.

    Raises: Misconfigured: there is no way to the database, or the file lies where SQLite could damage it.
    """
    if sqlite_path is not None:
        return await asyncio.to_thread(_work_on_file, sqlite_path, work)
    engine = postgres_engine(database_url, limits={})
    try:
        async with aclosing(await _connected(engine)) as connection:
            for _ in range(_TRIES - 1):
                try:
                    return await _work_in(connection, work)
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                        raise
            return await _work_in(connection, work)
    finally:
        await engine.dispose()


async def _work_in(connection: AsyncConnection, work: Callable[[Connection], T]) -> T:
    async with connection.begin():
        return await connection.run_sync(work)


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect()
    except (OSError, DBAPIError) as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        raise Misconfigured(f"PostgreSQL cannot be reached ({said}); check RISKRELAY_DATABASE_URL") from error


def _work_on_file(path: Path, work: Callable[[Connection], T]) -> T:
    require_local(path)
    require_one_name(path)
    engine = sqlite_engine(path)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN")  # the driver begins nothing: a migration is whole, or nothing of it
            return work(connection)
    finally:
        engine.dispose()
