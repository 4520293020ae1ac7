"""HTTP by the standard library, so that a program or a command that uses the client starts fast."""

import io
import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from threading import Lock
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from riskrelay.client.errors import AnswerLost, UnexpectedAnswer, Unreachable
from riskrelay.client.requests import Response

MAX_ANSWER_BYTES = 256 * 1024 * 1024  # guessed: some million users at risk


class Transport(Protocol):
    """How requests are sent."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        """Send one request, once, and return the complete response.

        Raises:
            Unreachable: no connection; nothing was sent.
            AnswerLost: something was sent, and the response is incomplete.
        """

    def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """Send requests over one connection that stays open, one request at a time.

    Args:
        tls: which certificates are trusted; None: those of the operating system.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._origin = ""
        self._connection: HTTPConnection | None = None
        self._socket: _Timed | None = None
        self._lock = Lock()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        """Send one request. Redirects are not followed: they would get the token."""
        ends_at = monotonic() + timeout_seconds
        with self._lock:
            connection = self._connected(url, ends_at)
            try:
                return _exchange(connection, method, url, headers=headers, body=body)
            except TimeoutError as error:
                self._drop()
                raise AnswerLost(f"{self._origin} did not respond within {timeout_seconds:g} s") from error
            except (OSError, HTTPException) as error:
                self._drop()
                raise AnswerLost(f"the connection to {self._origin} was closed without a complete response") from error
            except BaseException:
                self._drop()  # the rest of the response would be read as the next one
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _connected(self, url: str, ends_at: float) -> HTTPConnection:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin != self._origin or _is_stale(self._connection, self._socket):
            self._drop()
        self._origin = origin
        connection = self._connection
        if connection is None or self._socket is None:
            seconds = max(ends_at - monotonic(), 0.001)
            connection = (
                HTTPSConnection(parts.netloc, timeout=seconds, context=self._tls)
                if parts.scheme == "https"
                else HTTPConnection(parts.netloc, timeout=seconds)
            )
            try:
                connection.connect()
            except (OSError, HTTPException) as error:
                connection.close()
                raise Unreachable(f"cannot connect to {origin}: {_in_words(error)}") from error
            connection.sock = self._socket = _Timed(connection.sock)
            self._connection = connection
        self._socket.ends_at = ends_at
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._socket = None


class _Timed:
    """A socket that gives up at a moment, however slowly its bytes arrive. `http.client` uses no more of a socket.

    Attributes:
        ends_at: by `monotonic`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.ends_at = 0.0

    def wait_at_most(self) -> None:
        left = self.ends_at - monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)

    def sendall(self, data: Any) -> None:
        self.wait_at_most()
        self.socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Received(self))

    def close(self) -> None:
        self.socket.close()


class _Received(io.RawIOBase):
    """The bytes that a socket receives."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._timed.wait_at_most()
        return self._timed.socket.recv_into(buffer)


def _exchange(
    connection: HTTPConnection, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
) -> Response:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    is_sent = False
    with suppress(BrokenPipeError, ConnectionResetError):  # a refusal may arrive before the whole body is sent
        connection.request(method, target, body, dict(headers))
        is_sent = True
    response = connection.getresponse()
    answer = response.read(MAX_ANSWER_BYTES)
    if response.length:  # a bounded read reports no response that ends too early
        raise IncompleteRead(answer, response.length)
    if len(answer) == MAX_ANSWER_BYTES and response.read(1):
        raise UnexpectedAnswer(f"the response is larger than {MAX_ANSWER_BYTES:,} bytes")
    if not is_sent:
        connection.close()
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, answer)


def _is_stale(connection: HTTPConnection | None, timed: _Timed | None) -> bool:
    """Return whether the service has closed an idle connection: a request on it would get no response."""
    if connection is None or timed is None or connection.sock is None:
        return True
    readable, _, _ = select.select([timed.socket], [], [], 0)
    return bool(readable)


def _in_words(error: OSError | HTTPException) -> str:
    match error:
        case socket.gaierror():
            return "host name not found"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted ({error.verify_message})"
        case TimeoutError():
            return "timed out"
        case OSError() if error.strerror:
            return error.strerror.lower()
    return str(error) or type(error).__name__
