"""Running actions on the database itself, for commands that need no service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from riskrelay.ports import Outside
from riskrelay.settings import Settings
from riskrelay.wiring.installation import build_outside, require_schema

T = TypeVar("T")


def on_database(settings: Settings, work: Callable[[Outside], Awaitable[T]]) -> T:
    """Run an action on the database of *settings*.

    Raises: Misconfigured: it is not there, or has another schema.
    """

    async def run() -> T:
        await require_schema(settings)
        outside = build_outside(settings)
        try:
            return await work(outside)
        finally:
            await outside.store.close()

    return asyncio.run(run())
