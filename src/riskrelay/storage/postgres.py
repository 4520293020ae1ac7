"""The store beyond one machine: PostgreSQL by asyncpg."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, exc
from sqlalchemy.ext.asyncio import AsyncConnection

from riskrelay.errors import Unavailable
from riskrelay.integrations import AccountId
from riskrelay.ports import Installation, StoreLoad, Transaction
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.postgres_engine import POOL_SIZE, postgres_engine
from riskrelay.storage.transaction import AccountTransaction

T = TypeVar("T")

_log = structlog.get_logger()

_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.005  # doubles with each try: five take 75 ms
# Longer than the server lets a statement run: it is for a network that swallows everything.
_GIVE_UP_SECONDS: Final = 15.0
# Two transactions met: the same work sees the other's outcome when it runs again.
_CONFLICTS = frozenset({"40001", "40P01", "23505"})  # serialization failure, deadlock, unique violation
_STALE_STATEMENT = "0A000"  # a migration has changed what a prepared statement returns; the driver has forgotten it now
_READ_ONLY = "25006"  # after a fail-over this connection leads to what is a standby now


class PostgresStore:
    """Implements ports.Store on PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        self._engine = postgres_engine(database_url)
        self._running = self._commits = 0

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._run(
            lambda connection: work(AccountTransaction(connection, account_id, locking=True)), commit=True
        )

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._run(
            lambda connection: work(AccountTransaction(connection, account_id, locking=False)), commit=False
        )

    async def write_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._run(lambda connection: work(InstallationTransaction(connection)), commit=True)

    async def read_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._run(lambda connection: work(InstallationTransaction(connection)), commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    def load(self) -> StoreLoad:
        in_use = min(self._running, POOL_SIZE)
        return StoreLoad(self._running - in_use, in_use, POOL_SIZE, self._commits, self._commits, None)

    async def _run(self, work: Callable[[Connection], T], *, commit: bool) -> T:
        self._running += 1
        try:
            return await self._try(work, commit=commit)
        finally:
            self._running -= 1

    async def _try(self, work: Callable[[Connection], T], *, commit: bool) -> T:
        """Run *work* in a transaction, and again where that is sure to do nothing twice.

        Raises: Unavailable.
        """
        for attempt in range(_TRIES):
            try:
                async with self._engine.connect() as connection:
                    result = await _worked(connection, work)
                    if commit:
                        await _commit(connection)
                        self._commits += 1
                    return result
            except exc.DBAPIError as error:
                if not _may_run_again(error) or attempt == _TRIES - 1:
                    _log.error("database_refused", sqlstate=_state(error), error=type(error.orig).__name__)
                    raise Unavailable("the database refused; nothing was stored") from error
                await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
            except (OSError, exc.TimeoutError) as error:
                _log.error("database_unreachable", error=type(error).__name__)
                raise Unavailable("the database cannot be reached; nothing was stored") from error
        raise AssertionError("unreachable: the last try returns or raises")


async def _worked(connection: AsyncConnection, work: Callable[[Connection], T]) -> T:
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            return await connection.run_sync(work)
    except exc.DBAPIError as error:
        if _state(error) == _READ_ONLY:
            await connection.invalidate()  # the next one asks again who is the primary
        raise


async def _commit(connection: AsyncConnection) -> None:
    """Commit.

    Raises: Unavailable: the answer got lost. Nobody may run the work again but a caller who knows what that means.
    """
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            await connection.commit()
    except (exc.DBAPIError, OSError) as error:
        if isinstance(error, exc.DBAPIError) and _state(error) in _CONFLICTS:
            raise
        _log.error("commit_unanswered", error=type(error).__name__)
        raise Unavailable("the database went away during the commit: it may be stored or not") from error


def _state(error: exc.DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


def _may_run_again(error: exc.DBAPIError) -> bool:
    """Whether the transaction is certainly undone, and the same may succeed now: after a conflict, or on another
    connection."""
    return error.connection_invalidated or _state(error) in {*_CONFLICTS, _STALE_STATEMENT, _READ_ONLY}
