"""Find the sessions that hold the locks for which a migration waits. Their statements are not shown: they may contain
secrets and subjects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from riskrelay.storage.engines.postgres_engine import CONNECT_SECONDS, UNPREPARED

_LOOK_SECONDS: Final = 0.25  # several times within the lock timeout of a migration
_SECONDS: Final = 5.0  # to connect, and for the query
# A user without pg_read_all_stats sees of other users' sessions the pid, the user and the application only.
_HOLDERS: Final = """
SELECT pid, usename, application_name, host(client_addr) AS address, state, backend_type, xact_start
FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1)) ORDER BY xact_start NULLS LAST
"""
_PREPARED: Final = """
SELECT gid, owner, prepared FROM pg_prepared_xacts
WHERE database = current_database() AND 0 = ANY(pg_blocking_pids($1)) ORDER BY prepared
"""


class LockHolders:
    """The sessions that last blocked the watched session."""

    def __init__(self) -> None:
        self.waiter: int | None = None
        self.said: list[str] = []

    def watch(self, pid: int) -> None:
        """Watch the session with this process id instead of the previous one."""
        self.waiter, self.said = pid, []

    def __str__(self) -> str:
        return "; ".join(self.said) or "a session that has ended since"


@asynccontextmanager
async def watched(database_url: str) -> AsyncIterator[LockHolders]:
    """Watch on a connection of its own, because the session that waits cannot ask."""
    holders = LockHolders()
    watching = asyncio.create_task(_watch(database_url, holders))
    try:
        yield holders
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(database_url: str, holders: LockHolders) -> None:
    connection = await asyncpg.connect(database_url, timeout=CONNECT_SECONDS, command_timeout=_SECONDS, **UNPREPARED)
    try:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if holders.waiter is not None:
                holders.said = await _holders_of(connection, holders.waiter) or holders.said
    finally:
        connection.terminate()


async def _holders_of(connection: asyncpg.Connection, pid: int) -> list[str]:
    sessions = [_session(row) for row in await connection.fetch(_HOLDERS, pid)]
    return sessions + [_prepared(row) for row in await connection.fetch(_PREPARED, pid)]


def _session(row: asyncpg.Record) -> str:
    parts = [f"application {_plain(row['application_name'])}"] if row["application_name"] else []
    parts += [f"user {_plain(row['usename'])}"] if row["usename"] else []
    parts += [f"from {row['address']}"] if row["address"] else []
    parts += [row["state"]] if row["state"] else []
    if row["backend_type"] not in (None, "client backend"):
        parts.append(row["backend_type"])
    if row["xact_start"] is not None:
        parts.append(f"in a transaction since {row['xact_start']:%Y-%m-%d %H:%M:%S %Z}")
    return f"session {row['pid']} ({', '.join(parts)}): SELECT pg_terminate_backend({row['pid']}) ends it"


def _prepared(row: asyncpg.Record) -> str:
    gid = _plain(row["gid"])
    since = f"{row['prepared']:%Y-%m-%d %H:%M:%S %Z}"
    return f"the prepared transaction '{gid}' (owner {row['owner']}, since {since}): ROLLBACK PREPARED '{gid}' ends it"


def _plain(text: str) -> str:
    """Text that a client chose, without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)[:63]
