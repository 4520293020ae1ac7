"""Measure this machine: `make bench`. Everything real: the service and the receiver in processes of their own, SQLite
with synchronous=FULL, RS256. The machine's own limits are measured in the same run, and results stand beside them."""

import asyncio
import json
import os
import platform
import re
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvloop

from support.service import Process, Service, free_port

BATCHES = 20
SINGLES = 3_000
RATE = 50
LATENCY_SECONDS = 10


async def main() -> None:
    print(f"machine: {os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}")
    rsa = rsa_signatures()
    print(f"openssl speed rsa2048: {rsa[0]:,.0f} signatures/s on one core, {rsa[1]:,.0f} on two")
    with tempfile.TemporaryDirectory(prefix="riskrelay-bench-") as name:
        print(f"bare SQLite, one row, synchronous=FULL: {commits(Path(name)):,.0f} commits/s")
        await ingest(Path(name))
        await latency(Path(name))
        await throughput(Path(name), rsa[1])


def rsa_signatures() -> tuple[float, float]:
    """RSA-2048 signatures per second by OpenSSL, on one core and on two."""

    def measure(*options: str) -> float:
        command = ["openssl", "speed", "-seconds", "2", *options, "rsa2048"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"^rsa 2048 bits.*?s\s.*?s\s+([\d.]+)", output, re.MULTILINE)
        assert found is not None, output
        return float(found[1])

    return measure(), measure("-multi", "2")


def commits(directory: Path) -> float:
    """Durable commits per second of one row each."""
    connection = sqlite3.connect(directory / "commits.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a)")
    began = time.perf_counter()
    for _ in range(1_000):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("COMMIT")
    taken = time.perf_counter() - began
    connection.close()
    return 1_000 / taken


async def ingest(directory: Path) -> None:
    """Findings accepted per second, every one of which changes a level; nothing is delivered."""
    async with running(directory / "ingest", receiver=False) as (service, session, _):
        began = time.perf_counter()
        for number in range(BATCHES):
            lines = [json.dumps(finding(f"b{number}-{place}@example.com")) for place in range(1_000)]
            await post(session, service, "\n".join(lines).encode(), "application/x-ndjson")
        taken = time.perf_counter() - began
        print(f"findings in batches of 1,000: {BATCHES * 1_000 / taken:,.0f}/s")
        for at_once in (1, 64):
            began = time.perf_counter()
            await asyncio.gather(
                *(singles(session, service, f"s{at_once}-{lane}", SINGLES // at_once) for lane in range(at_once))
            )
            taken = time.perf_counter() - began
            print(f"single findings, {at_once} at once: {SINGLES // at_once * at_once / taken:,.0f}/s")


async def singles(session: aiohttp.ClientSession, service: Service, name: str, count: int) -> None:
    for number in range(count):
        await post(session, service, json.dumps(finding(f"{name}-{number}@example.com")).encode())


async def latency(directory: Path) -> None:
    """From sending a finding to the receipt of its event, at a steady rate."""
    async with running(directory / "latency") as (service, session, sink):
        sent: dict[str, float] = {}
        began = time.perf_counter()
        calls = []
        for number in range(RATE * LATENCY_SECONDS):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            email = f"l{number}@example.com"
            sent[email] = time.time()
            calls.append(asyncio.create_task(post(session, service, json.dumps(finding(email)).encode())))
        await asyncio.gather(*calls)
        await asyncio.sleep(1)
        received = json.loads(await asyncio.to_thread(fetch, f"http://127.0.0.1:{sink}/emails"))
        waits = sorted((received[email] - sent[email]) * 1000 for email in sent)
        p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
        print(f"accept to receipt at {RATE} changes/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(waits)} events)")


async def throughput(directory: Path, rsa: float) -> None:
    """Events accepted, decided, signed, pushed and settled per second, from a backlog."""
    async with running(directory / "throughput") as (service, session, sink):
        total = 20_000
        lines = [json.dumps(finding(f"t{place}@example.com")) for place in range(total)]
        began = time.perf_counter()
        for start in range(0, total, 1_000):
            await post(session, service, "\n".join(lines[start : start + 1_000]).encode(), "application/x-ndjson")
        while int(await asyncio.to_thread(fetch, f"http://127.0.0.1:{sink}/count")) < total:
            await asyncio.sleep(0.02)
        taken = time.perf_counter() - began
        assert service.process is not None
        memory = psutil.Process(service.process.pid).memory_info().rss / 1e6
        print(
            f"accepted, signed RS256, pushed and settled: {total / taken:,.0f} events/s = {total / taken / rsa:.0%} of "
            f"openssl on two cores; the service has {memory:.0f} MB"
        )


@asynccontextmanager
async def running(
    directory: Path, *, receiver: bool = True
) -> AsyncIterator[tuple[Service, aiohttp.ClientSession, int]]:
    """A service with all behaviors on and one integration, and its receiver."""
    directory.mkdir()
    port = free_port()
    sink = Process(["-m", "bench.sink", str(port)], port, {}, directory / "sink.log") if receiver else None
    service = Service(directory)
    service.start()
    await asyncio.to_thread(service.enable_behaviors)
    await asyncio.to_thread(service.create_integration, f"http://127.0.0.1:{port}")
    headers = {"Authorization": f"Bearer {service.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield service, session, port
    service.stop()
    if sink is not None:
        sink.kill()


async def post(
    session: aiohttp.ClientSession, service: Service, body: bytes, content_type: str = "application/json"
) -> None:
    url = f"{service.url}/accounts/acme/zt_risk_scoring/findings"
    async with session.post(url, data=body, headers={"Content-Type": content_type}) as response:
        answer = await response.read()
        assert response.status == 200, answer


def finding(email: str) -> dict[str, Any]:
    return {"behavior": "high_dlp", "user": {"email": email}}


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        body: bytes = response.read()
    return body


if __name__ == "__main__":
    uvloop.run(main())
