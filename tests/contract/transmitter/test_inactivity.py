"""SSF 1.0 §8.1.1 inactivity_timeout: what a receiver does restarts it."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.core.ssf.stream_documents import INACTIVITY_TIMEOUT
from riskrelay.ports import Store
from support.receiver_world import ReceiverWorld, receiver_world
from support.services import services_of

KAI = {"format": "email", "email": "kai@example.com"}

# Every call that references a stream: method, path, body or query.
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "read": ("GET", "/streams", {"stream_id": "{id}"}),
    "update": ("PATCH", "/streams", {"stream_id": "{id}", "description": "d"}),
    "replace": ("PUT", "/streams", {"stream_id": "{id}"}),
    "read status": ("GET", "/status", {"stream_id": "{id}"}),
    "update status": ("POST", "/status", {"stream_id": "{id}", "status": "enabled"}),
    "add subject": ("POST", "/subjects:add", {"stream_id": "{id}", "subject": KAI}),
    "remove subject": ("POST", "/subjects:remove", {"stream_id": "{id}", "subject": KAI}),
    "verify": ("POST", "/verify", {"stream_id": "{id}"}),
    "poll": ("POST", "/poll/{id}", {"returnImmediately": True}),
}


@pytest.fixture
async def world(sqlite_store: Store) -> AsyncIterator[ReceiverWorld]:
    """A receiver over the embedded store."""
    async with receiver_world(services_of(sqlite_store)) as world:
        yield world


def let_time_pass(database: Path) -> None:
    """The last activity of every stream is a timeout and a minute ago: the lease clock is the database's own."""
    microseconds = int(INACTIVITY_TIMEOUT.total_seconds() + 60) * 1_000_000
    with sqlite3.connect(database, timeout=60) as connection:
        connection.execute("UPDATE streams SET active_at = active_at - ?", (microseconds,))
    connection.close()


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_that_references_the_stream_restarts_it(
    world: ReceiverWorld, tmp_path: Path, call: str
) -> None:
    """And of two idle streams only the one that was not called is paused."""
    called, silent = [(await world.create())["stream_id"] for _ in range(2)]
    let_time_pass(tmp_path / "riskrelay.db")
    method, path, given = CALLS[call]
    filled = {name: called if value == "{id}" else value for name, value in given.items()}
    if method == "GET":
        answer = await world.call(method, path, **filled)
    else:
        answer = await world.call(method, path.replace("{id}", called), filled)
    assert answer.status_code in (200, 204)
    assert await pause_idle_streams(world.services) == 1
    assert (await world.status(called))[0] == "enabled"
    assert await world.status(silent) == ("paused", "inactivity_timeout")
