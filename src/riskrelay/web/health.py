"""Whether the service lives, is ready, and what its ledger says."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from riskrelay.errors import Unavailable
from riskrelay.keys import Algorithm, KeyState, key_in
from riskrelay.ports import Outside


class HealthRoutes:
    """The handlers that monitoring reads."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def live(self, request: Request) -> Response:
        """200 while the process answers."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """200 when the database answers and a signing key is there, 503 otherwise."""
        try:
            keys = await self._outside.store.read_installation(lambda tx: tx.keys.all())
        except Unavailable:
            return PlainTextResponse("the database does not answer\n", 503)
        if any(key_in(keys, algorithm, KeyState.CURRENT) is None for algorithm in Algorithm):
            return PlainTextResponse("no signing key: riskrelay init\n", 503)
        return PlainTextResponse("ready\n")

    async def metrics(self, request: Request) -> Response:
        """The metrics in Prometheus' text form, the ledger counted now."""
        ledgers = await self._outside.store.read_installation(lambda tx: tx.ledgers())
        metrics = self._outside.metrics
        return Response(metrics.exposition(ledgers), headers={"Content-Type": metrics.content_type})
