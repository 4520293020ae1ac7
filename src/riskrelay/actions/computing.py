"""Run long computations off the event loop and outside transactions, one at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from riskrelay.actions.giving_way import stepwise

T = TypeVar("T")

# One thread: several would only compete with each other and with the event loop for the interpreter.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="computing")


_FEW = 200  # guessed: work on so many items takes about a millisecond


async def compute(work: Callable[[], T]) -> T:
    """Run *work* in the thread for computations, and return its result. Small requests go before its steps."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, stepwise(work))


async def compute_for(items: int, work: Callable[[], T]) -> T:
    """Run *work* on that number of items: at once if they are few, otherwise in the thread for computations."""
    return work() if items <= _FEW else await compute(work)
