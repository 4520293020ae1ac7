"""Verify SETs, pushed or polled, and hand each over once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from riskrelay.receiver.transmitter import Transmitter
from riskrelay.receiver.verify import SecurityEventToken, key_id, verify_set

_REMEMBERED = 100_000  # guessed: about 10 MB; a SET that is repeated after this many others is handed over again

Audience = str | asyncio.Future[str]
"""What must be in `aud`; a future when the transmitter has not said it yet: SETs wait for it."""

OnEvent = Callable[[SecurityEventToken], Awaitable[None]]


class Inbox:
    """Verifies SETs and hands each over once.

    Args:
        audience: the value that `aud` must contain.
        on_event: called once per jti, and again for a copy if it raised.
    """

    def __init__(self, transmitter: Transmitter, audience: Audience, on_event: OnEvent) -> None:
        self._transmitter = transmitter
        self._audience = audience
        self._on_event = on_event
        self._seen: OrderedDict[str, asyncio.Future[None]] = OrderedDict()

    async def take(self, token: bytes) -> None:
        """Verify *token* and hand its event over, unless it was handed over before.

        Raises: InvalidSet, TransmitterUnavailable, and the errors of `on_event`.
        """
        kid = key_id(token)
        keys = await self._transmitter.keys(kid)
        metadata = await self._transmitter.metadata()
        audience = self._audience if isinstance(self._audience, str) else await asyncio.shield(self._audience)
        verified = verify_set(token, keys, issuer=metadata.issuer, audience=audience, now=datetime.now(UTC))
        while (handed_over := self._seen.get(verified.jti)) is not None:
            await asyncio.wait([handed_over])
            if not handed_over.cancelled():
                return
        await self._hand_over(verified)

    async def _hand_over(self, verified: SecurityEventToken) -> None:
        """Hand an event over. A copy that arrives meanwhile waits, so that it is not acknowledged too early."""
        handed_over = self._seen[verified.jti] = asyncio.get_running_loop().create_future()
        try:
            await self._on_event(verified)
        except BaseException:
            del self._seen[verified.jti]
            handed_over.cancel()
            raise
        handed_over.set_result(None)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
