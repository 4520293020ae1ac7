"""Keep a row for this process in the database, so that `doctor` finds the settings in use."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from riskrelay.core.errors import Unavailable
from riskrelay.ports import Node, Services

_EVERY_SECONDS = 30.0  # chosen: a third of the time after which `doctor` considers a node dead
_UNSEEN_FOR = timedelta(days=1)  # guessed: rows of processes that were killed

_log = structlog.get_logger()


@asynccontextmanager
async def announced(services: Services, role: str, settings: Mapping[str, object]) -> AsyncIterator[None]:
    """Keep a row for this process while the context lasts, and remove it at the end.

    Args:
        role: serve or worker.
        settings: the settings without secrets, as JSON values.
    """
    now = services.clock.now()
    node = Node(node_id=services.ids.uuid(), role=role, started_at=now, seen_at=now, settings=settings)
    stop = asyncio.Event()
    running = asyncio.create_task(_announce_until(stop, services, node))
    try:
        yield
    finally:
        stop.set()
        await running
        with suppress(Unavailable):  # the row is out of date soon
            await services.store.write_installation(lambda tx: tx.nodes.leave(node.node_id))


async def _announce_until(stop: asyncio.Event, services: Services, node: Node) -> None:
    while not stop.is_set():
        now = services.clock.now()
        try:
            await services.store.write_installation(lambda tx: tx.nodes.announce(replace(node, seen_at=now)))  # noqa: B023
            await services.store.write_installation(lambda tx: tx.nodes.delete_unseen_since(now - _UNSEEN_FOR))  # noqa: B023
        except Unavailable:
            _log.debug("node_not_announced")  # other components report why the database accepts no writes
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)
