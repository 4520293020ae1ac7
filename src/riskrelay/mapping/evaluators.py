"""Processes that evaluate mappings and rules. They are started when needed, and replaced when they end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import structlog

from riskrelay.core.sources.reasons import Reason
from riskrelay.mapping.mapping_process import LENGTH, OUT_OF_MEMORY, Order, RuleOrder, frame

_log = structlog.get_logger()

PROCESSES = 2  # chosen: a slow mapping of one account occupies one of them, and other accounts use the other
# Chosen: processor time bounds an order; only an overloaded machine takes longer.
_ANSWER_WITHIN_SECONDS = 30.0
_END_WITHIN_SECONDS = 5.0
_TOO_SLOW = frozenset((-signal.SIGPROF, -signal.SIGXCPU))
# Rust aborts when an allocation fails; the kernel's out-of-memory killer uses SIGKILL.
_TOO_LARGE = frozenset((OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL, -signal.SIGBUS))


class MappingEndedError(Exception):
    """A process ended before it responded.

    Attributes:
        reason: the reason why its order is refused.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Evaluators:
    """Processes for one purpose. Each handles one order at a time."""

    def __init__(self, name: str) -> None:
        """Start nothing yet.

        Args:
            name: the purpose, for the log.
        """
        self._all = [_Evaluator(name) for _ in range(PROCESSES)]
        # The last used process comes first, so that a second one is started only for concurrent work.
        self._free: asyncio.LifoQueue[_Evaluator] = asyncio.LifoQueue()
        for evaluator in self._all:
            self._free.put_nowait(evaluator)

    async def ask(self, order: Order | RuleOrder) -> bytes:
        """Wait for a free process, and return its answer to an order, as MessagePack.

        Raises: MappingEndedError.
        """
        evaluator = await self._free.get()
        try:
            return await evaluator.ask(order)
        finally:
            self._free.put_nowait(evaluator)

    def end(self) -> None:
        """End the processes, now."""
        for evaluator in self._all:
            evaluator.end()


class _Evaluator:
    """A place for one process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._child: _Child | None = None

    async def ask(self, order: Order | RuleOrder) -> bytes:
        """Return the answer to an order, as MessagePack.

        Raises: MappingEndedError.
        """
        is_second = False
        while True:
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
                    child = await self._running()
                    return await child.ask(order)
            except (TimeoutError, OSError, EOFError) as error:
                code = await self._ended()
                if code == 0 and not is_second:  # the process retired after its last answer and did not read this order
                    is_second = True
                    continue
                _log.warning("mapping_process_ended", process=self._name, exit_code=code, error=type(error).__name__)
                raise MappingEndedError(_reason(error, code)) from None
            except asyncio.CancelledError:  # otherwise the answer would be read as that of the next order
                self.end()
                raise

    def end(self) -> None:
        """End the process, now."""
        if self._child is not None:
            self._child.end()
            self._child = None

    async def _running(self) -> "_Child":
        if self._child is not None and self._child.is_retired():
            self.end()
        if self._child is None:
            self._child = await _Child.start()
        return self._child

    async def _ended(self) -> int | None:
        """Return the exit code of the process. Kill the process if it does not end."""
        child, self._child = self._child, None
        return None if child is None else await child.ended()


def _reason(error: Exception, code: int | None) -> Reason:
    """Return why an order is refused whose process ended with that exit code."""
    if isinstance(error, TimeoutError) or code is None:
        return Reason.MAPPING_UNAVAILABLE
    if code in _TOO_SLOW:
        return Reason.MAPPING_TOO_SLOW
    return Reason.MAPPING_TOO_LARGE if code in _TOO_LARGE else Reason.MAPPING_UNAVAILABLE


class _Child:
    """A process that is ready, and our end of the socket to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls) -> "_Child":
        """Start a process and wait until it is ready.

        Raises: OSError, EOFError: it cannot be started.
        """
        parent_end, child_end = socket.socketpair()
        with child_end:
            try:
                process = _spawn(child_end)
            except OSError:
                parent_end.close()
                raise
        reader, writer = await asyncio.open_connection(sock=parent_end)
        child = cls(process, reader, writer)
        try:
            await child._frame()
        except BaseException:
            child.end()
            raise
        return child

    async def ask(self, order: Order | RuleOrder) -> bytes:
        """Return the answer to an order.

        Raises: OSError, EOFError: the process has ended.
        """
        self._writer.write(frame(order))
        await self._writer.drain()
        return await self._frame()

    def is_retired(self) -> bool:
        """Whether the process has ended after its last answer, because of the memory it had taken."""
        return self._reader.at_eof() or self._process.poll() is not None

    async def ended(self) -> int:
        """Wait until the process has ended by itself, or kill it, and return its exit code."""
        self._writer.close()
        try:
            return await asyncio.to_thread(self._process.wait, _END_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(_END_WITHIN_SECONDS)

    def end(self) -> None:
        """Kill the process."""
        self._writer.transport.abort()
        self._process.kill()
        self._process.wait(_END_WITHIN_SECONDS)

    async def _frame(self) -> bytes:
        (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        return await self._reader.readexactly(length)


def _spawn(child_end: socket.socket) -> subprocess.Popen[bytes]:
    # It gets no settings, and so no secret. Its output may quote an event, so it is discarded.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKRELAY_")}
    # -P: it imports nothing from the current directory.
    command = [sys.executable, "-P", "-m", "riskrelay.mapping.mapping_process"]
    return subprocess.Popen(  # noqa: S603  a command of our own
        command,
        stdin=child_end.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
