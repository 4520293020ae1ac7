"""Large responses that are written to a file first.

The file stays in memory while it is small, so a large response uses disk space and not memory. It is complete before
the first byte is sent. So an error can still be returned as an error document, and a slow client holds no transaction.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from starlette.responses import Response, StreamingResponse

from riskrelay.core.errors import RateLimited
from riskrelay.core.integrations import AccountId

_IN_MEMORY_BYTES = 1 << 20  # guessed: some 5,000 users of a summary; larger answers are on disk
_PIECE_BYTES = 1 << 16
_AT_ONCE_PER_ACCOUNT = 2  # guessed: a client and its retry
_AT_ONCE = 16  # guessed: bounds the disk space for files that slow clients still read
_SEND_SECONDS = 120  # guessed: 100,000 users are 20 MB
_RETRY_SECONDS = 2


class SpooledAnswers:
    """Answers requests with large JSON documents, a bounded number at a time."""

    def __init__(self) -> None:
        self._running: Counter[AccountId] = Counter()

    async def answer(self, account_id: AccountId, write: Callable[[IO[bytes]], Awaitable[None]]) -> Response:
        """Answer with what *write* writes.

        Raises:
            RateLimited: this account, or this process, answers too many such requests now.
            Any error of *write*.
        """
        if self._running[account_id] >= _AT_ONCE_PER_ACCOUNT or self._running.total() >= _AT_ONCE:
            raise RateLimited(_RETRY_SECONDS)
        self._running[account_id] += 1
        file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  closed when it has been sent
        try:
            await write(file)
        except BaseException:
            self._end(account_id, file)
            raise
        size = file.tell()
        file.seek(0)
        if size <= _PIECE_BYTES:  # small: without the machinery of a stream
            body = file.read()
            self._end(account_id, file)
            return Response(body, media_type="application/json")
        headers = {"Content-Length": str(size)}
        return _Spooled(file, lambda: self._end(account_id, file), headers)

    def _end(self, account_id: AccountId, file: IO[bytes]) -> None:
        file.close()
        self._running[account_id] -= 1
        if not self._running[account_id]:
            del self._running[account_id]


class _Spooled(StreamingResponse):
    """A response from a file, which is closed at the end in all cases."""

    def __init__(self, file: IO[bytes], close: Callable[[], None], headers: dict[str, str]) -> None:
        super().__init__(_pieces(file), headers=headers, media_type="application/json")
        self._close = close

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the file, and stop when the client takes too long to read it."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await super().__call__(scope, receive, send)
        finally:
            self._close()


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece
