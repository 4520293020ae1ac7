"""The store beyond one machine: PostgreSQL by asyncpg."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from riskrelay.errors import Unavailable
from riskrelay.integrations import AccountId
from riskrelay.ports import Installation, Transaction
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.transaction import AccountTransaction

T = TypeVar("T")

_log = structlog.get_logger()

_CONNECTIONS = 16
_TRIES = 5
# Two transactions met: the same work sees the other's outcome when it runs again.
_CONFLICTS = frozenset({"40001", "40P01", "23505"})  # serialization failure, deadlock, unique violation


def async_url(database_url: str) -> str:
    """`postgresql://…` as the driver wants it."""
    return "postgresql+asyncpg://" + database_url.split("://", 1)[1]


def postgres_engine(database_url: str) -> AsyncEngine:
    """An engine with a bounded pool that checks a connection before it is used."""
    return create_async_engine(
        async_url(database_url), pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=5, pool_pre_ping=True
    )


class PostgresStore:
    """Implements ports.Store on PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        self._engine = postgres_engine(database_url)

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._run(lambda connection: work(AccountTransaction(connection, account_id, locking=True)))

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._run(lambda connection: work(AccountTransaction(connection, account_id, locking=False)))

    async def write_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._run(lambda connection: work(InstallationTransaction(connection)))

    async def read_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._run(lambda connection: work(InstallationTransaction(connection)))

    async def close(self) -> None:
        await self._engine.dispose()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(_TRIES):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(work)
            except exc.DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state not in _CONFLICTS or attempt == _TRIES - 1:
                    _log.error("database_refused", sqlstate=state, error=type(error.orig).__name__)
                    raise Unavailable("the database refused; nothing was stored") from error
                await asyncio.sleep(0.005 * 2**attempt)
            except (OSError, exc.TimeoutError) as error:
                _log.error("database_unreachable", error=type(error).__name__)
                raise Unavailable("the database cannot be reached; nothing was stored") from error
        raise AssertionError("unreachable: the last try returns or raises")
