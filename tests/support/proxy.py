"""A proxy before the service that misbehaves on request: real sockets, threads of its own."""

import http.client
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Loss(Enum):
    """What becomes of an answer after the service has done what was asked."""

    RESET = auto()  # the connection is reset before the first byte
    CLOSED = auto()  # the connection is closed before the first byte
    CUT = auto()  # the connection is closed in the middle of the body


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the proxy's own; the service is not asked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Planned = Loss | Answer | Callable[[], None]
"""What happens to a request: its answer is lost, or made up; or something is called, and then it is forwarded."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that came, and how it was answered, whether or not the answer arrived.

    Attributes:
        headers: by their names in lower case.
        at, answered_at: seconds of the monotonic clock.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    answer: Answer
    answered_at: float


class Proxy:
    """Forwards to *service_url* what comes to `url`; the next answers may be planned with `misbehave`."""

    def __init__(self, service_url: str) -> None:
        address = urlsplit(service_url).netloc
        self.exchanges: list[Exchange] = []
        self._plan: deque[Planned] = deque()
        plan, exchanges = self._plan, self.exchanges

        class Handler(_Handler):
            def answer(self) -> None:
                planned = plan.popleft() if plan else None
                at, body = time.monotonic(), self.rfile.read(int(self.headers.get("content-length", 0)))
                if callable(planned):
                    planned()
                answer = planned if isinstance(planned, Answer) else self.forwarded(address, body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                exchanges.append(Exchange(self.command, self.path, headers, body, at, answer, time.monotonic()))
                self.send(answer, planned if isinstance(planned, Loss) else None)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  named by the library

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def misbehave(self, *planned: Planned) -> None:
        """Treat the next requests so, in this order, one each."""
        self._plan.extend(planned)

    def statuses(self) -> list[int]:
        """The statuses that were answered, whether or not they arrived."""
        return [exchange.answer.status for exchange in self.exchanges]

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def forwarded(self, address: str, body: bytes) -> Answer:
        """What the service answers to this request."""
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, kept)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def send(self, answer: Answer, loss: Loss | None) -> None:
        """Send *answer*, or as much of it as *loss* leaves."""
        self.close_connection = loss is not None
        if loss is Loss.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()  # or the socket stays open until the handler is done, and is closed in good order
            self.connection.close()
        elif loss is not Loss.CLOSED:
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if loss is Loss.CUT else answer.body)
