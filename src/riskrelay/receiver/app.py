"""A receiver as an ASGI application (RFC 8935 §2)."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riskrelay.receiver.inbox import Audience, Inbox, OnEvent
from riskrelay.receiver.transmitter import Transmitter, TransmitterUnavailable
from riskrelay.receiver.verify import MAX_SET_BYTES, InvalidSet

PATH = "/security/api/v1/security-events"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """The simulated failures of a receiver.

    Attributes:
        status: the status of all responses, without reading the request; None: no failure.
        delay: the delay of each response.
    """

    status: int | None
    delay: timedelta


def receiver_app(
    *,
    well_known_url: str,
    audience: Audience,
    on_event: OnEvent,
    path: str = PATH,
    authorization: str | None = None,
    misbehaviour: Misbehaviour | None = None,
    on_stray: Callable[[str, str], object] = lambda method, path: None,
) -> Starlette:
    """Build a receiver that verifies each SET and calls `on_event` before it acknowledges the SET.

    Args:
        well_known_url: the transmitter's URL, fetched when the first SET arrives.
        audience: the value that `aud` must contain.
        on_event: called once per jti. If it raises, the response is 500 and the transmitter sends the SET again.
            If it raises InvalidSet, the SET is rejected permanently.
        path: the path for SETs. Other paths get a 404 that names it.
        on_stray: called with method and path of a request to another path, or with another method.
        authorization: the only value of the Authorization header to accept; None: any.

    Returns: an application with one route; run it on any ASGI server.
    Rule: RFC 8935 §2.2 to 2.4.
    """
    inbox: list[Inbox] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            transmitter = Transmitter(well_known_url, session, time.monotonic)
            inbox.append(Inbox(transmitter, audience, on_event))
            yield
            inbox.clear()

    async def receive(request: Request) -> Response:
        if misbehaviour is not None:
            await asyncio.sleep(misbehaviour.delay.total_seconds())
            if misbehaviour.status is not None:
                return Response(status_code=misbehaviour.status)
        try:
            _check_authorization(request, authorization)
            await inbox[0].take(await _read_set(request))
        except InvalidSet as error:
            return _refusal(error)
        except TransmitterUnavailable as error:
            return Response(str(error), 503, {"Retry-After": "5"}, media_type="text/plain")
        return Response(status_code=202)

    async def stray(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  only registered for this class
        on_stray(request.method, request.url.path)
        text = f"SETs are received by POST {path} and nowhere else\n"
        return Response(text, error.status_code, error.headers, media_type="text/plain")

    handlers: dict[Any, Any] = {404: stray, 405: stray}
    return Starlette(routes=[Route(path, receive, methods=["POST"])], lifespan=lifespan, exception_handlers=handlers)


def _check_authorization(request: Request, expected: str | None) -> None:
    given = request.headers.get("authorization", "")
    if expected is not None and not hmac.compare_digest(given.encode(), expected.encode()):
        raise InvalidSet("authentication_failed", "the Authorization header is missing or wrong")


async def _read_set(request: Request) -> bytes:
    """Return the body, which must have the media type of SETs.

    Rule: RFC 8935 §2.1.
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named != "application/secevent+jwt":
        raise InvalidSet("invalid_request", "the Content-Type must be application/secevent+jwt")
    body = bytearray()  # += on bytes copies all of it for each chunk, and a chunk may have one byte
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_SET_BYTES:
            raise InvalidSet("invalid_request", f"a SET may have at most {MAX_SET_BYTES} bytes")
    return bytes(body.strip())


def _refusal(error: InvalidSet) -> Response:
    """Return the response to an invalid SET. Rule: RFC 8935 §2.3."""
    body = json.dumps({"err": error.err, "description": error.description})
    return Response(body, 400, {"Content-Language": "en"}, media_type="application/json")
