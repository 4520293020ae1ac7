"""The limits of the machine, for comparison with the product's figures."""

import asyncio
import re
import shutil
import time
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

from riskrelay.bench.floor import Floor, measure_floor
from riskrelay.bench.parts import pushing, writing
from riskrelay.bench.processes import ProcessFailed

_CORES = 2  # the targets are stated for two
_PUSHES_AT_ONCE = 64
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
    with writing(path) as write:
        count, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            write()
            count += 1
        return count / (time.perf_counter() - began)


async def _pushes(directory: Path, receiver_command: list[str], seconds: float) -> float:
    """Return the pushes per second of one process: 1,000 bytes each, 64 at once, without signing and storing."""
    async with pushing(directory, receiver_command) as push:
        began, ends = time.perf_counter(), time.perf_counter() + seconds

        async def push_on() -> int:
            count = 0
            while count == 0 or time.perf_counter() < ends:  # at least one, however busy the machine is
                await push()
                count += 1
            return count

        counts = await asyncio.gather(*(push_on() for _ in range(_PUSHES_AT_ONCE)))
        return sum(counts) / (time.perf_counter() - began)
