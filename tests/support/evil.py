"""The evil server: every way in which a receiver can misbehave, each below a path or on a port of its own."""

import asyncio
import gzip
import socket
import ssl
import threading
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from support.certificates import Authority
from support.receivers import OK, answer


@dataclass(frozen=True, slots=True)
class Misdeed:
    """What happens to a request, and what must be said of it.

    Attributes:
        answer: sent at once.
        drip: sent again and again behind it; None: nothing more.
        then: what follows: "close" or "hang".
    """

    outcome: str
    reason: str
    answer: bytes
    drip: bytes | None = None
    then: str = "close"


def _retry(status: str, after: str) -> Misdeed:
    return Misdeed("throttled", f"http_{status[:3]}", answer(status, b"", f"Retry-After: {after}"))


HOSTILE = b"<script>alert(1)</script>\x1b[31mred\x1b[0m\r\nX: y\0\xff\xfe\xc3\x28\xe2\x80\xae<b>"
"""HTML, ANSI, line ends, NUL, bad UTF-8, and a character that turns the writing direction."""

MISDEEDS = {
    # Row 25.
    "silent": Misdeed("transient", "timeout", b"", then="hang"),
    "slow-head": Misdeed("transient", "timeout", b"HTTP/1.1 202 A\r\n", b"X: y\r\n"),
    "slow-error-body": Misdeed("transient", "http_500", b"HTTP/1.1 500 A\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "slow-body": Misdeed("accepted", "accepted", b"HTTP/1.1 202 A\r\nContent-Length: 9999\r\n\r\n", b"x"),
    "endless-chunks": Misdeed(
        "transient",
        "http_500",
        b"HTTP/1.1 500 A\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    ),
    "endless-body": Misdeed("transient", "http_500", b"HTTP/1.1 500 A\r\n\r\n", b"x" * 65_536),
    "bomb": Misdeed(
        "transient",
        "http_500",
        answer("500 A", gzip.compress(b"\0" * 50_000_000, 9), "Content-Encoding: gzip"),
    ),
    "megabyte-header": Misdeed("transient", "not_http", b"HTTP/1.1 202 A\r\nX: " + b"a" * 1_000_000),
    "many-headers": Misdeed("transient", "not_http", b"HTTP/1.1 202 A\r\n" + b"X: y\r\n" * 100_000),
    # Row 26.
    "429-seconds": _retry("429 Slow", "7200"),
    "429-date": _retry("429 Slow", "Wed, 01 Jan 2098 00:00:00 GMT"),
    "429-negative": _retry("429 Slow", "-5"),
    "429-ten-years": _retry("429 Slow", "315360000"),
    "429-garbage": _retry("429 Slow", "soon"),
    "503-seconds": _retry("503 Busy", "7200"),
    "503-garbage": Misdeed("transient", "http_503", answer("503 Busy", b"", "Retry-After: soon")),
    # Row 28.
    "200": Misdeed("accepted", "accepted", answer("200 OK", b"{}")),
    "202": Misdeed("accepted", "accepted", OK, then="keep"),
    "204": Misdeed("accepted", "accepted", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "2xx-broken-length": Misdeed("accepted", "accepted", b"HTTP/1.1 202 A\r\nContent-Length: 99\r\n\r\ncut"),
    "2xx-broken-chunks": Misdeed("accepted", "accepted", b"HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "301": Misdeed("transient", "http_301", answer("301 Moved", b"", "Location: {away}")),
    "307": Misdeed("transient", "http_307", answer("307 Moved", b"", "Location: {away}")),
    "1xx-then-202": Misdeed("accepted", "accepted", b"HTTP/1.1 100 Continue\r\n\r\n" * 300 + OK),
    "2xx-two-lengths": Misdeed("accepted", "accepted", b"HTTP/1.1 202 A\r\nContent-Length: 0, 0\r\n\r\n"),
    "2xx-length-and-chunks": Misdeed(
        "accepted", "accepted", b"HTTP/1.1 202 A\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "2xx-odd-name": Misdeed("accepted", "accepted", b"HTTP/1.1 202 A\r\nX Y: z\r\nContent-Length: 0\r\n\r\n"),
    "1xx-flood": Misdeed("transient", "not_http", b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000),
    "1xx-for-ever": Misdeed("transient", "timeout", b"", b"HTTP/1.1 103 Hints\r\n\r\n"),
    "ssh": Misdeed("transient", "not_http", b"SSH-2.0-OpenSSH_9.6\r\n"),
    "html-only": Misdeed("transient", "not_http", b"<html>hello"),
    "hang-up": Misdeed("transient", "connection_lost", b""),
    "half-a-head": Misdeed("transient", "connection_lost", b"HTTP/1.1 202 A\r\nContent-"),
    # Row 29.
    "400-err": Misdeed("rejected", "invalid_key", answer("400 Bad", b'{"err":"invalid_key","description":"x"}')),
    "400-err-null": Misdeed("rejected", "invalid_key", answer("400 Bad", b'{"err":"invalid_key","description":null}')),
    "400-err-bom": Misdeed("rejected", "invalid_key", answer("400 Bad", b'\xef\xbb\xbf{"err":"invalid_key"}')),
    "400-authentication": Misdeed(
        "auth", "authentication_failed", answer("400 Bad", b'{"err":"authentication_failed","description":null}')
    ),
    "400-access": Misdeed("auth", "access_denied", answer("400 Bad", b'{"err":"access_denied"}')),
    "400-html": Misdeed("transient", "bad_request_without_err", answer("400 Bad", b"<html>")),
    "401": Misdeed("auth", "http_401", answer("401 Who")),
    "403": Misdeed("auth", "http_403", answer("403 No")),
    "410": Misdeed("gone", "http_410", answer("410 Gone")),
    # Row 39.
    "hostile-body": Misdeed("transient", "http_500", answer("500 " + "A", HOSTILE)),
    "hostile-err": Misdeed(
        "rejected", "unregistered_err", answer("400 A", b'{"err":"<b>\\u001b[31m","description":"\\u0000\\r\\n<i>"}')
    ),
    "hostile-header": Misdeed("transient", "http_500", b"HTTP/1.1 500 \x1b[31m<b>\r\nX: \x1b[31m\0<b>\xff\r\n\r\n"),
}


class Evil:
    """A server on 127.0.0.1, in a thread of its own; a context manager.

    Attributes:
        counts: how many requests came, by misdeed.
        healed: from now on it does right by everybody; connections are those of before.
        ports: by what listens there: "http" for the misdeeds, the reasons of wrong TLS, "half-open", "black-hole".
    """

    def __init__(self, trusted: Authority, stranger: Authority, away: str) -> None:
        self.counts: Counter[str] = Counter()
        self.healed = False
        self._received: list[dict[str, Any]] = []
        self._away = away.encode()
        self._tls = {
            "tls_expired": trusted.server("127.0.0.1", begins=-3, ends=-2),
            "tls_wrong_host": trusted.server("other.test"),
            "tls_unknown_ca": stranger.server("127.0.0.1"),
            "accepted": trusted.server("127.0.0.1"),
        }
        self.ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._silent: list[socket.socket] = []
        self._taken: set[asyncio.StreamWriter] = set()
        self._old = _OldTls(trusted.server("127.0.0.1"))
        self.ports["tls_protocol"] = self._old.port

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._old.stop()
        for one in self._silent:
            one.close()

    def url(self, misdeed: str) -> str:
        """The tenant URL whose receiver does that."""
        return f"http://127.0.0.1:{self.ports['http']}/{misdeed}"

    def requests(self) -> list[dict[str, Any]]:
        """Everything it was sent, in order."""
        return list(self._received)

    async def _open(self) -> None:
        self._servers = [await self._listen("http", self._serve, None)]
        self._servers += [await self._listen(reason, self._serve, tls) for reason, tls in self._tls.items()]
        self._servers.append(await self._listen("half-open", self._hang, None))
        self._black_hole()

    async def _listen(
        self,
        name: str,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None,
    ) -> asyncio.Server:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self.ports[name] = server.sockets[0].getsockname()[1]
        return server

    def _black_hole(self) -> None:
        """A socket whose queue of connections is full: a SYN gets no answer."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.ports["black-hole"] = listening.getsockname()[1]
        self._silent.append(listening)
        for _ in range(4):
            filling = socket.socket()
            filling.setblocking(False)
            with suppress(BlockingIOError):
                filling.connect(listening.getsockname())
            self._silent.append(filling)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._taken:
            writer.transport.abort()  # closing would wait for those who do not read
        await asyncio.sleep(0)  # what was closed is gone when the loop comes round again

    async def _hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the connection and never read or say anything."""
        self._taken.add(writer)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._taken.add(writer)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            while await self._answer_one(reader, writer):
                pass
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handle one request; whether the connection is kept."""
        misdeed = await self._read_one(reader, "http" if writer.get_extra_info("ssl_object") is None else "https")
        writer.write(misdeed.answer.replace(b"{away}", self._away))
        await writer.drain()
        while misdeed.drip is not None:
            writer.write(misdeed.drip)
            await writer.drain()
            await asyncio.sleep(0.05 if len(misdeed.drip) < 100 else 0)
        if misdeed.then == "hang":
            await asyncio.sleep(3600)
        return misdeed.then == "keep"

    async def _read_one(self, reader: asyncio.StreamReader, scheme: str) -> Misdeed:
        """Read one request and write it down; what is done to it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        token = await reader.readexactly(int(fields["content-length"]))
        path = request.split(" ")[1]
        name = path.split("/")[1]
        self.counts[name] += 1
        misdeed = MISDEEDS["202"] if self.healed else MISDEEDS.get(name, MISDEEDS["202"])
        accepted = misdeed.outcome == "accepted"
        url = f"{scheme}://{fields['host']}{path}"
        self._received.append({"token": token.decode(), "url": url, "accepted": accepted})
        return misdeed


class _OldTls:
    """Speaks TLS 1.1 and nothing newer. In a thread: asyncio hangs up before the alert is sent."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        tls.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with suppress(OSError), self._tls.wrap_socket(connection, server_side=True):
                pass

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
