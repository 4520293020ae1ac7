"""The measured scenarios, each on its own installation, with real processes, sockets, disks and signatures."""

import asyncio
import math
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from riskrelay.bench.installation import Installation
from riskrelay.bench.processes import ProcessFailed
from riskrelay.bench.receiver import Arrival, BenchReceiver

BATCH = 1_000
_PATIENCE_SECONDS = 600  # a slow machine is measured too


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a scenario runs.

    Attributes:
        database_url: an empty PostgreSQL database; None: a SQLite file in *directory*.
        workers: processes that deliver; 0: the service itself.
        receiver_command: from `receiver_command`.
        python: the interpreter whose `riskrelay` is measured.
    """

    directory: Path
    database_url: str | None
    workers: int
    receiver_command: list[str]
    python: str = sys.executable


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result of one run of a scenario.

    Attributes:
        variant: the variant besides engine and workers, such as the algorithm or the rate.
        figures: the figures by name. Each name ends with the unit.
    """

    scenario: str
    engine: str
    workers: int
    variant: str
    figures: dict[str, float] = field(default_factory=dict)


async def ingest(place: Place, findings: int, singles: int) -> list[Measured]:
    """Measure accepted findings per second. Each finding changes a level and queues an event; no event is delivered.

    Args:
        findings: the number of findings in batches of 1,000.
        singles: the number of single findings, for each number of clients.
    """
    measured: list[Measured] = []
    async with Installation(place.directory, place.database_url, None, python=place.python) as installation:
        await installation.start()
        await installation.prepare(BenchReceiver(place.receiver_command))
        await installation.calm()
        target = installation.target()
        async with installation.load() as load:
            batches = [target.batch(_emails(f"b{start}", BATCH)) for start in range(0, findings, BATCH)]
            usage = _Usage(installation)
            taken = await load.closed_loop(iter(batches), 1)
            figures = {"findings_per_s": len(batches) * BATCH / taken, **usage.per_event(len(batches) * BATCH)}
            measured.append(
                Measured(
                    scenario="ingest",
                    engine=installation.engine,
                    workers=0,
                    variant="batches of 1,000",
                    figures=figures,
                )
            )
            for clients in (1, 64):
                requests = [target.single(email) for email in _emails(f"s{clients}", singles)]
                usage = _Usage(installation)
                taken = await load.closed_loop(iter(requests), clients)
                figures = {"findings_per_s": singles / taken, **usage.per_event(singles)}
                variant = f"single, {clients} client{'s' if clients > 1 else ''}"
                measured.append(
                    Measured(scenario="ingest", engine=installation.engine, workers=0, variant=variant, figures=figures)
                )
    return measured


async def latency(place: Place, per_second: int, seconds: float) -> list[Measured]:
    """Measure the time from the scheduled sending of a finding to the receipt of its event, at a constant rate.

    Raises: ProcessFailed: an event did not arrive.
    """
    async with Installation(place.directory, place.database_url, place.workers, python=place.python) as installation:
        receiver = BenchReceiver(place.receiver_command, keep=True)
        await receiver.start(installation.processes)
        await installation.start()
        await installation.prepare(receiver)
        await installation.calm()
        async with installation.load() as load:
            warming = _emails("warm", per_second)
            await load.open_loop(map(installation.target().single, warming), per_second)
            await receiver.wait_for(len(warming), _PATIENCE_SECONDS)
            await receiver.arrivals()
            emails = _emails("l", max(1, round(per_second * seconds)))
            usage = _Usage(installation)
            moments = await load.open_loop(map(installation.target().single, emails), per_second)
            await receiver.wait_for(len(warming) + len(emails), _PATIENCE_SECONDS)
        figures = {**percentiles_ms(waits_ms(emails, moments, await receiver.arrivals())), **usage.share()}
        await receiver.stop()
    return [
        Measured(
            scenario="latency",
            engine=installation.engine,
            workers=place.workers,
            variant=f"{per_second} changes/s",
            figures=figures,
        )
    ]


async def sustained(place: Place, events: int, algorithm: str) -> list[Measured]:
    """Measure events per second from the acceptance of findings to the settlement of pushes, all running concurrently.

    Args:
        events: the number of events, rounded up to whole batches. With several workers, there are two accounts per
            worker, because a lane has one owner at a time.

    Raises: ProcessFailed: events are missing, or the ledger does not balance.
    """
    accounts = place.workers * 2 if place.workers > 1 else 1
    async with Installation(
        place.directory, place.database_url, place.workers, accounts, python=place.python
    ) as installation:
        receiver = BenchReceiver(place.receiver_command)
        await receiver.start(installation.processes)
        await installation.start()
        await installation.prepare(receiver, algorithm)
        await installation.calm()
        targets = cycle(map(installation.target, installation.accounts))
        batches = [next(targets).batch(_emails(f"t{start}", BATCH)) for start in range(0, events, BATCH)]
        total = len(batches) * BATCH
        usage = _Usage(installation)
        began = time.perf_counter()
        async with installation.load() as load:
            await load.closed_loop(iter(batches), 1)
        await receiver.wait_for(total, _PATIENCE_SECONDS)
        await settled(installation, total)
        figures = {"events_per_s": total / (time.perf_counter() - began), **usage.per_event(total)}
        figures["memory_mb"] = installation.memory_mb()
        await receiver.stop()
    return [
        Measured(
            scenario="sustained", engine=installation.engine, workers=place.workers, variant=algorithm, figures=figures
        )
    ]


async def settled(installation: Installation, total: int) -> None:
    """Wait until *total* events are delivered and settled.

    Raises: ProcessFailed: not in time.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (delivered := await installation.delivered()) < total:
        if time.monotonic() > deadline:
            raise ProcessFailed(f"only {delivered} of {total} events are settled")
        await asyncio.sleep(0.01)


def waits_ms(emails: Sequence[str], moments: Sequence[int], arrivals: Sequence[Arrival]) -> list[float]:
    """Return the latency of each finding's event to its first receipt, in milliseconds, sorted.

    Raises: ProcessFailed: an event did not arrive.
    """
    first: dict[str, int] = {}
    for arrival in arrivals:
        first.setdefault(arrival.claims["sub_id"]["email"], arrival.at)
    missing = [email for email in emails if email not in first]
    if missing:
        raise ProcessFailed(f"{len(missing)} events did not arrive, {missing[0]} among them")
    return sorted((first[email] - moment) / 1e6 for email, moment in zip(emails, moments, strict=True))


def percentiles_ms(ordered: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th and the 99.9th percentile, and the maximum, of sorted milliseconds."""

    def of(share: float) -> float:
        return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]

    return {"p50_ms": of(0.5), "p99_ms": of(0.99), "p99_9_ms": of(0.999), "max_ms": ordered[-1]}


def _emails(name: str, count: int) -> list[str]:
    return [f"{name}-{number}@bench.example" for number in range(count)]


class _Usage:
    """The CPU time from now on, of the installation's processes and of this process, which sends the findings."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._began = time.perf_counter()
        self._service, self._client = installation.cpu_seconds(), _own_cpu_seconds()

    def per_event(self, events: int) -> dict[str, float]:
        """Return the microseconds of CPU for each of *events*."""
        service, client = self._used()
        return {"service_cpu_us": service / events * 1e6, "client_cpu_us": client / events * 1e6}

    def share(self) -> dict[str, float]:
        """Return the usage in shares of one core."""
        taken = time.perf_counter() - self._began
        service, client = self._used()
        return {"service_cores": service / taken, "client_cores": client / taken}

    def _used(self) -> tuple[float, float]:
        return self._installation.cpu_seconds() - self._service, _own_cpu_seconds() - self._client


def _own_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
