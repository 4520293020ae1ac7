"""Read bodies of any content type, which may be compressed."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from riskrelay.actions.giving_way import in_steps, stepwise
from riskrelay.core.errors import BodyTooLarge, Fault, FaultKind, Invalid, UnsupportedMediaType
from riskrelay.core.sources.compression import (
    CODINGS,
    CompressedBodyError,
    UnpackedTooLargeError,
    coding_of,
    most_unpacked,
    unpack,
)
from riskrelay.core.sources.content import Event, TooMuchContentError, decode_events
from riskrelay.web.account_api.bodies import MAX_BATCH_BYTES, read_body
from riskrelay.web.work import SMALL_BODY_BYTES, hold_body

_INLINE_BYTES = 64 * 1024  # read on the event loop: well below a millisecond

T = TypeVar("T")


async def read_events(request: Request, check: Callable[[bytes], None] | None = None) -> list[Event]:
    """Read the events of a request, in any supported form.

    Args:
        check: called first, with the body as it was sent.

    Raises: as `read_unpacked`; BodyTooLarge: it has too many events or values.
    """
    body = await read_unpacked(request, MAX_BATCH_BYTES, check)
    try:
        return await _apart(len(body), lambda: decode_events(body, in_steps))
    except TooMuchContentError as error:
        raise BodyTooLarge(MAX_BATCH_BYTES, str(error)) from None


async def read_unpacked(request: Request, max_bytes: int, check: Callable[[bytes], None] | None = None) -> bytes:
    """Read the whole body, and decompress it if its first bytes or `Content-Encoding` show that it is compressed.

    Args:
        max_bytes: the limit for the body as sent, and decompressed.

    Raises: BodyTooLarge; UnsupportedMediaType: an unknown coding; Invalid: the body is damaged or incomplete;
        Unavailable: no memory is free for it now.
    """
    named = request.headers.get("content-encoding", "").strip().lower()
    if named not in CODINGS:
        raise UnsupportedMediaType
    body = await read_body(request, max_bytes)
    if check is not None:
        check(body)
    coding = coding_of(body, named)
    if not coding:
        return body
    most = most_unpacked(len(body), max_bytes)
    if most > SMALL_BODY_BYTES:
        await hold_body(most)
    try:
        return await _apart(most, lambda: unpack(body, coding, max_bytes))
    except CompressedBodyError as error:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", f"the body {error}")]) from None
    except UnpackedTooLargeError as error:
        raise BodyTooLarge(error.max_bytes, str(error).removeprefix("at most ")) from None


async def _apart(size: int, work: Callable[[], T]) -> T:
    """Run *work* beside the event loop when there is much of it."""
    return work() if size <= _INLINE_BYTES else await asyncio.to_thread(stepwise(work))
