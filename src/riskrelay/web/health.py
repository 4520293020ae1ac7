"""Liveness, readiness and metrics of the service."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from riskrelay.core.delivery.survey import Survey
from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.keys import Algorithm, KeyState, key_in
from riskrelay.ports import Services

_PATIENCE_SECONDS = 2  # chosen: a scrape waits no longer for a survey; scrapers give up after 10


class HealthRoutes:
    """The handlers for monitoring. They need no credentials, because their responses name no account and no user."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._surveyor = _Surveyor(services)

    async def live(self, request: Request) -> Response:
        """200 while the process answers."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """Return 200 if the database accepts writes and a signing key exists, otherwise 503 with the cause."""
        cause = await self._refusal()
        if cause is not None:
            return PlainTextResponse(f"not ready: {cause}\n", 503)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                keys = await self._services.store.read_installation(lambda tx: tx.keys.all())
        except Unavailable as error:
            return PlainTextResponse(f"not ready: {error.cause or UnavailableCause.REFUSED}\n", 503)
        except TimeoutError:
            return PlainTextResponse(f"not ready: {UnavailableCause.TOO_SLOW}\n", 503)
        if any(key_in(keys, algorithm, KeyState.CURRENT) is None for algorithm in Algorithm):
            return PlainTextResponse("not ready: there is no signing key; run riskrelay init\n", 503)
        return PlainTextResponse("ready\n")

    async def _refusal(self) -> UnavailableCause | None:
        """Return why the database accepts no writes; None if it accepts them."""
        try:
            await self._services.store.require_writable()
        except Unavailable as error:
            return error.cause or UnavailableCause.REFUSED
        return None

    async def metrics(self, request: Request) -> Response:
        """Return the metrics in Prometheus' text format.

        Without the database, they have this process's counters only.
        """
        refusal, survey = await asyncio.gather(self._refusal(), self._surveyor.survey())
        metrics = self._services.metrics
        body = await metrics.exposition(survey, self._services.store.load(), writable=refusal is None)
        return Response(body, headers={"Content-Type": metrics.content_type})


class _Surveyor:
    """Surveys the installation on request.

    One survey runs at a time, and answers all requests from before its start.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._last: Survey | None = None
        self._began = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._taking: set[asyncio.Task[None]] = set()

    async def survey(self) -> Survey | None:
        """Return a survey that began after the call, or the last one if this takes too long; None: no database."""
        taking = asyncio.create_task(self._take(self._services.clock.monotonic()))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        await asyncio.wait([taking], timeout=_PATIENCE_SECONDS)
        return self._last

    async def _take(self, asked: float) -> None:
        async with self._one_at_a_time:
            if self._began >= asked:
                return
            self._began = self._services.clock.monotonic()
            try:
                self._last = await self._services.store.read_installation(lambda tx: tx.survey())
            except Unavailable:
                self._last = None
