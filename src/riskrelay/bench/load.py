"""The client that sends findings, with keep-alive connections and prepared requests.

It runs in the measuring process on the same cores, so its cost is part of the results.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from riskrelay.bench.processes import ProcessFailed

_NS = 1_000_000_000
_READY = 32  # connections opened before an open loop begins
_NEARLY_SECONDS = 0.002  # an event loop wakes up to a millisecond late; the last moments are slept through exactly


class Target(NamedTuple):
    """The target of findings, and the token."""

    service_url: str
    account_id: str
    token: str

    def request(self, body: bytes, content_type: str = "application/json", resource: str = "findings") -> bytes:
        """Return an HTTP request that records findings, or what *resource* names."""
        head = (
            f"POST /accounts/{self.account_id}/zt_risk_scoring/{resource} HTTP/1.1\r\n"
            f"Host: {urlsplit(self.service_url).netloc}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def single(self, email: str) -> bytes:
        """Return a request with one finding."""
        return self.request(finding(email))

    def batch(self, emails: Iterable[str]) -> bytes:
        """Return a request with one finding for each of *emails*."""
        return self.request(b"\n".join(map(finding, emails)), "application/x-ndjson")


def finding(email: str) -> bytes:
    """Return a finding that gives a new user the first level."""
    return b'{"behavior":"high_dlp","user":{"email":"%b"}}' % email.encode()


class _Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[None] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, request: bytes) -> asyncio.Future[None]:
        """Send; the future is done when the answer 200 is whole, and failed with any other."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4 or self._answer is None:
            return
        length = int(self._buffer[:end].lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + length:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200 "):
            self._answer.set_exception(ProcessFailed(f"the service answered {self._buffer[:400]!r}"))
        else:
            self._answer.set_result(None)
        self._buffer = b""

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ProcessFailed("the service closed a connection"))


class Load:
    """Connections to one service. Use it as a context manager."""

    def __init__(self, service_url: str) -> None:
        parts = urlsplit(service_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[_Connection] = []
        self._opened: list[_Connection] = []

    async def __aenter__(self) -> "Load":
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    async def closed_loop(self, requests: Iterator[bytes], at_once: int) -> float:
        """Send all *requests*, *at_once* at a time: each client sends its next one when it has its answer.

        Returns: seconds.
        Raises:  ProcessFailed: the service refused one.
        """
        connections = [await self._connect() for _ in range(at_once)]

        async def client(connection: _Connection) -> None:
            for request in requests:
                await connection.send(request)

        began = time.perf_counter()
        async with _together() as group:
            for connection in connections:
                group.create_task(client(connection))
        taken = time.perf_counter() - began
        self._idle += connections
        return taken

    async def open_loop(self, requests: Iterable[bytes], per_second: float) -> list[int]:
        """Send *requests* at fixed times, without waiting for earlier responses.

        Returns: the scheduled time of each request, in nanoseconds of the monotonic clock. Latencies from these times
            include delays by earlier requests (no coordinated omission).
        Raises:  ProcessFailed: the service refused one.
        """
        self._idle += [await self._connect() for _ in range(_READY - len(self._idle))]
        began = time.monotonic_ns() + _NS // 10
        moments: list[int] = []
        async with _together() as group:
            for number, request in enumerate(requests):
                due = began + int(number * _NS / per_second)
                await _sleep_until(due)
                moments.append(due)
                if self._idle:  # written now, not when a task gets its turn
                    connection = self._idle.pop()
                    group.create_task(self._answered(connection, connection.send(request)))
                else:
                    group.create_task(self._send_on_new(request))
        return moments

    async def _send_on_new(self, request: bytes) -> None:
        connection = await self._connect()
        await self._answered(connection, connection.send(request))

    async def _answered(self, connection: _Connection, answer: asyncio.Future[None]) -> None:
        await answer
        self._idle.append(connection)

    async def _connect(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        self._opened.append(connection)
        return connection


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run a group of tasks that raises the first failure instead of an exception group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def _sleep_until(due: int) -> None:
    left = (due - time.monotonic_ns()) / _NS
    await asyncio.sleep(max(0.0, left - _NEARLY_SECONDS))
    left = (due - time.monotonic_ns()) / _NS
    if left > 0:
        time.sleep(left)  # noqa: ASYNC251  exactly: a timer of the event loop would be up to a millisecond late
