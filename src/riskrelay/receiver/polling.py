"""A receiver that polls for its SETs, for networks that cannot be reached from outside (RFC 8936)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from riskrelay.receiver.inbox import Inbox, OnEvent
from riskrelay.receiver.transmitter import Transmitter, TransmitterUnavailable, read_body
from riskrelay.receiver.verify import InvalidSet

_TIMEOUT = aiohttp.ClientTimeout(total=120)  # guessed: longer than any transmitter holds a long poll
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_EVENTS = 100  # guessed: the events handed over before the next acknowledgement
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds; guessed


_HEADERS = {"Content-Type": "application/json", "Content-Language": "en"}


class PollRefused(Exception):
    """The transmitter refuses polls permanently. The message names the settings to check."""


@dataclass(slots=True)
class _Verdicts:
    """The results for the next request: acknowledged SETs and invalid SETs."""

    ack: list[str] = field(default_factory=list)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)


Token = str | Callable[[], Awaitable[str]]


async def poll_events(
    *, well_known_url: str, endpoint_url: str, token: Token, audience: str, on_event: OnEvent
) -> None:
    """Poll for SETs without end: verify each SET, hand its event over and acknowledge it.

    Args:
        well_known_url: the transmitter's URL.
        endpoint_url: the stream's `delivery.endpoint_url`.
        token: the bearer token of each poll, or a function that returns the current token.
        audience: the value that `aud` must contain.
        on_event: called once per jti, in the order of the SETs. If it raises InvalidSet, the SET is rejected
            permanently. Any other exception ends the polling; unacknowledged SETs are sent again.

    Raises: PollRefused: 400, 401, 403 or 404; and the errors of *on_event*.
    Rule: RFC 8936 §2.4 (long polling, and acknowledgements with the next request).
    """
    async with aiohttp.ClientSession() as session:
        inbox = Inbox(Transmitter(well_known_url, session, time.monotonic), audience, on_event)
        verdicts, pause = _Verdicts(), _FIRST_PAUSE
        while True:
            current = token if isinstance(token, str) else await token()
            headers = {"Authorization": f"Bearer {current}", **_HEADERS}
            sets = await _poll(session, endpoint_url, headers, verdicts)
            try:
                if sets:
                    verdicts, pause = await _take(inbox, sets), _FIRST_PAUSE
                    continue
                if sets is not None:
                    verdicts, pause = _Verdicts(), _FIRST_PAUSE
            except TransmitterUnavailable:  # no keys: unacknowledged SETs are sent again
                verdicts = _Verdicts()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _take(inbox: Inbox, sets: dict[str, str]) -> _Verdicts:
    verdicts = _Verdicts()
    for jti, token in sets.items():
        try:
            await inbox.take(token.encode())
            verdicts.ack.append(jti)
        except InvalidSet as error:
            verdicts.errors[jti] = {"err": error.err, "description": error.description}
    return verdicts


async def _poll(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], verdicts: _Verdicts
) -> dict[str, str] | None:
    """Send one poll.

    Returns: the SETs by jti; None: the transmitter did not respond, and perhaps did not get *verdicts*.
    """
    request: dict[str, Any] = {"maxEvents": _MAX_EVENTS, "ack": verdicts.ack, "setErrs": verdicts.errors}
    try:
        async with session.post(
            url, data=msgspec.json.encode(request), headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ) as response:
            if response.status in (400, 401, 403, 404):
                raise PollRefused(
                    f"{url} answered {response.status}; check the poll URL and the token of the stream's receiver"
                )
            if response.status != 200:
                return None
            return _sets_of(await read_body(response, _MAX_ANSWER_BYTES))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _sets_of(body: bytes) -> dict[str, str] | None:
    try:
        return msgspec.json.decode(body, type=_PollAnswer).sets
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


class _PollAnswer(msgspec.Struct):
    """Rule: RFC 8936 §2.3. Other members are ignored."""

    sets: dict[str, str]
