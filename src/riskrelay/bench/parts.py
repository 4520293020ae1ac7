"""Parts of a delivery that the benchmark measures alone: a durable write, and a push."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from riskrelay.bench.processes import Processes, ProcessFailed
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.local.clock import SystemClock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient

_TOKEN = b"x" * 1_000  # about the size of a SET
_BLOCK = b"x" * 4_096


@contextmanager
def writing(path: Path) -> Iterator[Callable[[], None]]:
    """Yield a function that appends 4 KiB to a file and syncs it to disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)

    def write() -> None:
        os.write(handle, _BLOCK)
        os.fdatasync(handle)

    try:
        yield write
    finally:
        os.close(handle)


@asynccontextmanager
async def pushing(directory: Path, receiver_command: list[str]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield a function that pushes by the product's client to a receiver with a constant response.

    Raises: ProcessFailed: the receiver did not start, or did not accept a push.
    """
    receiver = BenchReceiver(receiver_command)
    await receiver.start(Processes(directory, {}))
    rules = TargetRules(["127.0.0.1"], allow_http=True)
    async with PushClient(rules, SystemClock(), deadline=timedelta(seconds=20)) as client:

        async def push() -> None:
            outcome = await client.push(f"http://127.0.0.1:{receiver.port}/", _TOKEN)
            if outcome.kind is not OutcomeKind.ACCEPTED:
                raise ProcessFailed(f"a push to the benchmark's own receiver failed: {outcome}")

        yield push
    await receiver.stop()
