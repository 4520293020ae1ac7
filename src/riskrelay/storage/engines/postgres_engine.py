"""Connections to PostgreSQL: direct or through a transaction-mode pooler, with an end to everything that may wait."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy import Connection, Dialect, event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL_SIZE: Final = 16  # guessed: the CPU limits a process before this many concurrent statements do
_POOL_TIMEOUT_SECONDS = 5
CONNECT_SECONDS: Final = 5.0

LIMITS: Final[Mapping[str, str]] = {
    # The longest statement that was measured took half a second.
    "statement_timeout": "10s",
    # The holder of a lane's or a user's row has a short transaction; a longer wait means that the holder has a failure.
    "lock_timeout": "5s",
    # A transaction makes no remote calls (ADR 0002): the process of an idle one is frozen or cut off, and holds rows.
    "idle_in_transaction_session_timeout": "10s",
}

# A pooler that changes the server connection between two transactions can't handle: statements that are prepared
# on one of them and used on another. Unnamed statements live in their transaction.
UNPREPARED: Final[Mapping[str, Any]] = {"statement_cache_size": 0}
_UNPREPARED_ENGINE: Final[Mapping[str, Any]] = {
    **UNPREPARED,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Return whether a pooler is in front of the server, so that other clients share the session.

    The process id from the connection's start is compared with that of the server process. A pooler sends its own
    number, which it needs for cancel requests.

    Args:
        connection: created with `UNPREPARED`.
    """
    async with connection.transaction():
        answering: int = await connection.fetchval("SELECT pg_backend_pid()")
    greeted_by: int = connection.get_server_pid()
    return answering != greeted_by


def postgres_engine(database_url: str, limits: Mapping[str, str] = LIMITS) -> AsyncEngine:
    """Create an engine with a bounded pool.

    Args:
        database_url: a URL as libpq reads it, including several hosts, `sslmode` and `target_session_attrs`.
        limits: settings of each transaction; none for long work, such as a migration.
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
    """The set-up of one engine's connections, after it is known whether a pooler is used."""

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
        """Set the limits for this transaction only.

        Through a pooler, settings of a session would affect other clients.
        """
        if self._pooled:
            values = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self._limits.items())
            connection.exec_driver_sql(f"SELECT {values}")
