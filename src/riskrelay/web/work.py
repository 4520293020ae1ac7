"""How much the application works on at once, shared fairly between client addresses.

A connection costs little; a request in work costs a database transaction, and a large body costs memory. So the server
takes thousands of connections, and this middleware limits the work.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskrelay.core.errors import Unavailable
from riskrelay.web.client_address import client_network

ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})
SMALL_BODY_BYTES = 64 * 1024  # what the server buffers of any body


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """The limits of one process.

    Attributes:
        requests: in work at once; one that waits for its client or for an event is not counted.
        waiting_per_client: requests of one client address that wait for their turn; more are answered 503.
        wait_seconds: how long a request waits for its turn, or for room for its body.
        body_bytes: of all large bodies in memory at once.
        body_bytes_per_client: of those, from one client address: two of the largest batches.
    """

    requests: int = 256
    waiting_per_client: int = 256
    wait_seconds: float = 20
    body_bytes: int = 256 * 1024 * 1024
    body_bytes_per_client: int = 64 * 1024 * 1024


class Slots:
    """Turns for requests. When all are taken, the client addresses take turns, whatever each of them has queued."""

    def __init__(self, limits: WorkLimits) -> None:
        self._limits = limits
        self._free = limits.requests
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def free(self) -> int:
        """Slots that nothing takes now."""
        return self._free

    async def take(self, client: Callable[[], str]) -> None:
        """Take a slot, or wait for one.

        Args:
            client: finds the client address; asked only when there is no free slot.

        Raises: Unavailable: too many requests of this client wait, or this one has waited for too long.
        """
        if self._free:
            self._free -= 1
            return
        key = client()
        queue = self._queues.setdefault(key, deque())
        if len(queue) >= self._limits.waiting_per_client:
            raise Unavailable("too many requests of this client wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came in the same moment
                self.give_back()
            else:
                self._forget(key, turn)
            if isinstance(error, TimeoutError):
                raise Unavailable("no slot became free in time") from error
            raise

    def give_back(self) -> None:
        """Free a slot: the longest waiting request of the next client takes it."""
        while self._queues:
            key, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[key] = queue  # behind the other clients
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _forget(self, key: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(key)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[key]


class BodyBudget:
    """Memory for large bodies."""

    def __init__(self, limits: WorkLimits) -> None:
        self._limits = limits
        self._held = 0
        self._held_by: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def hold(self, client: str, size: int) -> None:
        """Reserve *size* bytes, or wait until there is room.

        Raises: Unavailable: there was none in time.
        """
        try:
            async with asyncio.timeout(self._limits.wait_seconds), self._changed:
                await self._changed.wait_for(lambda: self._fits(client, size))
        except TimeoutError as error:
            raise Unavailable("no memory for the body became free in time") from error
        self._held += size
        self._held_by[client] = self._held_by.get(client, 0) + size

    async def release(self, client: str, size: int) -> None:
        """Give back what `hold` reserved."""
        self._held -= size
        self._held_by[client] -= size
        if not self._held_by[client]:
            del self._held_by[client]
        async with self._changed:
            self._changed.notify_all()

    def _fits(self, client: str, size: int) -> bool:
        mine = self._held_by.get(client, 0)
        return self._held + size <= self._limits.body_bytes and mine + size <= self._limits.body_bytes_per_client


class _Work:
    """One request in work."""

    def __init__(self, scope: Scope, slots: Slots, bodies: BodyBudget) -> None:
        self._scope = scope
        self._slots = slots
        self._bodies = bodies
        self._counted = False
        self._body_bytes = 0

    def client(self) -> str:
        return client_network(Request(self._scope)) or "unknown"

    async def count(self) -> None:
        if not self._counted:
            await self._slots.take(self.client)
            self._counted = True

    def stop_counting(self) -> None:
        if self._counted:
            self._counted = False
            self._slots.give_back()

    async def hold_body(self, size: int) -> None:
        async with waiting():
            await self._bodies.hold(self.client(), size)
        self._body_bytes += size

    async def end(self) -> None:
        self.stop_counting()
        if self._body_bytes:
            await self._bodies.release(self.client(), self._body_bytes)


_current: ContextVar[_Work | None] = ContextVar("work", default=None)


@asynccontextmanager
async def waiting() -> AsyncIterator[None]:
    """Stop counting the current request as work while it waits for something outside: its client, or an event.

    Raises: Unavailable: at the end, when there is no slot in time.
    """
    work = _current.get()
    if work is None:
        yield
        return
    work.stop_counting()
    yield
    await work.count()


async def hold_body(size: int) -> None:
    """Reserve memory for a body of at most *size* bytes until the current request has been answered.

    Raises: Unavailable: there is none in time.
    """
    work = _current.get()
    if work is not None:
        await work.hold_body(size)


class LimitWork:
    """Limits the requests in work. Health checks and scrapes are never counted and never wait.

    Args:
        refuse: makes the answer to a request that had to wait for too long.
    """

    def __init__(self, app: ASGIApp, limits: WorkLimits, refuse: Callable[[Request, Unavailable], Response]) -> None:
        self._app = app
        self._slots = Slots(limits)
        self._bodies = BodyBudget(limits)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
            return
        work = _Work(scope, self._slots, self._bodies)
        try:
            await work.count()
        except Unavailable as error:
            await self._refuse(Request(scope), error)(scope, receive, send)
            return
        _current.set(work)  # this task's own context: each request is a task

        async def receive_uncounted() -> Message:
            async with waiting():
                return await receive()

        async def send_uncounted(message: Message) -> None:
            work.stop_counting()  # the answer is made; how fast the client reads it is no work
            await send(message)

        try:
            await self._app(scope, receive_uncounted, send_uncounted)
        finally:
            await work.end()
