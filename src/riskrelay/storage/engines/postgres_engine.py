"""Connections to PostgreSQL: direct or through a transaction-mode pooler, with an end to everything that may wait."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy import Connection, Dialect, event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL_SIZE: Final = 16  # guessed: a process is busy with Python long before it is with so many statements
_POOL_TIMEOUT_SECONDS = 5
CONNECT_SECONDS: Final = 5.0

LIMITS: Final[Mapping[str, str]] = {
    # The longest statement that was ever measured here took half a second.
    "statement_timeout": "10s",
    # Who waits for a lane's or a user's row waits for a short transaction; longer means that its owner is in trouble.
    "lock_timeout": "5s",
    # A transaction waits for nothing outside (ADR 0002): this one's process is frozen or cut off, and holds rows.
    "idle_in_transaction_session_timeout": "10s",
}

# What a pooler that changes the server connection between two transactions does not bear: statements that are prepared
# on one of them and used on another. Unnamed statements live in their transaction.
UNPREPARED: Final[Mapping[str, Any]] = {"statement_cache_size": 0}
_UNPREPARED_ENGINE: Final[Mapping[str, Any]] = {
    **UNPREPARED,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Whether a pooler stands before the server, so that a session is not ours alone.

    Args:
        connection: made with `UNPREPARED`.

    Returns: whether the process that answers is another than the one that greeted us. A pooler greets with a number of
        its own, because it needs one to find the connection to cancel.
    """
    async with connection.transaction():
        answering: int = await connection.fetchval("SELECT pg_backend_pid()")
    greeted_by: int = connection.get_server_pid()
    return answering != greeted_by


def postgres_engine(database_url: str, limits: Mapping[str, str] = LIMITS) -> AsyncEngine:
    """An engine with a bounded pool.

    Args:
        database_url: as libpq reads it, so with several hosts, `sslmode`, `target_session_attrs`.
        limits: settings of each transaction; none for what may take long, such as a migration.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        connect_args={"dsn": database_url, "timeout": CONNECT_SECONDS},
    )
    _Sessions(limits).attend(engine)
    return engine


class _Sessions:
    """How the connections of one engine are set up, once it is known what stands between."""

    def __init__(self, limits: Mapping[str, str]) -> None:
        self._limits = limits
        self._pooled: bool | None = None

    def attend(self, engine: AsyncEngine) -> None:
        """Set up every connection that *engine* will make."""
        event.listen(engine.sync_engine, "do_connect", self._connecting)
        event.listen(engine.sync_engine, "checkout", self._checking_out)
        if self._limits:
            event.listen(engine.sync_engine, "begin", self._beginning)

    def _connecting(self, dialect: Dialect, record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
        if self._pooled is None:
            probe: Any = dialect.connect(*arguments, **parameters, **_UNPREPARED_ENGINE)
            try:
                self._pooled = probe.run_async(is_pooled)
            finally:
                probe.close()
        if self._pooled:
            parameters |= _UNPREPARED_ENGINE
        else:
            parameters["server_settings"] = dict(self._limits)

    def _checking_out(self, connection: Any, record: Any, proxy: Any) -> None:
        """Replace a connection that the server has closed, without a round trip to find out."""
        if connection.driver_connection.is_closed():
            raise exc.DisconnectionError

    def _beginning(self, connection: Connection) -> None:
        """Through a pooler the settings of a session would become somebody else's: they are the transaction's."""
        if self._pooled:
            values = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self._limits.items())
            connection.exec_driver_sql(f"SELECT {values}")
