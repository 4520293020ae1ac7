"""The processes that run, on both engines."""

from dataclasses import replace
from datetime import timedelta

from riskrelay.ports import Node, Store
from support.services import NOON

MINUTE = timedelta(minutes=1)
FIRST = Node(node_id="n1", role="serve", started_at=NOON, seen_at=NOON, settings={"port": 8_700, "allow_targets": []})
SECOND = replace(FIRST, node_id="n2", role="worker", started_at=NOON + MINUTE, seen_at=NOON + MINUTE)


async def test_nodes_are_announced_seen_and_leave(store: Store) -> None:
    """A second announcement only moves when the node was seen; those that were not seen since are left out."""
    for node in (SECOND, FIRST, replace(FIRST, seen_at=NOON + 2 * MINUTE, settings={})):
        await store.write_installation(lambda tx, node=node: tx.nodes.announce(node))  # type: ignore[misc]
    seen = replace(FIRST, seen_at=NOON + 2 * MINUTE)
    assert await store.read_installation(lambda tx: tx.nodes.seen_since(NOON)) == [seen, SECOND]
    assert await store.read_installation(lambda tx: tx.nodes.seen_since(NOON + 2 * MINUTE)) == [seen]
    await store.write_installation(lambda tx: tx.nodes.leave("n1"))
    await store.write_installation(lambda tx: tx.nodes.leave("n1"))
    assert await store.read_installation(lambda tx: tx.nodes.seen_since(NOON)) == [SECOND]


async def test_nodes_that_were_killed_are_forgotten(store: Store) -> None:
    """Those not seen since a moment."""
    for node in (FIRST, SECOND):
        await store.write_installation(lambda tx, node=node: tx.nodes.announce(node))  # type: ignore[misc]
    await store.write_installation(lambda tx: tx.nodes.delete_unseen_since(NOON + MINUTE))
    assert await store.read_installation(lambda tx: tx.nodes.seen_since(NOON - MINUTE)) == [SECOND]
