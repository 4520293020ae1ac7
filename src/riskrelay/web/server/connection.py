"""One HTTP/1.1 connection: uvicorn's protocol, bounded in time, size and number."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from math import inf
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from riskrelay.web.server.admission import Admission, Peer

# uvicorn logs each malformed request and each exception; the application has logged the latter already.
logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)

Refusal = Callable[[HTTPStatus], bytes]
"""Returns the body, JSON or empty, of a response by the server itself."""

_MORE = {
    HTTPStatus.SERVICE_UNAVAILABLE: ["retry-after: 5"],
}


class _Refused(Exception):
    """Raised inside a parser callback to stop parsing; the status has been noted."""


class BoundedConnection(HttpToolsProtocol):
    """A connection of one client.

    One deadline is enough, because a connection waits for one thing at a time: a first byte, a head, a body, the
    application, or the client's reading. Once a second the server calls `expire` for each connection whose deadline has
    passed, so a request needs no timer.

    Args:
        peer: the admitted address; None: admit the connection when it is made.
    """

    def __init__(
        self, config: Config, state: ServerState, admission: Admission, refusal: Refusal, peer: Peer | None = None
    ) -> None:
        super().__init__(config, state, {})
        self._admission = admission
        self._refusal = refusal
        self._limits = admission.limits
        self._peer = peer
        self.deadline = inf
        self._running: RequestResponseCycle | None = None  # the request that the application works on, or the last one
        self._stalled_bytes: int | None = None  # unread bytes of the response when the client last read some of it
        self._head_bytes = 0
        self._stalled_until = inf
        self._partial_bytes = 0
        self._in_head = False
        self._head_began_here = False  # in the piece of data that is being parsed
        self._in_body = False
        self._ending = False  # no more requests are read; received bytes are dropped
        self._broken = False  # the body of the request in work breaks off
        self._status = HTTPStatus.BAD_REQUEST

    # Callbacks of the transport

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self._peer is None:
            self._peer = self._admission.admit(self.client[0] if self.client else None)
        if self._peer is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            transport.close()
            self._wait(self._limits.discard_seconds)
            return
        self._admission.idle(self, self._peer)
        self._wait(self._limits.first_byte_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is not None:
            self._admission.release(self, self._peer)
            self._peer = None
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._works():
            self._disconnect()
        else:  # the request refers back to this object: free both now, not at the next garbage collection
            self._running = self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._ending or self._broken:
            return
        self._head_began_here, was_in_body = False, self._in_body
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self.cycle is not None:
                self.cycle.keep_alive = False  # no other protocol is offered: the request is answered as it is
        except httptools.HttpParserInvalidMethodError:
            self._fail(HTTPStatus.NOT_IMPLEMENTED)  # RFC 9110 §9.1: a method that the server does not know
            return
        except httptools.HttpParserError:
            self._fail(self._status)
            return
        if self._in_head and not (self._head_began_here and was_in_body):
            self._partial_bytes += len(data)
            if self._partial_bytes > self._limits.head_bytes:
                self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether a response can still be sent: a client that ends in the middle of a body gets one."""
        if not (self._in_body and self._works() and self.transport.can_write_eof()):
            return False
        self._break_off()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_bytes = self.transport.get_write_buffer_size()
        self._stalled_until = self.loop.time() + self._limits.stall_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_bytes = None

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._head_began_here = True
        self._head_bytes = self._partial_bytes = 0
        if not self._works():
            self._wait(self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.target_bytes:
            self._stop_parsing(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field. Trailer fields of a chunked body are counted like the others."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes or len(self.headers) >= self._limits.header_fields:
            self._stop_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            self._stop_parsing(HTTPStatus.SERVICE_UNAVAILABLE)
        self._in_head = False
        self._in_body = True
        super().on_headers_complete()
        # The response is written through this object, so that `close` can wait for the rest of the request.
        self.cycle.transport = self  # type: ignore[assignment]
        if self._peer is not None:
            self._admission.busy(self, self._peer)
        self._wait(self._limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:
            earned = self.deadline + len(body) / self._limits.body_bytes_per_second
            self.deadline = min(earned, self.loop.time() + self._limits.body_seconds)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False
        self.deadline = inf
        if self.cycle.response_complete:
            self._rest()

    # Calls by the current request

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._ending or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            self._wait(self._limits.body_seconds if self._in_body else inf)
        elif self._in_body:
            self._wait(self._limits.discard_seconds)
        else:
            self._rest()

    def write(self, data: bytes) -> None:
        """Send a piece of the response."""
        self.transport.write(data)

    def is_closing(self) -> bool:
        """Return whether the connection is closed or closing."""
        return self._ending or self.transport.is_closing()

    def close(self) -> None:
        """Close the connection after the response; if the request is not there in full, read and drop its rest first.

        A connection that is closed with data unread is reset, and the client may lose the response with it.
        """
        self._ending = True
        self.flow.resume_reading()
        if not self._in_body:
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(self._limits.discard_seconds)

    # Calls by the server and the admission

    def close_idle(self) -> None:
        """Close the connection, which carries no request, at once."""
        if self._peer is not None:  # its place is free now, not when the transport is done
            self._admission.release(self, self._peer)
            self._peer = None
        self._ending = True
        self.transport.abort()

    def shutdown(self) -> None:
        """Close the connection if it carries no request; otherwise after the response."""
        if self._running is not None and self._works():
            self._running.keep_alive = False
        elif self._ending:
            self.transport.abort()
        else:
            self.transport.close()
            self._wait(self._limits.discard_seconds)

    def expire(self, now: float) -> None:
        """End the connection or the request if its deadline has passed. Called once a second.

        Args:
            now: the time of the event loop's clock.
        """
        if self._stalled_bytes is not None and now >= self._stalled_until:
            self._check_reader(now)
        if now < self.deadline:
            return
        if self.is_closing():
            self._abort_unless_read()
        elif self.flow.read_paused:  # the application, not the client, is slow
            self._wait(self._limits.body_seconds)
        elif self._in_head or self._in_body:
            self._fail(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()
            self._wait(self._limits.discard_seconds)

    def _check_reader(self, now: float) -> None:
        """Abort when the client has read less than the slowest rate allows since the last check."""
        unread = self.transport.get_write_buffer_size()
        least = self._limits.body_bytes_per_second * self._limits.stall_seconds
        if self._stalled_bytes is not None and unread > self._stalled_bytes - least:
            self.transport.abort()
        self._stalled_bytes = unread
        self._stalled_until = now + self._limits.stall_seconds

    def _abort_unless_read(self) -> None:
        """Abort a connection that should have ended, unless the client is still reading a long response."""
        if self._stalled_bytes is None:
            self.transport.abort()
        else:
            self._wait(self._limits.discard_seconds)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, self._run)

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the application, and notify it if the body of its request is incomplete."""
        cycle = self._running

        async def receive_or_end() -> Any:
            message = await receive()
            return {"type": "http.disconnect"} if self._broken else message

        try:
            await self.app(scope, receive_or_end if self._in_body else receive, send)
        except Exception:
            if cycle is None or not cycle.response_complete:
                raise
            # Starlette raises an error again after it has logged and answered it, so the connection can still be used.

    def _works(self) -> bool:
        """Return whether the application works on a request."""
        return self._running is not None and not self._running.response_complete

    def _disconnect(self) -> None:
        """Notify the application that the client has disconnected."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _rest(self) -> None:
        if self._peer is not None:
            self._admission.idle(self, self._peer)
        if self._in_head:
            self._wait(self._limits.head_seconds)
            return
        self._wait(self._limits.idle_seconds)
        # An idle connection keeps no data of requests in memory.
        self._running = self.cycle = self.scope = None  # type: ignore[assignment]
        self.url, self.headers = b"", []

    def _wait(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds

    def _stop_parsing(self, status: HTTPStatus) -> None:
        self._status = status
        raise _Refused

    def _fail(self, status: HTTPStatus) -> None:
        """End a request that cannot be read to its end: the application answers if it works on it, else the server."""
        if self._in_body and self._works() and not self.pipeline:
            self._break_off()
        else:
            self._refuse(status)

    def _break_off(self) -> None:
        self._broken = True
        if self._running is not None:
            self._running.keep_alive = False
            self._running.message_event.set()
        self._wait(self._limits.body_seconds)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer *status*, if no response is on its way, and close the connection."""
        responding = self._running is not None and self._works() and self._running.response_started
        if self._works():
            self._disconnect()
        self.pipeline.clear()
        if not responding:
            body = self._refusal(status)
            lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"content-length: {len(body)}", *_MORE.get(status, ())]
            lines += ["content-type: application/json"] if body else []
            self.transport.write("\r\n".join([*lines, "connection: close", "", ""]).encode() + body)
        self._in_body = True  # further bytes of the client are the rest of the body
        self.close()
