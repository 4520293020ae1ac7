"""Nodes wake each other: outside of every transaction that records, and nothing depends on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from riskrelay.core.delivery.handover import WokenLane, lane_of
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.storage.engines.notices import Notices
from support.databases import PostgresServer
from support.pooler import pooler_before


def lane(stream: str) -> LaneKey:
    return LaneKey(AccountId("acme"), StreamId(stream), 0)


class Node:
    """One node's line, and what it heard."""

    def __init__(self, url: str) -> None:
        self.heard: list[LaneKey] = []
        self._any = asyncio.Event()
        self.notices = Notices(url, self._hear)

    async def told(self, listener: "Node", *lanes: LaneKey) -> list[LaneKey]:
        """Tell until *listener* has heard something, because a notice may get lost."""
        listener.heard.clear()
        listener._any.clear()
        async with asyncio.timeout(60):
            while not listener._any.is_set():
                self.notices.notify(lanes)
                await asyncio.sleep(0.01)
        return listener.heard

    def _hear(self, lanes: Sequence[WokenLane]) -> None:
        self.heard += map(lane_of, lanes)
        self._any.set()


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(node.notices.run()) for node in nodes]
    try:
        yield
    finally:
        for node in nodes:
            node.notices.stop()
        await asyncio.gather(*tasks)


async def test_a_node_hears_of_the_others_and_not_of_itself(postgres: PostgresServer) -> None:
    """Which lanes have work: all of a few, of very many as many as fit."""
    url = await postgres.new_database()
    one, other = Node(url), Node(url)
    async with running(one, other):
        assert set(await one.told(other, lane("a"), lane("b"))) == {lane("a"), lane("b")}
        many = [lane(f"{number:036d}") for number in range(10_000)]
        heard = await one.told(other, *many)
        assert set(many[:100]) <= set(heard) <= {*many, lane("a"), lane("b")}
        assert one.heard == []


async def test_a_lost_connection_is_made_again(postgres: PostgresServer) -> None:
    """What was said meanwhile is lost, and found by looking."""
    url = await postgres.new_database()
    one, other = Node(url), Node(url)
    async with running(one, other):
        await one.told(other, lane("before"))
        admin = await asyncpg.connect(url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await admin.close()
        assert lane("after") in await one.told(other, lane("after"))


async def test_through_a_pooler_a_node_tells_and_does_not_listen(postgres: PostgresServer) -> None:
    """LISTEN belongs to a session, and a pooler's sessions are everybody's."""
    direct = await postgres.new_database()
    with pooler_before(postgres.socket_directory) as pooler:
        pooled, node = Node(pooler.url(direct)), Node(direct)
        async with running(pooled, node):
            assert lane("a") in await pooled.told(node, lane("a"))
            third = Node(direct)
            async with running(third):  # the pooler's own connections get what others tell, if they listen
                await third.told(node, lane("b"))
            assert pooled.heard == []


@pytest.mark.parametrize("stopped_while", ["connected", "unreachable"])
async def test_stopping_ends_it(postgres: PostgresServer, stopped_while: str) -> None:
    """At once, whatever the database does."""
    url = await postgres.new_database() if stopped_while == "connected" else "postgresql://127.0.0.1:1/none"
    async with asyncio.timeout(60), running(Node(url)):
        await asyncio.sleep(0.05)
