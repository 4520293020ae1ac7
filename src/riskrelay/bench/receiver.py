"""The receiver that the benchmark pushes to: a constant answer, in a process of its own."""

import asyncio
import json
import shutil
import sys
import urllib.request
from asyncio.subprocess import Process
from base64 import urlsafe_b64decode
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from riskrelay.bench.processes import Processes, ProcessFailed, free_port, stop

_SECONDS = 60


class Arrival(NamedTuple):
    """One received SET: its time (nanoseconds of the monotonic clock, which all processes share) and its port."""

    at: int
    port: int
    token: bytes

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of the SET, without a check of its signature."""
        decoded: dict[str, Any] = json.loads(urlsafe_b64decode(self.token.split(b".")[1] + b"=="))
        return decoded


async def receiver_command(directory: Path) -> list[str]:
    """Return the command that runs the receiver: the one in C, compiled into *directory*, or otherwise in Python.

    Raises: ProcessFailed: the compiler failed.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return [sys.executable, "-m", "riskrelay.bench.plain_receiver"]
    program = directory / "receiver"
    with as_file(files("riskrelay.bench") / "receiver.c") as source:
        process = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", program, source)
        if await process.wait():
            raise ProcessFailed(f"{compiler} could not compile the benchmark's receiver")
    return [str(program)]


class BenchReceiver:
    """The receiver's process.

    Args:
        command: the command from `receiver_command`.
        keep: record the received SETs and their times; False: only count them.
        delays: one additional port for each, which responds after this many milliseconds, or never (-1). In C only.
    """

    def __init__(self, command: list[str], *, keep: bool = False, delays: tuple[int, ...] = ()) -> None:
        self.port = free_port()
        self.slow_ports = [free_port() for _ in delays]
        slow = [f"{port}:{delay}" for port, delay in zip(self.slow_ports, delays, strict=True)]
        self._command = [*command, *(["--keep"] if keep else []), *slow, str(self.port)]
        self.process: Process | None = None

    async def start(self, processes: Processes) -> None:
        """Listen.

        Raises: ProcessFailed.
        """
        self.process = await processes.start("receiver", self._command, self.port)

    async def stop(self) -> None:
        """Listen no more."""
        await stop(self.process)

    async def count(self) -> int:
        """Return the number of answered pushes."""
        return int(await asyncio.to_thread(self._get, "count"))

    async def wait_for(self, count: int, seconds: float) -> None:
        """Wait until *count* pushes have been answered.

        Raises: ProcessFailed: not in time.
        """
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while (answered := await self.count()) < count:
            if clock.time() > deadline:
                raise ProcessFailed(f"after {seconds:.0f} s only {answered} of {count} events had arrived")
            await asyncio.sleep(0.01)

    async def arrivals(self) -> list[Arrival]:
        """Return the SETs received since the last call, in order."""
        lines = (await asyncio.to_thread(self._get, "arrivals")).splitlines()
        return [Arrival(int(at), int(port), token) for at, port, token in map(bytes.split, lines)]

    def _get(self, page: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}", timeout=_SECONDS) as answer:
            body: bytes = answer.read()
        return body
