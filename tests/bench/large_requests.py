"""What another account's requests cost beside large requests: logins and findings by the ten thousand."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec

from riskrelay.bench.installation import Installation
from riskrelay.bench.load import Load, Target, finding
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.bench.scenarios import Measured, Place, percentiles_ms

_PHASES = 4  # with and without the load in turns, so that both see the same machine
_REQUESTS = 8  # in each phase
_PER_SECOND = 50  # single findings of the other account
_CITIES = ((52.52, 13.40), (-33.87, 151.21), (40.71, -74.01), (35.68, 139.69))


async def large_requests(place: Place, items: int, seconds: float) -> list[Measured]:
    """Measure single findings of an account while another one sends requests of many items, one after the other.

    Args:
        items: of each large request.
        seconds: of each phase.
    """
    kinds = list(_KINDS.items())
    async with Installation(place.directory, place.database_url, workers=None, accounts=2 * len(kinds)) as installation:
        await installation.start()
        await installation.prepare(BenchReceiver(place.receiver_command))
        await installation.calm()
        targets = list(map(installation.target, installation.accounts))
        return [
            Measured(
                scenario="large",
                engine=installation.engine,
                workers=0,
                variant=name,
                figures=await _figures(installation, targets.pop(), targets.pop(), kind(items), seconds),
            )
            for name, kind in kinds
        ]


async def _figures(
    installation: Installation, sender: Target, other: Target, kind: tuple[str, Iterator[bytes]], seconds: float
) -> dict[str, float]:
    resource, requests = kind
    quiet: list[float] = []
    crowded: list[float] = []
    took: list[float] = []
    async with installation.load() as load, installation.load() as beside:
        names = count()
        await _probe(beside, other, names, seconds / 4)
        for _ in range(_PHASES):
            # Built before, because this process would be as busy as the service.
            prepared = [sender.request(next(requests), "application/x-ndjson", resource) for _ in range(_REQUESTS)]
            quiet += await _probe(beside, other, names, seconds)
            probing = asyncio.create_task(_probe(beside, other, names, seconds))
            while prepared and not probing.done():
                took.append(await load.closed_loop(iter([prepared.pop()]), 1))
            crowded += await probing
    alone, loaded = percentiles_ms(sorted(quiet)), percentiles_ms(sorted(crowded))
    return {
        "alone_p99_ms": alone["p99_ms"],
        "beside_p99_ms": loaded["p99_ms"],
        "of_alone_p99": loaded["p99_ms"] / alone["p99_ms"],
        "of_alone_p50": loaded["p50_ms"] / alone["p50_ms"],
        "request_s": sum(took) / len(took),
    }


async def _probe(load: Load, target: Target, names: Iterator[int], seconds: float) -> list[float]:
    """Send single findings at a steady rate, one at a time, and return how long each takes, in milliseconds."""
    waits: list[float] = []
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        request = target.single(f"other-{next(names)}@bench.example")
        waits.append(await load.closed_loop(iter([request]), 1) * 1_000)
        await asyncio.sleep(max(began + 1 / _PER_SECOND - time.monotonic(), 0))
    return waits


def _findings(items: int) -> tuple[str, Iterator[bytes]]:
    return "findings", (b"\n".join(finding(f"f{batch}-{n}@bench.example") for n in range(items)) for batch in count())


def _logins_of_one(items: int) -> tuple[str, Iterator[bytes]]:
    """Each login is far from the one before, so all are compared in detail."""
    return "activity", (
        _lines(_login(f"one-{batch}@bench.example", n, _CITIES[n % 4]) for n in range(items)) for batch in count()
    )


def _logins_of_many(items: int) -> tuple[str, Iterator[bytes]]:
    """Five logins of each user, all in one place except for one user in ten."""
    users = max(1, items // 5)

    def place(n: int) -> tuple[float, float]:
        return _CITIES[n // users % 4 if n % users % 10 == 0 else 0]

    return "activity", (
        _lines(_login(f"m{n % users}@bench.example", n, place(n)) for n in range(items)) for _ in count()
    )


def _login(email: str, number: int, place: tuple[float, float]) -> dict[str, object]:
    at = datetime.now(UTC) - timedelta(milliseconds=300 * number)
    latitude, longitude = place
    user = {"email": email}
    return {"type": "login", "user": user, "timestamp": at.isoformat(), "latitude": latitude, "longitude": longitude}


def _lines(items: Iterator[dict[str, object]]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, items))


_KINDS = {"findings": _findings, "logins of one user": _logins_of_one, "logins of many users": _logins_of_many}
