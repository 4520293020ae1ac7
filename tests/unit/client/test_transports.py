"""HTTP of both clients, against servers that misbehave."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from riskrelay.client.aio.transport import HttpTransport as AsyncHttpTransport
from riskrelay.client.errors import AnswerLost, Unreachable
from riskrelay.client.requests import Response
from riskrelay.client.sync.transport import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Serves each connection by the next of *talks*, the last one again and again.

    Attributes:
        connections: how many came.
    """

    def __init__(self, *talks: Callable[[socket.socket], None]) -> None:
        self.connections = 0
        self._talks = talks
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            talk = self._talks[min(self.connections, len(self._talks) - 1)]
            self.connections += 1
            threading.Thread(target=self._talk, args=(talk, connection), daemon=True).start()

    def _talk(self, talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
        with connection:
            try:
                talk(connection)
            except OSError:
                return

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Make servers, and close them."""
    servers: list[Server] = []

    def make(*talks: Callable[[socket.socket], None]) -> Server:
        servers.append(Server(*talks))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


Exchange = Callable[..., list[Response]]


@pytest.fixture(params=["sync", "async"])
def exchange(request: pytest.FixtureRequest) -> Exchange:
    """Send requests one after another over one transport."""

    def send(url: str, times: int = 1, seconds: float = 60, between: Callable[[], Any] = int) -> list[Response]:
        transport = HttpTransport()
        responses = []
        try:
            for _ in range(times):
                responses.append(transport.send("POST", url, {"A": "b"}, b"body", seconds))
                between()
        finally:
            transport.close()
        return responses

    def send_async(url: str, times: int = 1, seconds: float = 60, between: Callable[[], Any] = int) -> list[Response]:
        async def sending() -> list[Response]:
            transport = AsyncHttpTransport()
            responses = []
            try:
                for _ in range(times):
                    responses.append(await transport.send("POST", url, {"A": "b"}, b"body", seconds))
                    between()
                    for _ in range(10):  # the event loop sees what arrived in the rounds after this one
                        await asyncio.sleep(0)
            finally:
                await transport.close()
            return responses

        return asyncio.run(sending())

    return send if request.param == "sync" else send_async


def read_request(connection: socket.socket) -> bytes:
    """Read a request with the body `body`."""
    data = b""
    while not data.endswith(b"\r\n\r\nbody"):
        piece = connection.recv(4_096)
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def answer_all(connection: socket.socket) -> None:
    """Answer every request."""
    while True:
        read_request(connection)
        connection.sendall(OK)


def test_a_connection_stays_open(serve: Callable[..., Server], exchange: Exchange) -> None:
    """Several requests take one."""
    server = serve(answer_all)
    assert [response.body for response in exchange(server.url, times=3)] == [b"ok"] * 3
    assert server.connections == 1


def test_a_connection_that_the_service_closed_while_idle_is_replaced(
    serve: Callable[..., Server], exchange: Exchange
) -> None:
    """A request that must not be repeated isn't lost on it."""
    closed = threading.Event()

    def answer_once(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK)
        connection.close()
        closed.set()

    server = serve(answer_once)

    def until_closed() -> None:
        assert closed.wait(60)
        closed.clear()

    assert len(exchange(server.url, times=2, between=until_closed)) == 2
    assert server.connections == 2


def test_a_port_without_listener_is_unreachable(exchange: Exchange) -> None:
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(Unreachable, match=f"cannot connect to http://127.0.0.1:{port}"):
        exchange(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", b"SSH-2.0-OpenSSH\r\n"])
def test_an_incomplete_answer_is_lost(serve: Callable[..., Server], exchange: Exchange, answer: bytes) -> None:
    """The service may have processed the request."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    with pytest.raises(AnswerLost):
        exchange(serve(talk).url)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_ends_at_the_timeout(
    serve: Callable[..., Server], exchange: Exchange, start: bytes
) -> None:
    """In its head and in its body."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        for _ in range(500):
            connection.sendall(b"x")
            time.sleep(0.02)

    with pytest.raises(AnswerLost, match="did not respond within"):
        exchange(serve(talk).url, seconds=0.2)


def test_a_redirect_is_not_followed(serve: Callable[..., Server], exchange: Exchange) -> None:
    """Another server would get the token."""

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

    server = serve(talk)
    (response,) = exchange(server.url)
    assert (response.status, response.headers["location"]) == (302, "/other")
    assert server.connections == 1


def test_a_refusal_before_the_whole_body_is_sent_is_read(serve: Callable[..., Server]) -> None:
    """The standard library alone would report a broken pipe."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1_024)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(60)
        while connection.recv(65_536):
            pass

    transport = HttpTransport()
    assert transport.send("POST", serve(talk).url, {}, b"x" * 4_000_000, 60).status == 413
    transport.close()
