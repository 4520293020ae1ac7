"""The benchmark's receivers, in C and in Python: both are the same to whoever pushes to them."""

import asyncio
import json
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from riskrelay.bench.processes import Processes, ProcessFailed
from riskrelay.bench.receiver import Arrival, BenchReceiver, receiver_command
from support.programs import needed

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
PLAIN = [sys.executable, "-m", "riskrelay.bench.plain_receiver"]


def push(body: bytes) -> bytes:
    return b"POST /events HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def exchange(port: int, request: bytes, answers: int) -> bytes:
    """What comes back on one connection until *answers* pushes are answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.readexactly(len(ACCEPTED) * answers)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture(params=["C", "Python"])
async def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BenchReceiver]:
    """A receiver that remembers what came."""
    command = await receiver_command(tmp_path) if request.param == "C" else PLAIN
    receiver = BenchReceiver(command, keep=True)
    await receiver.start(Processes(tmp_path, {}))
    yield receiver
    await receiver.stop()


async def test_pushes_are_accepted_counted_and_remembered(receiver: BenchReceiver) -> None:
    """Three pushes in one piece are three answers in a row; each is kept with the moment it came."""
    before = time.monotonic_ns()
    assert await exchange(receiver.port, push(b"one") + push(b"two") + push(b"three"), 3) == ACCEPTED * 3
    assert await receiver.count() == 3
    arrivals = await receiver.arrivals()
    assert [(arrival.port, arrival.token) for arrival in arrivals] == [
        (receiver.port, body) for body in (b"one", b"two", b"three")
    ]
    assert before < arrivals[0].at <= arrivals[1].at <= arrivals[2].at < time.monotonic_ns()
    assert await receiver.arrivals() == []


async def test_a_push_in_pieces_is_one_push(receiver: BenchReceiver) -> None:
    """However the bytes arrive, the answer comes when the body is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    for byte in push(b"slow"):
        writer.write(bytes([byte]))
        await writer.drain()
    assert await reader.readexactly(len(ACCEPTED)) == ACCEPTED
    assert [arrival.token for arrival in await receiver.arrivals()] == [b"slow"]
    writer.close()
    await writer.wait_closed()


async def test_the_claims_of_an_arrival_can_be_read(receiver: BenchReceiver) -> None:
    """An arrival holds the SET; its claims are there without its key."""
    payload = urlsafe_b64encode(json.dumps({"jti": "1"}).encode()).rstrip(b"=")
    await exchange(receiver.port, push(b"head." + payload + b".signature"), 1)
    (arrival,) = await receiver.arrivals()
    assert arrival.claims == {"jti": "1"}


async def test_waiting_for_more_than_comes_ends_with_an_error(receiver: BenchReceiver) -> None:
    """What never arrives is an error that says how much did."""
    await exchange(receiver.port, push(b"one"), 1)
    await receiver.wait_for(1, 30)
    with pytest.raises(ProcessFailed, match="only 1 of 2"):
        await receiver.wait_for(2, 0.05)


async def test_slow_ports_answer_later_or_never(tmp_path: Path) -> None:
    """A port with a delay answers after it, on any loopback address; one with -1 keeps what it got to itself."""
    needed("gcc")
    receiver = BenchReceiver(await receiver_command(tmp_path), keep=True, delays=(200, -1))
    await receiver.start(Processes(tmp_path, {}))
    late, never = receiver.slow_ports
    began = time.monotonic()
    assert await exchange(late, push(b"late"), 1) == ACCEPTED
    assert time.monotonic() - began >= 0.2
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(exchange(never, push(b"never"), 1), 0.2)
    arrivals: list[Arrival] = []
    async with asyncio.timeout(60):
        while len(arrivals) < 2:  # each call returns those since the one before
            arrivals += await receiver.arrivals()
    assert [(arrival.port, arrival.token) for arrival in arrivals] == [
        (late, b"late"),
        (never, b"never"),
    ]
    assert await receiver.count() == 1
    await receiver.stop()


async def test_without_a_compiler_the_receiver_is_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no `cc` is found, the one in Python is taken."""
    needed("gcc")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await receiver_command(tmp_path) == PLAIN
