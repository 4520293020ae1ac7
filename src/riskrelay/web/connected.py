"""Cancel work when the client disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from riskrelay.web.work import beside_work

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Run *work* to its end, or cancel it when the client closes the connection.

    Call it only after the body has been read. Without it, a receiver that disconnects and polls again would leave a
    waiting poll each time.

    Returns: the result; None: the client has disconnected.
    """
    working = asyncio.ensure_future(work)
    listening = asyncio.create_task(_disconnected(request), context=beside_work())
    try:
        await asyncio.wait([working, listening], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return None
        return await working
    finally:
        for task in (working, listening):
            task.cancel()
        await asyncio.gather(working, listening, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
