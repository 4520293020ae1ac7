"""A replay of delivered events, beside the rate at which the same events were accepted and delivered."""

import time
from datetime import UTC, datetime, timedelta

from riskrelay.bench.installation import Installation
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.bench.scenarios import BATCH, Measured, Place, settled

_PATIENCE_SECONDS = 600


async def replays(place: Place, events: int) -> list[Measured]:
    """Measure events per second from the request for a replay to the last push.

    Args:
        events: the number of events, in whole batches.

    Raises: ProcessFailed: events are missing, or the ledger does not balance.
    """
    async with Installation(place.directory, place.database_url, place.workers, python=place.python) as installation:
        receiver = BenchReceiver(place.receiver_command)
        await receiver.start(installation.processes)
        await installation.start()
        await installation.prepare(receiver)
        await installation.calm()
        began = time.perf_counter()
        await _deliver(installation, receiver, events)
        delivered_seconds = time.perf_counter() - began
        await installation.calm()
        began = time.perf_counter()
        await _replay(installation)
        await receiver.wait_for(2 * events, _PATIENCE_SECONDS)
        replayed_seconds = time.perf_counter() - began
        await settled(installation, events)
        await receiver.stop()
    figures = {"replayed_per_s": events / replayed_seconds, "of_delivery": delivered_seconds / replayed_seconds}
    return [
        Measured(
            scenario="replays",
            engine=installation.engine,
            workers=place.workers,
            variant=f"{events:,} events",
            figures=figures,
        )
    ]


async def _deliver(installation: Installation, receiver: BenchReceiver, events: int) -> None:
    """Accept findings and wait until their events are delivered."""
    emails = [f"replayed-{number}@bench.example" for number in range(events)]
    target = installation.target()
    async with installation.load() as load:
        batches = (target.batch(emails[start : start + BATCH]) for start in range(0, events, BATCH))
        await load.closed_loop(batches, 1)
    await receiver.wait_for(events, _PATIENCE_SECONDS)
    await settled(installation, events)


async def _replay(installation: Installation) -> None:
    """Start a replay of all delivered events."""
    base = f"/accounts/{installation.accounts[0]}/zt_risk_scoring/integrations"
    (integration,) = await installation.call("GET", base)
    since = datetime.now(UTC) - timedelta(days=1)
    body = {"filter": {"state": "delivered", "queued_from": since.isoformat()}, "dry_run": False}
    await installation.call("POST", f"{base}/{integration['id']}/deliveries/replay", body)
