"""A temporary PostgreSQL database, so that a benchmark does not fill an existing one."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy import make_url

from riskrelay.core.errors import Misconfigured


@asynccontextmanager
async def temporary_database(server_url: str) -> AsyncIterator[str]:
    """Create an empty database on the server of *server_url*, and drop it at the end.

    Yields:  its URL.
    Raises:  Misconfigured: the server cannot be reached, or the user may not create databases.
    """
    name = f"riskrelay_bench_{secrets.token_hex(8)}"
    await _execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        await _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(server_url: str, statement: str) -> None:
    try:
        connection = await asyncpg.connect(server_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
    except (OSError, PostgresError, InterfaceError, ValueError, OverflowError) as error:
        raise Misconfigured(f"the benchmark could not create its database on that server: {error}") from error
