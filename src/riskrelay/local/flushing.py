"""Store values kept in memory, periodically."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def flushing(flush: Callable[[], Awaitable[None]], every_seconds: float) -> AsyncIterator[None]:
    """Flush periodically while the context lasts, and once more at its end."""
    stop = asyncio.Event()
    running = asyncio.create_task(_flush_until(stop, flush, every_seconds))
    try:
        yield
    finally:
        stop.set()
        await running
        await flush()


async def _flush_until(stop: asyncio.Event, flush: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    while not stop.is_set():
        await flush()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_seconds)
