"""Whether the service lives, is ready, and what monitoring wants to know."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from riskrelay.core.delivery.survey import Survey
from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.keys import Algorithm, KeyState, key_in
from riskrelay.ports import Outside

_PATIENCE_SECONDS = 2  # chosen: a scrape waits no longer for a survey; scrapers give up after 10


class HealthRoutes:
    """The handlers that monitoring reads. None wants a credential: what they say names no account and no user."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._surveyor = _Surveyor(outside)

    async def live(self, request: Request) -> Response:
        """200 while the process answers."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """200 when the database takes writes and a signing key is there, 503 with the cause otherwise."""
        cause = await self._refusal()
        if cause is not None:
            return PlainTextResponse(f"not ready: {cause}\n", 503)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                keys = await self._outside.store.read_installation(lambda tx: tx.keys.all())
        except Unavailable as error:
            return PlainTextResponse(f"not ready: {error.cause or UnavailableCause.REFUSED}\n", 503)
        except TimeoutError:
            return PlainTextResponse(f"not ready: {UnavailableCause.TOO_SLOW}\n", 503)
        if any(key_in(keys, algorithm, KeyState.CURRENT) is None for algorithm in Algorithm):
            return PlainTextResponse("not ready: there is no signing key; run riskrelay init\n", 503)
        return PlainTextResponse("ready\n")

    async def _refusal(self) -> UnavailableCause | None:
        """Return why the database takes no writes; None when it does."""
        try:
            await self._outside.store.require_writable()
        except Unavailable as error:
            return error.cause or UnavailableCause.REFUSED
        return None

    async def metrics(self, request: Request) -> Response:
        """The metrics in Prometheus' text form; what this process counts is there without the database too."""
        refusal, survey = await asyncio.gather(self._refusal(), self._surveyor.survey())
        metrics = self._outside.metrics
        body = await metrics.exposition(survey, self._outside.store.load(), writable=refusal is None)
        return Response(body, headers={"Content-Type": metrics.content_type})


class _Surveyor:
    """Surveys the installation when somebody asks: one at a time, which answers all who asked before it began."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._last: Survey | None = None
        self._began = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._taking: set[asyncio.Task[None]] = set()

    async def survey(self) -> Survey | None:
        """A survey begun after the call, or if that takes too long the last; None: the database does not answer."""
        taking = asyncio.create_task(self._take(self._outside.clock.monotonic()))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        await asyncio.wait([taking], timeout=_PATIENCE_SECONDS)
        return self._last

    async def _take(self, asked: float) -> None:
        async with self._one_at_a_time:
            if self._began >= asked:
                return
            self._began = self._outside.clock.monotonic()
            try:
                self._last = await self._outside.store.read_installation(lambda tx: tx.survey())
            except Unavailable:
                self._last = None
