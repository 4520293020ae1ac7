"""Computation that takes long: off the event loop, outside transactions, one at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# One thread: several would only take the interpreter from each other, and from the event loop.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="computing")


async def compute(work: Callable[[], T]) -> T:
    """Run *work* in a thread that does nothing else, and return its result."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
