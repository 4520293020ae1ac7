"""Commands of a temporary installation, each in a process of its own: for `demo` and `bench`."""

import asyncio
import os
import secrets
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

_PORTS = range(10_000, 32_000)
_START_SECONDS = 30
_STOP_SECONDS = 30


class ProcessFailed(Exception):
    """A process failed. The message contains its output."""


class Processes:
    """Starts processes with *settings*. Their output is written to log files in *directory*.

    Args:
        python: the interpreter whose `riskrelay` the commands run.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str], python: str = sys.executable) -> None:
        self._directory = directory
        self._python = python
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RISKRELAY_")}
        self._environment = {**inherited, **settings}
        self._started: list[Process] = []

    async def run(self, *arguments: str) -> bytes:
        """Run a `riskrelay` command to its end.

        Returns: its output.
        Raises:  ProcessFailed.
        """
        command = [self._python, "-m", "riskrelay", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=self._environment, stdin=DEVNULL, stdout=PIPE)
        self._started.append(process)
        output, _ = await process.communicate()
        if process.returncode:
            raise ProcessFailed(f"`riskrelay {arguments[0]}` failed with exit code {process.returncode}")
        return output

    async def start(self, name: str, command: Sequence[str], port: int | None = None) -> Process:
        """Start *command* and, when it has a *port*, wait until it listens there.

        Raises: ProcessFailed: it ended, or does not listen in time.
        """
        with (self._directory / f"{name}.log").open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environment, stdin=DEVNULL, stdout=file, stderr=file
            )
        self._started.append(process)
        if port is not None:
            await self._listening(name, process, port)
        return process

    async def start_command(self, *arguments: str, port: int | None = None) -> Process:
        """Start a `riskrelay` command, as `start` does."""
        return await self.start(arguments[0], [self._python, "-m", "riskrelay", *arguments], port)

    async def kill(self) -> None:
        """Kill all started processes that still run."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _listening(self, name: str, process: Process, port: int) -> None:
        for _ in range(_START_SECONDS * 50):
            if process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
        await stop(process)
        tail = (self._directory / f"{name}.log").read_text()[-1_000:]
        raise ProcessFailed(f"the process does not listen on port {port}; its output:\n{tail}")


async def stop(process: Process | None) -> None:
    """End a process, if it runs: SIGTERM, and SIGKILL if that is not enough."""
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    """Return a port that is not in use now.

    It is below the ports that systems give to outgoing connections, because such a connection may take a port before
    the process that is to listen on it has started.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
