"""Looking whether others can be reached. No request is ever sent to a receiver."""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.push.aiohttp_client import HttpPusher
from riskrelay.push.client import DirectPusher

_AT_ONCE = 32  # guessed: as many as one lane pushes
_SECONDS = 5.0  # chosen: as long as a push may take to connect


class NetworkProbe:
    """Implements ports.Probe.

    Args:
        open_pusher: makes a client as deliveries use it, so that a receiver is reached on the way that a push takes.
    """

    def __init__(self, open_pusher: Callable[[], DirectPusher | HttpPusher]) -> None:
        self._open_pusher = open_pusher

    async def reach(self, targets: Sequence[tuple[str, OpenedTls | None]]) -> list[str | None]:
        slots = asyncio.Semaphore(_AT_ONCE)
        async with self._open_pusher() as pusher:

            async def reached(url: str, tls: OpenedTls | None) -> Outcome | None:
                async with slots:
                    return await pusher.reach(url, tls)

            outcomes = await asyncio.gather(*(reached(url, tls) for url, tls in targets))
        return [None if outcome is None else _words(outcome) for outcome in outcomes]

    async def fetch(self, url: str) -> bytes | str:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                body = await response.read()
                return body if response.status == 200 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return str(error) or type(error).__name__


def _words(outcome: Outcome) -> str:
    return f"{outcome.reason} ({outcome.detail.rstrip('.')})"
