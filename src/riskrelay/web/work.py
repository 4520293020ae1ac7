"""How much the application works on at once, shared fairly between client addresses.

A connection costs little; a request in work costs a database transaction, and a large body costs memory. So the server
takes thousands of connections, and this middleware limits the work.
"""

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskrelay.actions.giving_way import large_request, small_request
from riskrelay.core.errors import Unavailable
from riskrelay.web.client_address import client_network

_POLL = re.compile(r"/ssf/[^/]+/poll/[^/]+")
ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})
SMALL_BODY_BYTES = 64 * 1024  # the part of any body that the server buffers
_SMALL_LENGTH_DIGITS = 4  # below 10,000 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """The limits of one process.

    Attributes:
        requests: concurrent requests. A request that waits for its client or for an event is not counted.
        polls: concurrent polls of receivers, in addition; thousands of them often arrive in the same second.
        waiting_per_client: waiting requests of one client address; others get a 503.
        waiting_large_per_client: the same for requests with a large body, of which the server has buffered a part.
        wait_seconds: how long a request waits for a slot, or for memory for its body.
        body_bytes: the total size of large bodies in memory.
        body_bytes_per_client: the same for one client address: two of the largest batches.
    """

    requests: int = 256
    polls: int = 8
    waiting_per_client: int = 4_096
    waiting_large_per_client: int = 128
    wait_seconds: float = 20
    body_bytes: int = 256 * 1024 * 1024
    body_bytes_per_client: int = 64 * 1024 * 1024


class Slots:
    """Slots for requests.

    When all are in use, client addresses take turns, and so do the credentials of one address. The number of their
    queued requests does not matter.
    """

    def __init__(self, limits: WorkLimits) -> None:
        self._limits = limits
        self._free = limits.requests
        self._queues: OrderedDict[str, _Queue] = OrderedDict()

    @property
    def free(self) -> int:
        """The number of free slots."""
        return self._free

    async def take(self, client: Callable[[], tuple[str, str]], *, large: bool = False) -> None:
        """Take a slot, or wait for one.

        Args:
            client: returns the client address and the credential; called only if no slot is free.
            large: whether the request has a large body; few of these may wait.

        Raises: Unavailable: too many requests of this address wait, or this one has waited for too long.
        """
        if self._free:
            self._free -= 1
            return
        address, credential = client()
        queue = self._queues.setdefault(address, _Queue())
        most = self._limits.waiting_large_per_client if large else self._limits.waiting_per_client
        if queue.length >= most:
            raise Unavailable("too many requests of this client are waiting")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(credential, turn)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it got the slot at the same time
                self.give_back()
            if isinstance(error, TimeoutError):
                raise Unavailable("no slot became free in time") from error
            raise

    def give_back(self) -> None:
        """Free a slot: the longest waiting request of the next client takes it."""
        while self._queues:
            address, queue = self._queues.popitem(last=False)
            turn = queue.pop()
            if queue.length:
                self._queues[address] = queue  # behind the other addresses
            if not turn.done():  # otherwise its request has given up
                turn.set_result(None)
                return
        self._free += 1


class _Queue:
    """The requests of one address that wait, by credential."""

    def __init__(self) -> None:
        self.length = 0
        self._by_credential: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def append(self, credential: str, turn: asyncio.Future[None]) -> None:
        self.length += 1
        self._by_credential.setdefault(credential, deque()).append(turn)

    def pop(self) -> asyncio.Future[None]:
        """Take the first request of the next credential."""
        self.length -= 1
        credential, turns = self._by_credential.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self._by_credential[credential] = turns
        return turn


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
        """Release the memory that `hold` reserved."""
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
            await self._slots.take(self._place, large=_may_be_large(self._scope))
            self._counted = True

    def _place(self) -> tuple[str, str]:
        return self.client(), Request(self._scope).headers.get("authorization", "")

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


def is_poll(path: str) -> bool:
    """Return whether a request to *path* is a poll for events.

    >>> is_poll("/ssf/182bd5e5/poll/8e035ddb"), is_poll("/ssf/182bd5e5/streams")
    (True, False)
    """
    return _POLL.fullmatch(path) is not None


def _may_be_large(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return len(value) > _SMALL_LENGTH_DIGITS
        if name == b"transfer-encoding":
            return True
    return False


def _may_take_long(scope: Scope) -> bool:
    """Return whether a request may have thousands of items, which take few bytes when they are compressed."""
    return _may_be_large(scope) or any(name == b"content-encoding" for name, _ in scope["headers"])


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


def beside_work() -> Context:
    """Return a context for a task that waits beside the current request and must not stop counting it."""
    context = copy_context()
    context.run(_current.set, None)
    return context


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
        refuse: builds the response to a request that waited for too long.
    """

    def __init__(self, app: ASGIApp, limits: WorkLimits, refuse: Callable[[Request, Unavailable], Response]) -> None:
        self._app = app
        self._slots = Slots(limits)
        self._polls = Slots(replace(limits, requests=limits.polls))
        self._bodies = BodyBudget(limits)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
            return
        poll = is_poll(scope["path"])
        work = _Work(scope, self._polls if poll else self._slots, self._bodies)
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
            with large_request() if _may_take_long(scope) else nullcontext() if poll else small_request():
                await self._app(scope, receive_uncounted, send_uncounted)
        finally:
            await work.end()
