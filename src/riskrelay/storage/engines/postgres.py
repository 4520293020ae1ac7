"""The store beyond one machine: PostgreSQL by asyncpg."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, exc
from sqlalchemy.ext.asyncio import AsyncConnection

from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, StoreLoad, Transaction
from riskrelay.storage.engines.causes import refused
from riskrelay.storage.engines.postgres_causes import postgres_cause
from riskrelay.storage.engines.postgres_engine import POOL_SIZE, postgres_engine
from riskrelay.storage.engines.writability import Writability
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.transaction import AccountTransaction

T = TypeVar("T")

_log = structlog.get_logger()

_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.005  # doubles with each try: five take 75 ms
# Longer than the server's statement timeout: this is for a network that drops all packets.
_GIVE_UP_SECONDS: Final = 15.0
# Two transactions met: the same work sees the other's outcome when it runs again.
_CONFLICTS = frozenset({"40001", "40P01", "23505"})  # serialization failure, deadlock, unique violation
# a migration has changed the columns of a prepared statement; the driver has dropped the statement
_STALE_STATEMENT = "0A000"
_READ_ONLY = "25006"  # after a fail-over this connection is to a standby
_PROBE_SECONDS = 2.0  # chosen: as with the embedded store
_DRIVER_ERRORS: Final = (asyncpg.exceptions.PostgresError, asyncpg.exceptions.InterfaceError)
_NO_PRIVILEGE = "42501"
_REFUSED_COMMIT = ("25", "53")  # classes of SQLSTATE that mean that a commit was certainly refused
_TAKES_WRITES = "UPDATE accounts SET created_at = created_at WHERE false"
# The server cannot be asked for its free room, and an update may find room in a page. After a transaction met the end
# of the disk, and for `doctor`, a table that is rolled back has to grow.
_NEEDS_ROOM = (
    "CREATE TEMPORARY TABLE riskrelay_room (filler text) ON COMMIT DROP",
    # Rows below 2 kB are not compressed.
    "INSERT INTO riskrelay_room SELECT repeat('x', 1900) FROM generate_series(1, 512)",
)


class PostgresStore:
    """Implements ports.Store on PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        self._engine = postgres_engine(database_url)
        self._running = self._commits = 0
        self._writability = Writability(self._ask_for_write)

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

    async def require_writable(self, *, thorough: bool = False) -> None:
        await self._writability.require(thorough=thorough)

    async def _ask_for_write(self, needs_room: bool) -> UnavailableCause | None:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._run(_need_room if needs_room else _take_writes, commit=False)
        except Unavailable as error:
            return error.cause
        except TimeoutError:
            return UnavailableCause.TOO_SLOW
        return None

    async def close(self) -> None:
        await self._engine.dispose()

    def load(self) -> StoreLoad:
        in_use = min(self._running, POOL_SIZE)
        return StoreLoad(
            waiting=self._running - in_use,
            connections_in_use=in_use,
            connections=POOL_SIZE,
            transactions=self._commits,
            commits=self._commits,
            disk_free_bytes=None,
            wal_bytes=None,
        )

    async def _run(self, work: Callable[[Connection], T], *, commit: bool) -> T:
        self._running += 1
        try:
            return await self._try(work, commit=commit)
        finally:
            self._running -= 1

    async def _try(self, work: Callable[[Connection], T], *, commit: bool) -> T:
        """Run *work* in a transaction, and again if the first one was certainly rolled back.

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
            except (exc.DBAPIError, *_DRIVER_ERRORS, OSError, exc.TimeoutError) as error:
                if not _may_run_again(error) or attempt == _TRIES - 1:
                    raise self._refusal(error) from error
                await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")

    def _refusal(self, error: Exception) -> Unavailable:
        cause = postgres_cause(error)
        self._writability.refused(cause)
        words = type(getattr(error, "orig", error)).__name__  # its text may hold values
        _log.error("database_refused", cause=cause.name.lower(), sqlstate=_state(error), error=words)
        return refused(cause)


def _take_writes(connection: Connection) -> None:
    """Run a write that finds no row: a database that is read-only or a standby rejects it all the same."""
    connection.exec_driver_sql(_TAKES_WRITES)


def _need_room(connection: Connection) -> None:
    """Let a table grow by a megabyte. The rollback frees the space."""
    _take_writes(connection)
    try:
        for statement in _NEEDS_ROOM:
            connection.exec_driver_sql(statement)
    except exc.DBAPIError as error:
        if _state(error) != _NO_PRIVILEGE:  # this user may create no temporary tables: its room stays unknown
            raise


async def _worked(connection: AsyncConnection, work: Callable[[Connection], T]) -> T:
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            return await connection.run_sync(work)
    except exc.DBAPIError as error:
        if _state(error) == _READ_ONLY:
            await connection.invalidate()  # the next connection finds the primary again
        raise


async def _commit(connection: AsyncConnection) -> None:
    """Commit.

    Raises: Unavailable: the response got lost. Only a caller that handles a possible commit may run the work again.
    """
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            await connection.commit()
    except (exc.DBAPIError, OSError) as error:
        state = _state(error) or ""
        if state in _CONFLICTS or state.startswith(_REFUSED_COMMIT):
            raise
        _log.error("commit_unanswered", error=type(error).__name__)
        message = "the connection was lost during the commit; it is not known whether the data was stored"
        raise Unavailable(message, postgres_cause(error)) from error


def _state(error: Exception) -> str | None:
    state: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state


def _may_run_again(error: Exception) -> bool:
    """Return whether the transaction was certainly rolled back and may succeed now: after a conflict, or on another
    connection."""
    invalidated = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return invalidated or _state(error) in {*_CONFLICTS, _STALE_STATEMENT, _READ_ONLY}
