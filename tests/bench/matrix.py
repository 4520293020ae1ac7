"""What the whole benchmark runs: every scenario, on which engine, with how many workers, how much of it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bench.backlog import backlog
from bench.crowd import crowd
from bench.large_requests import large_requests
from bench.replays import replays
from bench.rule_costs import rule_costs
from riskrelay.bench.scenarios import Measured, Place, ingest, latency, sustained
from riskrelay.bench.sources import sources

BATCH = 1_000

Work = Callable[[Place], Awaitable[list[Measured]]]


class Run(NamedTuple):
    """One run of a scenario.

    Attributes:
        workers: processes that deliver beside the service; 0: the service delivers.
    """

    scenario: str
    engine: str
    workers: int
    work: Work


def runs(scale: float) -> list[Run]:
    """All of them. At scale 1 they take about twenty-five minutes on two cores."""

    def size(count: int, least: int = 1) -> int:
        return max(least, round(count * scale))

    def in_batches(count: int) -> int:
        return max(1, round(count * scale / BATCH)) * BATCH

    seconds = max(0.5, 20 * scale)
    found = [
        Run("ingest", engine, 0, lambda place: ingest(place, in_batches(50_000), size(4_000, 64))) for engine in ENGINES
    ]
    found += [Run("rules", engine, 0, lambda place: rule_costs(place, in_batches(40_000))) for engine in ENGINES]
    found += [Run("sources", engine, 0, lambda place: sources(place, in_batches(50_000))) for engine in ENGINES]
    found += [
        Run("large", engine, 0, lambda place: large_requests(place, size(10_000, 300), max(0.5, 8 * scale)))
        for engine in ENGINES
    ]
    for engine, workers, rates in (
        ("sqlite", 0, (100, 500)),  # at 1,000 requests of one finding pile up
        ("postgresql", 0, (100, 300)),  # beyond what it takes, the service answers 503, and that is no latency
        ("postgresql", 1, (100, 300)),
    ):
        found += [Run("latency", engine, workers, _latency(rate, seconds)) for rate in rates]
    # The target's row twice: from one run to the next this machine gives a tenth more or less.
    for engine, workers in (("sqlite", 0), ("sqlite", 0), *(("postgresql", workers) for workers in (0, 1, 2, 4))):
        found += [
            Run("sustained", engine, workers, _sustained(in_batches(50_000), algorithm))
            for algorithm in ("RS256", "ES256")
        ]
    found += [Run("replays", engine, 0, lambda place: replays(place, in_batches(40_000))) for engine in ENGINES]
    for engine, workers in (("sqlite", 0), ("postgresql", 2)):
        for sick in (False, True, False, True):  # a p99 is a few moments of a run; both take turns in what else happens
            found.append(
                Run("crowd", engine, workers, _crowd(size(100, 2), max(2, 10 * scale), seconds * 1.5, sick=sick))
            )
    for engine, workers in (("sqlite", 0), ("postgresql", 1)):
        found.append(
            Run(
                "backlog",
                engine,
                workers,
                lambda place: backlog(place, size(1_000_000, 20 * BATCH), in_batches(40_000)),
            )
        )
    return found


ENGINES = ("sqlite", "postgresql")
SCENARIOS = ("ingest", "rules", "sources", "large", "latency", "sustained", "replays", "crowd", "backlog")


def _latency(rate: int, seconds: float) -> Work:
    return lambda place: latency(place, rate, seconds)


def _sustained(events: int, algorithm: str) -> Work:
    return lambda place: sustained(place, events, algorithm)


def _crowd(accounts: int, rate: float, seconds: float, *, sick: bool) -> Work:
    return lambda place: crowd(place, accounts, rate, seconds, sick=sick)
