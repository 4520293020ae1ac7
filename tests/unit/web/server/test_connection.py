"""The bounds of one connection, over real sockets, with limits of fractions of a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from riskrelay.web.server import serving
from riskrelay.web.server.admission import Admission
from riskrelay.web.server.limits import Limits
from riskrelay.web.server.serving import HttpServer

SHORT = replace(
    Limits(),
    first_byte_seconds=0.3,
    head_seconds=0.3,
    idle_seconds=0.3,
    body_seconds=0.3,
    body_bytes_per_second=1_000_000,
    stall_seconds=0.3,
    discard_seconds=0.2,
)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@dataclass
class App:
    """Answers with the length of the body, or as it is told."""

    body: bytes = b""
    bodies: list[bytes | None] = field(default_factory=list)
    reads: bool = True
    release: asyncio.Event = field(default_factory=asyncio.Event)
    fails_after: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await self.release.wait()
        answer = self.body or b"%d" % len(await self._read(receive) or b"")
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})
        if self.fails_after:
            raise RuntimeError("answered, and raised again")

    async def _read(self, receive: Any) -> bytes | None:
        whole = b""
        while self.reads:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(None)
                return None
            whole += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(whole)
        return whole


@asynccontextmanager
async def serving_with(
    limits: Limits, app: App, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[HttpServer, Admission, int]]:
    """A server that checks its deadlines every 50 ms."""
    monkeypatch.setattr(serving, "_TICK_SECONDS", 0.05)
    admission = Admission(limits)
    server = HttpServer(app, admission)
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, admission, port
    finally:
        await server.stop(0)


async def until_closed(admission: Admission) -> None:
    """Return when the server has forgotten every connection."""
    async with asyncio.timeout(60):
        while admission.open:
            await asyncio.sleep(0.01)


async def sent(port: int, data: bytes, *, seconds: float = 60) -> bytes:
    """What the server answers to *data* until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(seconds):
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b"reset"
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (GET[:10], b"408"),
        (GET[:-4], b"408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"408"),
        (POST + b"a", b"200"),  # the application hears that the body breaks off, and answers
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[", b"200"),
    ],
    ids=["nothing", "empty lines", "half a request line", "half a head", "half a field", "half a body", "half a chunk"],
)
async def test_what_does_not_arrive_in_time_is_ended(
    data: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first byte, the head and the body each have a deadline."""
    app = App()
    async with serving_with(SHORT, app, monkeypatch) as (_, admission, port):
        answer = await sent(port, data)
        assert answer[9:12] == status
        assert app.bodies in ([], [None])
        await until_closed(admission)


async def test_a_connection_is_kept_for_the_next_request_and_then_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests on one connection; after the idle time the server closes it, also with half of a third head."""
    async with serving_with(SHORT, App(), monkeypatch) as (_, admission, port):
        assert (await sent(port, GET + GET)).count(b"200 OK") == 2
        assert (await sent(port, GET + GET[:9])).count(b"200 OK") == 1
        await until_closed(admission)


async def test_a_slow_but_steady_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte that arrives extends the deadline, but a pause never exceeds that of an empty body."""
    limits = replace(SHORT, body_bytes_per_second=100)  # 10 bytes earn 0.1 s
    app = App()
    async with serving_with(limits, app, monkeypatch) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.08)
            writer.write(b"0123456789")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert app.bodies == [b"0123456789" * 10]
        writer.write(POST + b"a" * 900)  # much at once, and then nothing: nothing is earned for later
        async with asyncio.timeout(6):  # 900 bytes would earn 9 s
            assert b"200" in await reader.read()
        assert app.bodies[1:] == [None]
        writer.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"400"),
        (b"nonsense\r\n\r\n", b"501"),
        (b"XYZZY / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: %s\r\n" % (i, b"v" * 4_000) for i in range(9)), b"431"),
        (b"GET / HTTP/1.1\r\nA: " + b"v" * 40_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
    ids=["HTTP/2", "no HTTP", "method", "target", "fields", "field bytes", "endless field", "two lengths", "tunnel"],
)
async def test_what_cannot_be_served_is_refused_and_the_connection_closed(
    data: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application is not asked."""
    app = App()
    async with serving_with(SHORT, app, monkeypatch) as (_, _, port):
        answer = await sent(port, data)
        assert answer[9:12] == status
        assert b"connection: close" in answer
        assert app.bodies == []


async def test_trailers_count_as_header_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless trailer fields end the request: the application hears that its body breaks off."""
    app = App()
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + b"T: v\r\n" * 200
    async with serving_with(SHORT, app, monkeypatch) as (_, _, port):
        assert (await sent(port, chunked))[9:12] == b"200"
        assert app.bodies == [None]


async def test_pipelined_requests_are_answered_in_order_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some wait behind the one in work; more end the connection."""
    async with serving_with(SHORT, App(), monkeypatch) as (_, _, port):
        assert (await sent(port, GET * SHORT.pipelined)).count(b"200 OK") == SHORT.pipelined
        assert (await sent(port, GET * 1_000)).count(b"200 OK") < SHORT.pipelined + 2


async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that nobody reads does not stay in memory."""
    app = App(body=b"x" * 30_000_000)
    async with serving_with(SHORT, app, monkeypatch) as (_, admission, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
        writer.write(GET)
        await until_closed(admission)
        writer.close()
        del reader


async def test_a_response_reaches_a_client_that_is_still_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """An early answer, such as a 401, is not lost: the server reads on and drops the rest for a moment."""
    app = App(body=b"refused")
    async with serving_with(SHORT, app, monkeypatch) as (_, _, port):
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n"
        assert (await sent(port, head + b"a" * 2_000_000)).endswith(b"refused")


async def test_an_application_that_answers_and_then_raises_keeps_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Starlette raises again what it has answered with a 500; the client may go on."""
    async with serving_with(SHORT, App(fails_after=True), monkeypatch) as (_, _, port):
        assert (await sent(port, GET + GET)).count(b"200 OK") == 2


async def test_a_slow_application_is_not_the_clients_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """No deadline runs while the application works, also when it has not read the body yet."""
    app = App()
    async with serving_with(SHORT, app, monkeypatch) as (_, _, port):
        body = b"a" * 3_000_000
        head = b"POST /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        asking = asyncio.create_task(sent(port, head + body))
        await asyncio.sleep(1)
        app.release.set()
        assert (await asking).endswith(b"3000000")


async def test_a_stop_ends_within_its_time_whatever_clients_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections end at once, a request in work is answered, what stalls is closed by force."""
    limits = replace(Limits(), discard_seconds=60)
    app = App()
    async with serving_with(limits, app, monkeypatch) as (server, admission, port):
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        for (_, writer), data in zip(clients, (GET[:9], POST + b"a", GET.replace(b"/ ", b"/slow "), b""), strict=True):
            writer.write(data)
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(server.stop(2))
        await asyncio.sleep(0.1)
        app.release.set()
        assert b"connection: close" in await clients[2][0].read()
        async with asyncio.timeout(30):  # half of what an idle connection may stay
            await stopping
        assert admission.open == 0
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection("127.0.0.1", port)
        for _, writer in clients:
            writer.close()
