"""Kept-alive connections to receivers: limits, waiting and reuse."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from riskrelay.push.exchange import Connection

MAX_CONNECTIONS = 1024  # chosen: below the usual limit of descriptors once it is raised, see `doctor`
MAX_CONNECTIONS_PER_HOST = 64  # measured: design "HTTP push" was taken with 64 at once
IDLE_SECONDS = 50  # guessed: many load balancers drop an idle connection after 60 s
_SWEEP_SECONDS = 10.0  # guessed: an idle connection is closed at most so much later


class Place(NamedTuple):
    """The destination of a connection with its TLS context. Pushes to one place share connections.

    Attributes:
        context: None: plain http.
    """

    host: str
    port: int
    context: ssl.SSLContext | None


@dataclass(slots=True)
class _Share:
    """The connections to one place: the idle ones, newest last, and the number of all, with those being dialled."""

    idle: deque[Connection] = field(default_factory=deque)
    taken: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def total(self) -> int:
        return len(self.idle) + self.taken


class ConnectionPool:
    """A pool of connections, bounded in all and for each place."""

    def __init__(self) -> None:
        self._shares: dict[Place, _Share] = {}
        self._count = 0
        self._taken: set[Connection] = set()
        self._starved: deque[asyncio.Future[None]] = deque()
        self._sweeping: asyncio.TimerHandle | None = None

    def take_idle(self, place: Place) -> Connection | None:
        """Return an idle connection for one exchange; None: there is none. `give_back` it afterwards."""
        share = self._shares.get(place)
        while share is not None and share.idle:
            connection = share.idle.pop()
            if not connection.is_closed:
                share.taken += 1
                self._taken.add(connection)
                return connection
            self._count -= 1
        return None

    async def take_new(self, place: Place, dial: Callable[[], Awaitable[Connection]]) -> Connection:
        """Return a new connection for one exchange, as soon as the pool allows one more. `give_back` it afterwards.

        Raises: the errors of *dial*; asyncio.CancelledError.
        """
        share = self._shares.setdefault(place, _Share())
        while not self._make_room(share):
            await self._wait(share)
        share.taken += 1
        self._count += 1
        try:
            connection = await dial()
        except BaseException:
            share.taken -= 1
            self._count -= 1
            self._wake(share)
            raise
        self._taken.add(connection)
        return connection

    def give_back(self, place: Place, connection: Connection) -> None:
        """Keep *connection* if it can be used again, else remove it."""
        share = self._shares[place]
        share.taken -= 1
        self._taken.discard(connection)
        if connection.is_reusable and not connection.is_closed and not self._starved:
            connection.idle_since = asyncio.get_running_loop().time()
            share.idle.append(connection)
            self._sweep_later()
        else:
            connection.close()
            self._count -= 1
        self._wake(share)

    def close(self) -> None:
        """Close every connection. A running exchange ends with a ConnectionError."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in [*self._taken, *(idle for share in self._shares.values() for idle in share.idle)]:
            connection.close()

    def _make_room(self, share: _Share) -> bool:
        """Whether one more connection may be opened to that place, perhaps in the stead of an idle one."""
        if share.total >= MAX_CONNECTIONS_PER_HOST:
            return bool(share.idle) and self._drop_oldest(share)
        if self._count < MAX_CONNECTIONS:
            return True
        crowded = next((other for other in self._shares.values() if other.idle), None)
        return crowded is not None and self._drop_oldest(crowded)

    def _drop_oldest(self, share: _Share) -> bool:
        share.idle.popleft().close()
        self._count -= 1
        return True

    async def _wait(self, share: _Share) -> None:
        """Wait until a connection to the same place, or any at all, has become free."""
        queue = share.waiting if share.total >= MAX_CONNECTIONS_PER_HOST else self._starved
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake(share)  # this waiter had been woken already: wake the next one
            raise
        finally:
            if turn in queue:
                queue.remove(turn)

    def _wake(self, share: _Share) -> None:
        for queue in (share.waiting, self._starved):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close connections that have been idle for long, and remove unused places."""
        self._sweeping = None
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        for place, share in list(self._shares.items()):
            while share.idle and (share.idle[0].is_closed or share.idle[0].idle_since < oldest):
                self._drop_oldest(share)
            if not share.total and not share.waiting:
                del self._shares[place]
        if any(share.idle for share in self._shares.values()):
            self._sweep_later()
