"""How many events a source takes, beside findings in batches of the same size."""

import asyncio
import gzip
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count, takewhile
from urllib.parse import urlsplit

from riskrelay.bench.installation import Installation
from riskrelay.bench.load import Load, Target
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.bench.scenarios import BATCH, Measured, Place, percentiles_ms

_SENDERS = 2  # while the events of one are recorded, those of the other are mapped
_PROBES = 200  # single findings of another account before the load; of fewer, the 99th percentile is the slowest one
_PROBES_PER_SECOND = 50  # also during the load


async def sources(place: Place, events: int) -> list[Measured]:
    """Measure the events per second of a source, in batches of 1,000 with gzip. Each becomes a finding of a new user.

    Two senders send concurrently. It also measures findings in batches, the growth of memory from the first half of the
    batches to the second, and the latency of single findings of another account before and during the load.

    Args:
        events: the number of events, rounded up to whole batches. As many findings are sent, too.
    """
    async with Installation(place.directory, place.database_url, workers=None, accounts=2) as installation:
        await installation.start()
        await installation.prepare(BenchReceiver(place.receiver_command))
        first, other = map(installation.target, installation.accounts)
        base = f"/accounts/{first.account_id}/zt_risk_scoring/sources"
        made = await installation.call("POST", base, {"kind": "cloudflare_logpush", "name": "bench"})
        path, secret = f"{base}/{made['id']}/events", made["credential"]["secret"]
        await installation.calm()
        async with installation.load() as load, installation.load() as beside:
            starts = range(0, events, BATCH)
            packed = [_request(first, path, secret, [f"e{at + n}" for n in range(BATCH)]) for at in starts]
            batches = [first.batch(f"f{at + n}@bench.example" for n in range(BATCH)) for at in starts]
            await load.closed_loop(iter([_request(first, path, secret, ["warm"])]), 1)
            alone = await _probe(beside, other, (f"alone-{number}" for number in range(_PROBES)))
            # Both loads give way to the same probes.
            is_over, probing = _probing(beside, other, "findings")
            findings = len(batches) * BATCH / await load.closed_loop(iter(batches), _SENDERS)
            is_over.set()
            await probing
            half = len(packed) // 2 or 1
            is_over, probing = _probing(beside, other, "events")
            began = time.perf_counter()
            await load.closed_loop(iter(packed[:half]), _SENDERS)
            memory = installation.memory_mb()
            await load.closed_loop(iter(packed[half:]), _SENDERS)
            taken = time.perf_counter() - began
            growth = installation.memory_mb() - memory
            is_over.set()
            loaded = await probing
    rate = len(packed) * BATCH / taken
    figures = {
        "source_events_per_s": rate,
        "findings_per_s": findings,
        "of_findings": rate / findings,
        "memory_growth_mb": growth,
        "alone_p99_ms": alone["p99_ms"],
        "beside_p99_ms": loaded["p99_ms"],
    }
    return [
        Measured(
            scenario="sources",
            engine=installation.engine,
            workers=0,
            variant="batches of 1,000 with gzip",
            figures=figures,
        )
    ]


def _request(target: Target, path: str, secret: str, names: list[str]) -> bytes:
    """Return an HTTP request with one batch in Cloudflare's form: compressed lines."""
    now = datetime.now(UTC).isoformat()
    lines = (
        {
            "Datetime": now,
            "Email": f"{name}@bench.example",
            "QueryName": f"{name}.example.net",
            "QueryTypeName": "A",
            "ResolverDecision": "blockedByCategory",
            "MatchedCategoryIDs": [80],
            "MatchedCategoryNames": ["Command and Control & Botnet"],
            "DeviceName": f"laptop-{name}",
            "SrcIP": "198.51.100.7",
            "Location": "Office",
        }
        for name in names
    )
    body = gzip.compress("\n".join(map(json.dumps, lines)).encode(), compresslevel=1)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(target.service_url).netloc}\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _probing(load: Load, target: Target, name: str) -> tuple[asyncio.Event, asyncio.Task[dict[str, float]]]:
    """Start to probe. Return the event that ends it, and the result."""
    is_over = asyncio.Event()
    names = takewhile(lambda _: not is_over.is_set(), (f"{name}-{number}" for number in count()))
    return is_over, asyncio.create_task(_probe(load, target, names))


async def _probe(load: Load, target: Target, names: Iterable[str]) -> dict[str, float]:
    """Send a finding about each user of *names* at a steady rate, one at a time, and return how long they take."""
    waits: list[float] = []
    for name in names:
        began = time.monotonic()
        waits.append(await load.closed_loop(iter([target.single(f"{name}@bench.example")]), 1) * 1_000)
        await asyncio.sleep(max(began + 1 / _PROBES_PER_SECOND - time.monotonic(), 0))
    return percentiles_ms(sorted(waits))
