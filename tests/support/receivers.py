"""Receivers that behave or misbehave on real sockets, and push clients in a hurry."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient
from support.services import HandClock

TOKEN = b"eyJhbGciOiJSUzI1NiJ9." + b"p" * 700 + b"." + b"s" * 342
LOCAL = TargetRules(["127.0.0.0/8"], allow_http=True)
NOTHING_LISTED = TargetRules([], allow_http=True)
OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Receiver:
    """A server on 127.0.0.1 that answers each request with the same bytes, and remembers what it saw.

    Attributes:
        then: after the answer, "keep" the connection, "close" it, "hang", or "drip" the last piece for ever.
        answers_per_connection: after so many, a further request is read and the connection closed without an answer,
            after *closes_after* seconds.
        arrivals: gets an item for each request.
    """

    answer: bytes = OK
    then: str = "keep"
    drip: bytes = b""
    answers_per_connection: int = 1_000
    closes_after: float = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    arrivals: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            for _ in range(self.answers_per_connection):
                await self.answer_one(reader, writer)
                if self.then == "close":
                    break
            else:
                self.requests.append(await reader.readuntil(TOKEN))
                await asyncio.sleep(self.closes_after)
        writer.close()
        self.tasks.discard(task)

    async def answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one request."""
        self.requests.append(await reader.readuntil(TOKEN))
        self.arrivals.put_nowait(None)
        writer.write(self.answer)
        await writer.drain()
        while self.then == "drip":
            writer.write(self.drip)
            await writer.drain()
            await asyncio.sleep(0.01 if len(self.drip) < 100 else 0)
        if self.then == "hang":
            await asyncio.sleep(60)


@asynccontextmanager
async def receiver(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, **behaviour: Any
) -> AsyncIterator[Receiver]:
    """A running receiver."""
    it = Receiver(**behaviour)
    server = await asyncio.start_server(it.serve, host, port, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for task in list(it.tasks):
            task.cancel()
        await asyncio.gather(*it.tasks, return_exceptions=True)
        await _all_closed(server)


async def _all_closed(server: asyncio.Server) -> None:
    """Wait until *server* has no connection left: one that outlives its event loop is a warning in some later test.

    `Server.wait_closed` of CPython 3.11 does not wait, and a handshake that the client refused ends some rounds later.
    """
    async with asyncio.timeout(60):
        while getattr(server, "_active_count", 0):
            await asyncio.sleep(0.001)
    await server.wait_closed()


def push_client(rules: TargetRules = LOCAL, deadline: float = 1, **options: Any) -> PushClient:
    """A client in a hurry."""
    return PushClient(rules, HandClock(), deadline=timedelta(seconds=deadline), **options)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
