"""The embedded store: one file, one writer thread with group commit, a few reading threads."""

import asyncio
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, exc

from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, StoreLoad, Transaction
from riskrelay.storage.engines.causes import disk_refusal, refused, sqlite_cause
from riskrelay.storage.engines.submitted import Submitted
from riskrelay.storage.engines.turns import Turns
from riskrelay.storage.engines.writability import Writability
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.transaction import AccountTransaction

T = TypeVar("T")

_log = structlog.get_logger()

_READERS = 4  # guessed: reads are short, and two cores serve them
# Other pages come from the operating system's cache, so a process keeps at most 24 MiB of the file. Measured: with
# 96 MiB, 48,000 findings cost as much CPU, and the process grew by 62 MB instead of 5 MB.
_READER_CACHE_KIB = 2_048
_WRITER_CACHE_KIB = 16_384
_GROUP = 64  # the most transactions that share one commit; bounds the wait of the first one
_GROUP_SECONDS = 0.02  # guessed, two commits: after so long a group takes no more transactions, it commits
_BUSY_TIMEOUT_MS = 5_000  # another process (riskrelay token create) may hold the file for a moment
_PROBE_SECONDS = 2.0  # chosen: a health check waits no longer for the writer; orchestrators give up after a few seconds
# The log restarts after a checkpoint without active readers, and is then truncated to this. A checkpoint runs every
# 16,384 pages of 4,096 bytes, so a log in ordinary use is never cut and never has to grow again.
_WAL_BYTES = 16_384 * 4_096
_SHRINK_WAIT_MS = 100  # guessed: the writer waits no longer for readers; the longest usual read takes half of it
_COMMITS_BETWEEN_CHECKS = 256  # guessed: the size of the log is looked at so often; one stat


def sqlite_engine(path: Path) -> Engine:
    """Create an engine with explicit BEGIN and COMMIT and with SQLite's highest durability."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{_WRITER_CACHE_KIB}",
            "wal_autocheckpoint=16384",
            f"journal_size_limit={_WAL_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class SqliteStore:
    """Implements ports.Store on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = sqlite_engine(path)
        self._wal = path.with_name(path.name + "-wal")
        self._writability = Writability(self._ask_for_write)
        self._writer = _Writer(self._engine, self._wal, self._refusal)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._reading = 0

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._writer.run(
            lambda connection: work(AccountTransaction(connection, account_id, locking=True)), account_id
        )

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        return await self._read(lambda connection: work(AccountTransaction(connection, account_id, locking=False)))

    async def write_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._writer.run(lambda connection: work(InstallationTransaction(connection)))

    async def read_installation(self, work: Callable[[Installation], T]) -> T:
        return await self._read(lambda connection: work(InstallationTransaction(connection)))

    async def require_writable(self, *, thorough: bool = False) -> None:
        await self._writability.require(thorough=thorough)

    async def _ask_for_write(self, needs_room: bool) -> UnavailableCause | None:
        cause = await asyncio.to_thread(disk_refusal, self._path)
        if cause is not None:
            return cause
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._writer.run(_rewrite_header)
        except Unavailable as error:
            return error.cause
        except TimeoutError:
            return UnavailableCause.LOCKED if self._writer.waits_for_lock else UnavailableCause.TOO_SLOW
        return None

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def load(self) -> StoreLoad:
        return StoreLoad(
            waiting=self._writer.waiting + max(self._reading - _READERS, 0),
            connections_in_use=min(self._reading, _READERS),
            connections=_READERS,
            transactions=self._writer.transactions,
            commits=self._writer.commits,
            disk_free_bytes=shutil.disk_usage(self._path.parent).free,
            wal_bytes=_size(self._wal),
        )

    def _close(self) -> None:
        self._writer.stop()
        self._readers.shutdown()
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    async def _read(self, work: Callable[[Connection], T]) -> T:
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, partial(self._run_read, work))
        finally:
            self._reading -= 1

    def _run_read(self, work: Callable[[Connection], T]) -> T:
        try:
            connection = self._reader()
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.rollback()
        except exc.DBAPIError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> Unavailable:
        """Return the exception for the caller of a transaction that failed with *error*."""
        cause = sqlite_cause(error, self._path)
        self._writability.refused(cause)
        _log.error("database_refused", cause=cause.name.lower(), error=str(getattr(error, "orig", error)))
        return refused(cause)

    def _reader(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql(f"PRAGMA cache_size=-{_READER_CACHE_KIB}")
            connection.commit()
            self._connections.append(connection)
        return connection


class _Writer:
    """The one thread that writes. Transactions that arrive while one runs or commits share a commit, each behind a
    savepoint of its own, so that one which fails takes no other with it.

    Accounts take turns, and a group that has worked for a while commits: so a transaction waits for at most one large
    transaction of each other account.
    """

    def __init__(self, engine: Engine, wal: Path, refusal: Callable[[Exception], Unavailable]) -> None:
        self._engine = engine
        self._wal = wal
        self._refusal = refusal
        self.waits_for_lock = False
        self._arrived: queue.SimpleQueue[Submitted | None] = queue.SimpleQueue()  # None: stop when all is done
        self._turns: Turns[Submitted] = Turns()  # only the writer's thread uses it
        self._connection: Connection | None = None  # kept: to get and give back one costs as much as two statements
        self._is_stopping = False
        self.transactions = self.commits = 0
        self._thread = threading.Thread(target=self._loop, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Connection], T], account_id: AccountId | None = None) -> T:
        """Run *work* in a transaction.

        Args:
            account_id: the account, for fair turns between accounts. None: the transaction serves all accounts.
        """
        submitted = Submitted(work, self._refusal, account_id)
        self._arrived.put(submitted)
        return await asyncio.wrap_future(submitted.future)

    @property
    def waiting(self) -> int:
        return self._arrived.qsize() + len(self._turns)

    def stop(self) -> None:
        self._arrived.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while not self._is_stopping or self._turns:
            self._admit(waits=True)
            if self._turns:
                self._commit_together()
        self._hang_up()

    def _admit(self, *, waits: bool = False) -> None:
        """Queue the submitted transactions by owner.

        Args:
            waits: whether to wait for one if there is none.
        """
        while (waits and not self._turns and not self._is_stopping) or not self._arrived.empty():
            item = self._arrived.get()
            if item is None:
                self._is_stopping = True
            elif item.future.set_running_or_notify_cancel():
                self._turns.add(item.owner, item)

    def _commit_together(self) -> None:
        """Run transactions whose turn it is, and commit them."""
        alone = len(self._turns) == 1
        group: list[Submitted] = []
        try:
            connection = self._begun()
        except Exception as error:  # noqa: BLE001  as below
            self._fail([self._turns.take() for _ in range(min(len(self._turns), _GROUP))], error)
            return
        try:
            started = time.monotonic()
            if alone:
                group.append(self._turns.take())
                group[0].run_alone(connection)
            else:
                self._run_together(connection, group, started)
            # A transaction that arrived while a long one ran would otherwise wait for two commits.
            if not group[0].has_failed:  # alone, it would have ended the group's transaction
                self._admit()
                self._run_together(connection, group, started)
            connection.commit()
            self.commits += 1
            self.transactions += len(group)
        except Exception as error:  # noqa: BLE001  every waiting caller must get the error
            self._fail(group, error)
            return
        for submitted in group:
            submitted.answer()
        if self.commits % _COMMITS_BETWEEN_CHECKS == 0:
            self._shrink_log(connection)

    def _run_together(self, connection: Connection, group: list[Submitted], started: float) -> None:
        """Run the transactions that wait, and add them to *group*, as far as it takes them."""
        while self._turns and len(group) < _GROUP and (not group or time.monotonic() - started < _GROUP_SECONDS):
            group.append(self._turns.take())
            group[-1].run(connection)

    def _fail(self, group: Sequence[Submitted], error: Exception) -> None:
        """Fail all transactions of *group*, and continue with a new connection."""
        # When the disk is full, SQLite rolls back the whole group. The failing statement has the cause.
        own = next((submitted.refusal for submitted in group if submitted.refusal is not None), None)
        unavailable = own or self._refusal(error)
        for submitted in group:
            submitted.future.set_exception(unavailable)
        self._hang_up()

    def _begun(self) -> Connection:
        """Return the connection with a transaction that holds the write lock."""
        self.waits_for_lock = True
        try:
            connection = self._connection = self._connection or self._engine.connect()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return connection
        finally:
            self.waits_for_lock = False

    def _shrink_log(self, connection: Connection) -> None:
        """Start the log over when readers that overlap have kept it from it for long.

        An automatic checkpoint waits for no reader. This one does: readers that begin meanwhile read the database
        file alone, so the last reader of the log ends soon. A backup takes longer: the next check tries again.
        """
        if _size(self._wal) < 2 * _WAL_BYTES:
            return
        try:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_SHRINK_WAIT_MS}")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
            connection.rollback()
        except exc.DBAPIError as error:  # committed transactions stay in the log
            _log.warning("checkpoint_failed", error=str(error.orig))
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the connection, which ends its transaction in any state."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except exc.DBAPIError as error:  # the rollback failed too; this thread continues with a new connection
            _log.error("database_connection_lost", error=str(error.orig))
            connection.invalidate()


def _rewrite_header(connection: Connection) -> None:
    """Write a page with its existing content, so that the commit reaches the disk."""
    (version,) = connection.exec_driver_sql("PRAGMA user_version").one()
    connection.exec_driver_sql(f"PRAGMA user_version={int(version)}")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
