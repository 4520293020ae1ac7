"""`riskrelay serve --workers N`: starts N processes that share one port, and one again that dies."""

import asyncio
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import Process
from pathlib import Path

import structlog

from riskrelay.cli.listening import reserved

_log = structlog.get_logger()

READY = b"r"
"""What a process says on its lifeline when it serves."""

_CALM_SECONDS = 60  # guessed: a process that lived so long did not die of how it was started
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0  # guessed
_TOLD_TO_END = (0, -int(signal.SIGTERM))  # the latter when it had not got as far as to listen for signals


def supervise(host: str, port: int, count: int, *, deliver: bool) -> int:
    """Serve with *count* processes until SIGTERM or SIGINT.

    Returns: the exit code: 0 when every process ended in an orderly way; 1 when one did not, or when none could be
        started (it has said why).
    Raises:  Misconfigured: nothing can listen there.
    """
    with reserved(host, port) as port, tempfile.TemporaryDirectory(prefix="riskrelay-") as directory:
        options = [host, str(port), *([] if deliver else ["--no-delivery"])]
        return asyncio.run(Supervisor(Path(directory), options).run(count))


class Supervisor:
    """Keeps processes running.

    Args:
        directory: where they meet.
        options: of each.
    """

    def __init__(self, directory: Path, options: list[str]) -> None:
        self._directory = directory
        self._options = options
        self._running: set[Process] = set()
        self._serving: set[int] = set()
        self._one_serves = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self, count: int) -> int:
        """Keep *count* of them running until SIGTERM or SIGINT, or until none can be started.

        Returns: the exit code.
        """
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signal_number, self._stop)
        async with asyncio.TaskGroup() as keeping:
            for number in range(1, count + 1):
                keeping.create_task(self._keep(number))
        return int(self._failed)

    def _stop(self) -> None:
        self._stopping.set()
        self._one_serves.set()
        for process in self._running:
            _tell_to_end(process)

    async def _keep(self, number: int) -> None:
        """Run process *number*, again and again. The first goes first: what keeps it from starting is said once."""
        if number > 1:
            await self._one_serves.wait()
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            code, served = await self._run_one(number)
            if self._stopping.is_set():
                self._failed |= code not in _TOLD_TO_END
            elif not served and not self._serving:
                self._failed = True
                self._stop()
            else:
                pause = _FIRST_PAUSE_SECONDS if time.monotonic() - began > _CALM_SECONDS else pause
                _log.warning("process_ended", process=number, code=code, again_in_seconds=pause)
                await self._wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _run_one(self, number: int) -> tuple[int, bool]:
        """Start process *number* and wait for its end.

        Returns: its exit code, negative for a signal; and whether it has served.
        """
        lifeline, theirs = socket.socketpair()
        with lifeline:
            with theirs:
                try:
                    process = await self._start(number, theirs)
                except OSError as error:  # no memory, no more processes: the others go on
                    _log.error("process_not_started", process=number, error=str(error))
                    return 1, False
            lifeline.setblocking(False)
            served = await asyncio.get_running_loop().sock_recv(lifeline, 1) == READY
            if served:
                self._serving.add(number)
                self._one_serves.set()
            code = await process.wait()
        self._running.discard(process)
        self._serving.discard(number)
        return code, served

    async def _start(self, number: int, lifeline: socket.socket) -> Process:
        # -P: it imports nothing from the directory that we happen to be started in.
        command = [sys.executable, "-P", "-m", "riskrelay.cli.serving_process", str(number), str(self._directory)]
        process = await asyncio.create_subprocess_exec(
            *command,
            str(lifeline.fileno()),
            *self._options,
            pass_fds=[lifeline.fileno()],
            start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which passes it on
        )
        self._running.add(process)
        if self._stopping.is_set():
            _tell_to_end(process)
        return process

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _tell_to_end(process: Process) -> None:
    if process.returncode is None:  # else it has ended a moment ago
        process.terminate()
