"""aiohttp's connections as the push client wants them: each notes how far its push got, and ends at once."""

import asyncio
import ssl
import time
from functools import partial
from typing import Any, Never

import aiohttp
from aiohttp.client_proto import ResponseHandler

from riskrelay.push.answer_heads import MAX_HEAD_BYTES, find_head, is_plain
from riskrelay.push.dialling import progress_of_task
from riskrelay.push.failures import NotHttp

_ODD_BODY_SECONDS = 1.0  # chosen: as long as `push` waits for the body of a 2xx


class AnswerHandler(ResponseHandler):
    """Feeds a head to the parser when it is complete and in a form that the parser reads, ends a body where it breaks,
    and hangs up at once.

    aiohttp forgets an answer that it has just parsed when bytes of the same segment make no sense: then a 202 with a
    broken body would look like no answer at all (design 6). It lets the reader of a broken body wait for ever. And a
    TLS connection that it closes stays open for 30 s when the receiver does not answer our farewell (faults 25).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called when the dial has succeeded, before any TLS handshake."""
        super().__init__(loop=loop)
        self._push = progress_of_task.get()
        self._received: bytearray | None = bytearray()  # of an answer, until its head is complete
        # Through a proxy there is one for the connection to it, then one for the tunnel.
        self._push.has_tunnel = self._push.connected_at is not None
        self._push.connected_at = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the handshake has ended, or at once."""
        super().connection_made(transport)
        if transport.get_extra_info("ssl_object") is not None:
            self._push.secured_at = time.monotonic()

    def set_response_params(self, **options: Any) -> None:
        """Called before each request, in the task of its push."""
        super().set_response_params(**options)
        self._received = bytearray()
        self._push = progress_of_task.get()
        self._push.sent_at, self._push.answered_at = time.monotonic(), None

    def data_received(self, data: bytes) -> None:
        if self._push.answered_at is None:
            self._push.answered_at = time.monotonic()
        if self._received is None:
            self._feed(data)
            return
        self._received += data
        try:
            head = find_head(self._received)
        except ValueError as error:
            self._refuse(str(error))
            return
        if head is not None:
            is_odd = not is_plain(self._received)
            rest, self._received = bytes(self._received[head.end :]), None
            self._feed(head.rewritten() if is_odd else head.text)
            if rest and self.exception() is None:
                self._feed(rest)
            if is_odd:  # where the body ends may not be known
                self._loop.call_later(_ODD_BODY_SECONDS, self.close)
        elif len(self._received) > MAX_HEAD_BYTES:
            self._refuse(f"the head of the answer has more than {MAX_HEAD_BYTES} bytes")

    def _feed(self, data: bytes) -> None:
        super().data_received(data)
        if self.exception() is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the body cannot be read"))

    def _refuse(self, words: str) -> None:
        self.set_exception(NotHttp(words))
        self.close()

    def close(self) -> None:
        self.abort()


class Connector(aiohttp.TCPConnector):
    """A connector of `AnswerHandler`s, which meets the proxy itself as *proxy_tls* says and not as a receiver.

    `_factory`, `_ssl` and the method are aiohttp's own: tests tell when one of them stops working.
    """

    def __init__(self, *, proxy_tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._proxy_tls = proxy_tls
        handler: type[ResponseHandler] = AnswerHandler
        self._factory = partial(handler, loop=self._loop)

    def _update_proxy_auth_header_and_build_proxy_req(self, req: aiohttp.ClientRequest) -> aiohttp.ClientRequest:
        asked = super()._update_proxy_auth_header_and_build_proxy_req(req)
        asked._ssl = self._proxy_tls
        return asked


class Reached(Exception):
    """The receiver is there: a request could be sent now."""


class UnsentRequest(aiohttp.ClientRequest):
    """A request that gets its connection, through the proxy too, and is not sent then.

    Raises: Reached, from `send`.
    """

    async def send(self, conn: object) -> Never:
        raise Reached
