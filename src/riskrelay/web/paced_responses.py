"""Send large public documents in pieces, so that many requests for them do not slow down other clients."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from riskrelay.web.client_address import client_network

_PIECE_BYTES = 32 * 1024
_BYTES_PER_SECOND = 4 * 1024 * 1024  # guessed: no delay for a reader, and sending takes some 2 % of a core
_BURST_BYTES = 2 * 1024 * 1024  # guessed: the whole documentation, compressed, many times
_MAX_ADDRESSES = 20_000  # guessed: some 5 MB; an address that is dropped starts again


class Pace:
    """The rate at which documents are sent to each client address, over all its connections.

    Args:
        bytes_per_second: the rate for one address.
        burst_bytes: the bytes without a pause for an address that received nothing recently.
    """

    def __init__(self, bytes_per_second: int = _BYTES_PER_SECOND, burst_bytes: int = _BURST_BYTES) -> None:
        self._rate = bytes_per_second
        self._ahead = burst_bytes / bytes_per_second
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def reserve(self, address: str, size: int, now: float) -> float:
        """Return how many seconds to wait before *size* bytes are sent to *address*.

        Args:
            now: seconds of a clock that only grows.
        """
        begins = max(self._paid_until.get(address, 0.0), now - self._ahead)
        self._paid_until[address] = begins + size / self._rate
        self._paid_until.move_to_end(address)
        if len(self._paid_until) > _MAX_ADDRESSES:
            self._paid_until.popitem(last=False)
        return max(begins - now, 0.0)


_PACE = Pace()  # of the process, like the documents


def paced_response(request: Request, body: bytes, status: int, headers: Mapping[str, str]) -> Response:
    """Answer with *body*; if it is large, in pieces, no faster than the rate of the client's address."""
    if len(body) <= _PIECE_BYTES or request.method == "HEAD":
        return Response(body, status, headers)
    address = client_network(request) or "unknown"
    return StreamingResponse(_pieces(body, address), status, {**headers, "Content-Length": str(len(body))})


async def _pieces(body: bytes, address: str) -> AsyncIterator[memoryview]:
    whole = memoryview(body)
    clock = asyncio.get_running_loop()
    for start in range(0, len(whole), _PIECE_BYTES):
        piece = whole[start : start + _PIECE_BYTES]
        await asyncio.sleep(_PACE.reserve(address, len(piece), clock.time()))
        yield piece
