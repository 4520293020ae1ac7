"""Notices between nodes about lanes with work, by NOTIFY and LISTEN.

A notice is sent after the commit, on its own connection, one at a time. It is never part of the transaction that
records events, because a commit with a NOTIFY waits for all other such commits of the database. Notices may get lost:
workers and polls also scan every second.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError

from riskrelay.core.delivery.handover import WokenLane, lane_of
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import Wake
from riskrelay.storage.engines.postgres_engine import CONNECT_SECONDS, UNPREPARED, is_pooled

_log = structlog.get_logger()

CHANNEL: Final = "riskrelay_lanes"
_MAX_PAYLOAD_BYTES = 7_999  # PostgreSQL's limit
_PAUSE_SECONDS = 0.01  # guessed: at most 100 notices a second from a node, however many events it takes
_BEFORE_RECONNECT_SECONDS = 1.0  # like the sweep, which finds the work of notices that are missed meanwhile
_COMMAND_SECONDS = 5.0
_places = msgspec.json.Decoder(list[tuple[AccountId, StreamId, int]])


class Notices:
    """Sends notices to the other nodes, and receives theirs.

    Args:
        heard: called with lanes that got work on another node.
    """

    def __init__(self, database_url: str, heard: Wake) -> None:
        self._database_url = database_url
        self._heard = heard
        self._connected = False
        self._pending: dict[LaneKey, None] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    def notify(self, lanes: Sequence[WokenLane]) -> None:
        """Notify the other nodes that *lanes* have work. This never waits and never fails."""
        if self._connected:
            self._pending |= dict.fromkeys(map(lane_of, lanes))
            self._changed.set()

    def stop(self) -> None:
        """Stop `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Send and receive notices until `stop`. A lost connection is opened again."""
        while not self._stopping:
            try:
                await self._connect_and_tell()
            except (OSError, PostgresError, InterfaceError, InternalClientError) as error:
                _log.warning("notices_interrupted", error=type(error).__name__)
            if not self._stopping:
                self._changed.clear()
                await self._wait(_BEFORE_RECONNECT_SECONDS)

    async def _connect_and_tell(self) -> None:
        connection = await asyncpg.connect(
            self._database_url, timeout=CONNECT_SECONDS, command_timeout=_COMMAND_SECONDS, **UNPREPARED
        )
        try:
            connection.add_termination_listener(lambda _: self._changed.set())
            if await is_pooled(connection):
                _log.info(
                    "notices_not_heard", reason="a pooler shares sessions; other nodes' events are found by looking"
                )
            else:
                await connection.add_listener(CHANNEL, self._hear)
            self._connected = True
            await self._tell_on(connection)
        finally:
            self._connected = False
            self._pending.clear()
            connection.terminate()

    async def _tell_on(self, connection: asyncpg.Connection) -> None:
        while not (self._stopping or connection.is_closed()):
            self._changed.clear()
            if self._pending:
                payload = _payload(list(self._pending))
                self._pending.clear()
                async with connection.transaction():
                    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await self._changed.wait()

    def _hear(self, connection: Any, sender: int, channel: str, payload: str) -> None:
        if sender != connection.get_server_pid():
            self._heard([LaneKey(*place) for place in _places.decode(payload)])

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


def _payload(lanes: Sequence[LaneKey]) -> str:
    """Return as many of *lanes* as fit into one notice. A worker that it wakes also finds the other due lanes."""
    parts: list[bytes] = []
    room = _MAX_PAYLOAD_BYTES - len("[]")
    for lane in lanes:
        part = msgspec.json.encode((lane.account_id, lane.stream_id, lane.lane))
        room -= len(part) + len(",")
        if room < 0:
            break
        parts.append(part)
    return f"[{b','.join(parts).decode()}]"
