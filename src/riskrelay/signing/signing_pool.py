"""Processes that sign beside this one, so that a backlog uses every core.

A thread releases the GIL for the arithmetic, but must get it back after each signature from an event loop that is busy
pushing: the cores were idle for a fifth of the time (measured, 2 cores). A process has a GIL of its own.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import msgspec
import structlog

from riskrelay.ports import Clock
from riskrelay.signing.private_key import PrivateKey
from riskrelay.signing.signing_process import LENGTH, KeyMaterial, Order, frame

_log = structlog.get_logger()

PROCESSES = min(os.cpu_count() or 1, 4)  # guessed: one event loop cannot push what four cores sign
RESTART_AFTER = timedelta(seconds=10)  # guessed: a machine without memory for them must not be kept busy by trying
# Chosen: below the 4 s in which a batch may push under the shortest lease, and a thousand times what eight signatures
# take. It counts from the answer before, since a queue may be long.
ANSWER_WITHIN = timedelta(seconds=3)
_END_WITHIN_SECONDS = 5.0

_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class SigningPool:
    """Signs in processes that are started when they are first needed and again when they die. Close it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._children: list[_Child] = []
        self._starting: asyncio.Task[None] | None = None
        self._start_at = float("-inf")
        self._is_closed = False

    @property
    def ready(self) -> int:
        """The number of processes that can sign now."""
        return sum(child.is_ready for child in self._children)

    async def sign(self, key: PrivateKey, payloads: Sequence[bytes]) -> list[bytes] | None:
        """Return the compact JWS of each payload; None: no process can sign, so the caller signs."""
        ready = [child for child in self._children if child.is_ready]
        if len(ready) < PROCESSES:
            self._start()
        if not ready:
            return None
        child = min(ready, key=lambda child: child.orders)
        try:
            return await child.sign(key, payloads)
        except ConnectionError:
            return None

    def close(self) -> None:
        """End the processes. Their unfinished orders fail."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
        for child in self._children:
            child.end()

    def _start(self) -> None:
        """Start missing processes in the background."""
        if self._is_closed or self._starting is not None or self._clock.monotonic() < self._start_at:
            return
        self._start_at = self._clock.monotonic() + RESTART_AFTER.total_seconds()
        self._starting = asyncio.create_task(self._start_all())

    async def _start_all(self) -> None:
        self._children = [child for child in self._children if not child.is_lost]
        try:
            while len(self._children) < PROCESSES:
                self._children.append(await _started())
        except OSError as error:  # no memory, no more processes: threads sign
            _log.warning("signing_process_not_started", error=str(error))
        finally:
            self._starting = None


async def _started() -> "_Child":
    """Return a new process, which is not ready yet.

    Raises: OSError.
    """
    parent_end, child_end = socket.socketpair()
    with child_end, parent_end:
        child = _Child(_spawn(child_end))
        try:
            await asyncio.get_running_loop().create_connection(lambda: child, sock=parent_end.dup())
        except BaseException:
            child.reap()
            raise
    return child


def _spawn(child_end: socket.socket) -> subprocess.Popen[bytes]:
    # It needs none of our settings, and so gets no secret but the keys it signs with. In a session of its own no Ctrl-C
    # reaches it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKRELAY_")}
    # -P: it imports nothing from the directory that we happen to be started in.
    command = [sys.executable, "-P", "-m", "riskrelay.signing.signing_process"]
    return subprocess.Popen(  # noqa: S603  a command of our own
        command, stdin=child_end.fileno(), stdout=subprocess.DEVNULL, env=environment, start_new_session=True
    )


class _Child(asyncio.Protocol):
    """The parent's end of the socket to one process.

    Attributes:
        is_ready: whether it has reported so and still runs.
        is_lost: whether it has ended.
        orders: the number of unanswered orders.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.is_ready = False
        self.is_lost = False
        self._process = process
        self._known: set[str] = set()
        self._waiting: deque[asyncio.Future[list[bytes]]] = deque()
        self._received = bytearray()
        self._giving_up: asyncio.TimerHandle | None = None

    @property
    def orders(self) -> int:
        return len(self._waiting)

    async def sign(self, key: PrivateKey, payloads: Sequence[bytes]) -> list[bytes]:
        """As the pool does.

        Raises: ConnectionError: the process has ended, or was given up because it answered nothing.
        """
        material = None if key.kid in self._known else KeyMaterial(key.algorithm, key.pem)
        self._known.add(key.kid)
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        if self._giving_up is None:
            self._expect_an_answer()
        self._transport.write(frame(Order(key.kid, list(payloads), material)))
        return await answer

    def end(self) -> None:
        """End the process, now."""
        self.is_lost = True
        self._transport.abort()
        self.reap()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (content := self._next_frame()) is not None:
            if self.is_ready:
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(_decode(content))
                self._expect_an_answer()
            self.is_ready = True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_ready = False
        if self._giving_up is not None:
            self._giving_up.cancel()
        if not self.is_lost:
            self.is_lost = True
            _log.warning("signing_process_ended", exit_code=self.reap())
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(ConnectionResetError("the signing process has ended"))

    def reap(self) -> int:
        self._process.kill()
        return self._process.wait(_END_WITHIN_SECONDS)

    def _expect_an_answer(self) -> None:
        """Give the process up when its next answer is late, so that the orders that wait for it fail."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        if self._waiting:
            loop = asyncio.get_running_loop()
            self._giving_up = loop.call_later(ANSWER_WITHIN.total_seconds(), self._transport.abort)

    def _next_frame(self) -> bytes | None:
        if len(self._received) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._received)
        end = LENGTH.size + length
        if len(self._received) < end:
            return None
        content = bytes(self._received[LENGTH.size : end])
        del self._received[:end]
        return content
