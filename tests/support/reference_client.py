"""The reference that the push client is compared with: aiohttp, an HTTP client that others wrote."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.push import outcome_of
from riskrelay.push.answer_heads import MAX_HEAD_BYTES, find_head, is_plain
from riskrelay.push.client import HEADERS
from riskrelay.push.exchange import MAX_BODY_BYTES
from riskrelay.push.failures import NotHttp, Progress, outcome_of_failure
from support.services import HandClock

_BODY_SECONDS = 1.0  # the push client, too, waits no longer for a body that cannot change much


async def push_by_aiohttp(endpoint_url: str, token: bytes, deadline: timedelta) -> Outcome:
    """Push one SET over plain http on a connection of its own."""
    timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
    try:
        async with (
            aiohttp.ClientSession(
                connector=_Connector(force_close=True),
                headers=HEADERS,
                timeout=timeout,
                auto_decompress=False,
            ) as session,
            session.post(endpoint_url, data=token, allow_redirects=False) as response,
        ):
            body = await _read_body(response)
            return outcome_of(response.status, response.headers, body, HandClock().now())
    except aiohttp.ClientResponseError:
        return outcome_of_failure(NotHttp(), Progress())
    except aiohttp.ClientConnectionError:
        return outcome_of_failure(ConnectionResetError(), Progress())
    except (NotHttp, TimeoutError) as error:
        return outcome_of_failure(error, Progress())


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return what arrives of the body. A broken one ends where it broke."""
    body = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while len(body) < MAX_BODY_BYTES:
                piece = await response.content.read(MAX_BODY_BYTES - len(body))
                if not piece:
                    break
                body += piece
    return bytes(body)


class _AnswerHandler(ResponseHandler):
    """Feeds a head to the parser when it is complete and in a form that the parser reads, and ends a body where it
    breaks: aiohttp forgets an answer that it has just parsed when bytes of the same segment make no sense, and it lets
    the reader of a broken body wait for ever."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._received: bytearray | None = bytearray()  # of an answer, until its head is complete

    def data_received(self, data: bytes) -> None:
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
        elif len(self._received) > MAX_HEAD_BYTES:
            self._refuse("the head is too long")

    def _feed(self, data: bytes) -> None:
        super().data_received(data)
        if self.exception() is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the body cannot be read"))

    def _refuse(self, words: str) -> None:
        self.set_exception(NotHttp(words))
        self.close()


class _Connector(aiohttp.TCPConnector):
    """A connector of `_AnswerHandler`s. `_factory` is aiohttp's own: the comparison fails if it stops working."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        handler: type[ResponseHandler] = _AnswerHandler
        self._factory = partial(handler, loop=self._loop)
