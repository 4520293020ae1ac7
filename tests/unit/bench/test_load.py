"""The client that sends findings, against a server that the tests hold in their hands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest

from riskrelay.bench.load import Load, Target
from riskrelay.bench.processes import ProcessFailed

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


@asynccontextmanager
async def served(answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[str]:
    """A server that answers each request's body with what *answer* gives."""

    handlers: list[asyncio.Task[None]] = []

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                writer.write(await answer(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has closed
            writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.create_task(exchange(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*handlers)


def singles(url: str, count: int) -> list[bytes]:
    target = Target(url, "acme", "token")
    return [target.single(f"u{number}@example.com") for number in range(count)]


async def test_a_closed_loop_sends_everything_once() -> None:
    """Whatever the number of clients, each request is sent once, and each client waits for its answer."""
    seen: list[bytes] = []

    async def answer(body: bytes) -> bytes:
        seen.append(body)
        return OK

    async with served(answer) as url, Load(url) as load:
        assert await load.closed_loop(iter(singles(url, 50)), 4) > 0
    assert len(seen) == len(set(seen)) == 50


async def test_an_open_loop_waits_for_nobody() -> None:
    """Requests go out at their moments though none is answered before the last one has come."""
    everything_came = asyncio.Event()
    seen: list[bytes] = []

    async def answer(body: bytes) -> bytes:
        seen.append(body)
        if len(seen) == 50:  # more than connections were opened beforehand
            everything_came.set()
        await everything_came.wait()
        return OK

    async with served(answer) as url, Load(url) as load:
        moments = await load.open_loop(singles(url, 50), 1_000)
    distances = {later - earlier for earlier, later in pairwise(moments)}
    assert distances == {1_000_000}


async def test_a_refusal_ends_the_load_with_what_was_said() -> None:
    """An answer other than 200 is an error that quotes it, in both loops."""

    async def answer(body: bytes) -> bytes:
        return BUSY

    async with served(answer) as url, Load(url) as load:
        with pytest.raises(ProcessFailed, match="503"):
            await load.closed_loop(iter(singles(url, 4)), 2)
        with pytest.raises(ProcessFailed, match="503"):
            await load.open_loop(singles(url, 4), 1_000)
