"""The limits of the machine, for comparison with the product's figures."""

import asyncio
import os
import re
import shutil
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from riskrelay.bench.floor import Floor, measure_floor
from riskrelay.bench.processes import Processes, ProcessFailed
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.local.clock import SystemClock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient

_CORES = 2  # the targets are stated for two
_PUSHES_AT_ONCE = 64
_TOKEN = b"x" * 1_000  # about the size of a SET
_BLOCK = b"x" * 4_096
_SIGNATURES = {"rsa2048": r"^rsa 2048 bits.*?s\s.*?s\s+([\d.]+)", "ecdsap256": r"^ 256 bits ecdsa.*?s\s.*?s\s+([\d.]+)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per second: signatures of each kind by OpenSSL on two cores (None: there is no `openssl`), durable writes to the
    same file system, and pushes by the product's own client against the constant answer.

    Attributes:
        floor: what the parts of one delivery take, one after the other.
    """

    rs256: float | None
    es256: float | None
    fsyncs: float
    pushes: float
    floor: Floor


async def measure_limits(directory: Path, receiver_command: list[str], seconds: float) -> Limits:
    """Measure the machine, *seconds* for each limit.

    Raises: ProcessFailed.
    """
    return Limits(
        rs256=await _signatures("rsa2048", seconds),
        es256=await _signatures("ecdsap256", seconds),
        fsyncs=_fsyncs(directory / "fsyncs", seconds),
        pushes=await _pushes(directory, receiver_command, seconds),
        floor=await measure_floor(directory, receiver_command, seconds / 3),
    )


async def _signatures(kind: str, seconds: float) -> float | None:
    """Return the signatures per second of `openssl speed` on two cores; None if it is not installed."""
    program = shutil.which("openssl")
    if program is None:
        return None
    options = ["-multi", str(_CORES), "-seconds", str(max(1, round(seconds))), kind]
    process = await asyncio.create_subprocess_exec(program, "speed", *options, stdout=PIPE, stderr=PIPE)
    output, said = await process.communicate()
    found = re.search(_SIGNATURES[kind], output.decode(), re.MULTILINE)
    if found is None:
        raise ProcessFailed(f"`openssl speed {kind}` was not understood: {output.decode()} {said.decode()}")
    return float(found[1])


def _fsyncs(path: Path, seconds: float) -> float:
    """Return the appends of 4 KiB per second, each synced to disk before the next one."""
    count, began = 0, time.perf_counter()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while time.perf_counter() < began + seconds:
            os.write(handle, _BLOCK)
            os.fdatasync(handle)
            count += 1
    finally:
        os.close(handle)
    return count / (time.perf_counter() - began)


async def _pushes(directory: Path, receiver_command: list[str], seconds: float) -> float:
    """Return the pushes per second of one process: 1,000 bytes each, 64 at once, without signing and storing."""
    receiver = BenchReceiver(receiver_command)
    await receiver.start(Processes(directory, {}))
    rules = TargetRules(["127.0.0.1"], allow_http=True)
    began, ends = time.perf_counter(), time.perf_counter() + seconds
    async with PushClient(rules, SystemClock(), deadline=timedelta(seconds=20)) as pusher:

        async def push() -> int:
            count = 0
            while count == 0 or time.perf_counter() < ends:  # at least one, however busy the machine is
                outcome = await pusher.push(f"http://127.0.0.1:{receiver.port}/", _TOKEN)
                if outcome.kind is not OutcomeKind.ACCEPTED:
                    raise ProcessFailed(f"a push to the benchmark's own receiver failed: {outcome}")
                count += 1
            return count

        counts = await asyncio.gather(*(push() for _ in range(_PUSHES_AT_ONCE)))
    taken = time.perf_counter() - began
    await receiver.stop()
    return sum(counts) / taken
