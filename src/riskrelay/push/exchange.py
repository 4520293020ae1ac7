"""An HTTP/1.1 connection that posts SETs one after the other, parsed by httptools (llhttp)."""

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, cast

import httptools

from riskrelay.push.answer_heads import MAX_HEAD_BYTES, find_head, is_plain, retry_after_of
from riskrelay.push.failures import NOT_HTTP, NotHttp

ACCEPTED_BODY_WAIT = timedelta(seconds=1)  # chosen: what keeping the connection is worth once a 2xx is known
MAX_BODY_BYTES = 64 * 1024  # faults 25

_SWITCHING_PROTOCOLS = 101
_GRAIN_SECONDS = 0.001  # of the event loop's timers

# Receivers are of all ages, and sloppy spelling must not hide a 2xx. After a head that is not plain
# the connection is closed, so that nothing can be smuggled into the answer to another push.
_LENIENCIES = {
    "lenient_headers": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}


class Answer(NamedTuple):
    """The parts of a response that matter.

    Attributes:
        retry_after: the header as it was sent.
        body: at most 64 KiB of the body of a response that is not a 2xx. Empty for a 2xx, whose body changes nothing.
    """

    status: int
    retry_after: str | None
    body: bytes


class Connection(asyncio.Protocol):
    """A connection to one receiver, with at most one request at a time.

    A 2xx is returned as soon as its head is complete; its body only decides whether the connection is used again.
    Bytes that belong to no request end the connection.

    Attributes:
        is_finished: whether the response is complete.
        sent_at, answered_at: when the last request was sent and when the first byte of its response arrived, by the
            monotonic clock; None: it did not happen.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_reusable = False
        self.is_closed = False
        self.is_finished = True
        self.idle_since = 0.0
        self.sent_at: float | None = None
        self.answered_at: float | None = None
        self._loop = loop
        self._answered: asyncio.Future[Answer] = loop.create_future()
        self._ends = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._when_finished: Callable[[], object] | None = None
        self._body = bytearray()
        self._received = bytearray()  # of an answer, up to the end of its head
        self._parser = self._new_parser()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def post(self, request: bytes, ends: float) -> asyncio.Future[Answer]:
        """Send *request*.

        Args:
            ends: the end of waiting for the body, by the clock of the event loop; never earlier than that of an earlier
                request.

        Returns: a future of the response, with the body unless it is a 2xx, or of one of these errors:
            TimeoutError: no complete head arrived in time.
            NotHttp: the bytes are no HTTP response, or its head exceeds 64 KiB.
            ConnectionError: the connection ended before the head was complete.
        Raises:
            ConnectionError: the connection has ended already.
        """
        self.sent_at = self.answered_at = None
        if self.is_closed or self._transport is None:
            raise ConnectionResetError("the connection was closed before the request")
        self.is_reusable = self.is_finished = False
        self._status = 0
        self._body.clear()
        self._received.clear()
        self._body_bytes = 0
        self._refusal: httptools.HttpParserError | None = None
        self._answered = self._loop.create_future()
        self._ends = ends
        if self._timer is None:
            self._timer = self._loop.call_at(ends, self._look_at_the_clock)
        self._transport.write(request)
        self.sent_at = time.monotonic()
        return self._answered

    def when_finished(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back when the response is complete or the connection has ended, after *seconds* at the latest."""
        timer = self._loop.call_later(seconds, self.close)

        def finished() -> None:
            timer.cancel()
            callback()

        self._when_finished = finished

    def close(self) -> None:
        """End the connection at once, without a closing handshake."""
        self.is_closed = True
        self.is_reusable = False
        if self._transport is not None:  # behind a proxy, data can arrive before the transport is set
            self._transport.abort()

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        if self.is_finished:
            self.close()  # nothing was asked
            return
        if not self._status:
            if self.answered_at is None:
                self.answered_at = time.monotonic()
            self._received += data
        if self._refusal is None or self._status:
            self._feed(data)
        else:
            self._read_odd_head(self._refusal)
        if not self._status and len(self._received) > MAX_HEAD_BYTES:
            self._end(NotHttp(f"the head of the answer has more than {MAX_HEAD_BYTES} bytes"))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self.is_reusable = False
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(error, ssl.SSLError):
            self._end(error)  # an alert says why
            return
        self._end(ConnectionResetError(f"the connection ended before the answer{f': {error}' if error else ''}"))

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.is_finished:
            self.is_reusable = False  # a response without a request

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:
            return
        if self.is_finished:
            return
        self._status = status
        if 200 <= status < 300:
            self._tell()

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)
        if not self._answered.done():
            self._body += piece[: MAX_BODY_BYTES - len(self._body)]
        if self._body_bytes > MAX_BODY_BYTES:
            self._end(None)

    def on_message_complete(self) -> None:
        if self._status and not self.is_finished:
            can_follow = self._refusal is None and self._parser.should_keep_alive() and is_plain(self._received)
            self.is_reusable = can_follow and not self.is_closed
            self._tell()
            self._finish()

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        parser.set_dangerous_leniencies(**_LENIENCIES)
        return parser

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end(None)
        except httptools.HttpParserError as error:
            if self._status:
                self._end(None)
            elif self._refusal is None:
                self._read_odd_head(error)
            else:
                self._end(NotHttp(NOT_HTTP))

    def _read_odd_head(self, refusal: httptools.HttpParserError) -> None:
        """Let the status line decide when the parser refuses the rest of the head. The connection is not used again.

        It is called with each piece of the head until it is complete.
        """
        self._refusal = refusal
        try:
            head = find_head(self._received)
        except ValueError:
            self._end(NotHttp(NOT_HTTP))
            return
        if head is not None:
            self._parser = self._new_parser()
            self._feed(head.rewritten() + self._received[head.end :])
            if not self.is_finished:  # where the body ends may not be known
                self._loop.call_later(ACCEPTED_BODY_WAIT.total_seconds(), self._end, None)

    def _look_at_the_clock(self) -> None:
        """Handle the timer that consecutive requests share. When it fires, its request has usually ended long ago."""
        self._timer = None
        if self.is_finished:
            return
        if self._ends - self._loop.time() > _GRAIN_SECONDS:
            self._timer = self._loop.call_at(self._ends, self._look_at_the_clock)
        else:
            self._end(TimeoutError())

    def _end(self, cause: Exception | None) -> None:
        """Stop reading the response. What has arrived counts if the head is complete."""
        if self.is_finished:
            return
        if self._status:
            self._tell()
        elif not self._answered.done():
            self._answered.set_exception(cause or ConnectionResetError("the connection was given up"))
        self._finish()
        self.close()

    def _tell(self) -> None:
        if self._answered.done():
            return
        is_accepted = 200 <= self._status < 300
        retry_after = None if is_accepted else retry_after_of(self._received)
        self._answered.set_result(Answer(self._status, retry_after, bytes(self._body)))

    def _finish(self) -> None:
        self.is_finished = True
        if self._when_finished is not None:  # later: what was received with the end is still being read
            self._loop.call_soon(self._when_finished)
            self._when_finished = None
