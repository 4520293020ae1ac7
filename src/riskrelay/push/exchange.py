"""One HTTP/1.1 connection on which SETs are posted one after the other, parsed by httptools (llhttp)."""

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
    """What of a receiver's answer matters.

    Attributes:
        retry_after: the header, as it was sent.
        body: of an answer that is no 2xx: what came of it, at most 64 KiB. Empty for a 2xx, which it could not change.
    """

    status: int
    retry_after: str | None
    body: bytes


class Connection(asyncio.Protocol):
    """A connection to one receiver. At most one request is under way.

    The answer counts from the end of its head on: a 2xx is told at once, and its body only decides whether the
    connection can be used again. Whatever else comes that was not asked for ends the connection.

    Attributes:
        is_finished: nothing of an answer is still to come.
        sent_at, answered_at: when the last request was sent and the first byte of its answer came, by the monotonic
            clock; None: it was not, or nothing came.
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
            ends: when, by the loop's clock, what came of the body is all of it; not before that of an earlier request.

        Returns: what will be the head of the answer, and its body too unless it is a 2xx; or one of
            TimeoutError: there was no whole head in time.
            NotHttp: what came is no HTTP answer, or its head has more than 64 KiB.
            ConnectionError: the connection ended before the head did.
        Raises:
            ConnectionError: it has ended already.
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
        """Call back when the whole answer is there or the connection has ended, which it does after so many seconds."""
        timer = self._loop.call_later(seconds, self.close)

        def finished() -> None:
            timer.cancel()
            callback()

        self._when_finished = finished

    def close(self) -> None:
        """End the connection at once, without a farewell that the receiver would have to answer."""
        self.is_closed = True
        self.is_reusable = False
        if self._transport is not None:  # behind a proxy a receiver can speak before the transport is here
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
            self.is_reusable = False  # a second answer that nobody asked for

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
        """Let the status line decide when the parser refuses what stands behind it. The connection is not used again.

        Until the head is complete, each piece of it comes here.
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
        """One timer serves one request after the other: when it is over, it mostly was one of long ago."""
        self._timer = None
        if self.is_finished:
            return
        if self._ends - self._loop.time() > _GRAIN_SECONDS:
            self._timer = self._loop.call_at(self._ends, self._look_at_the_clock)
        else:
            self._end(TimeoutError())

    def _end(self, cause: Exception | None) -> None:
        """Nothing more of this answer will be read: what came of it counts if its head was complete."""
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
