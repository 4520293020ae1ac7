"""A receiver that is dead for days and comes back: simulated, nothing waits (faults.md 27)."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from riskrelay.core.delivery.backoff import LONGEST
from riskrelay.ports import Store
from support.database_time import pass_time
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.working import BatchSizes, running, until
from support.world import finding, record

DEAD_FOR = timedelta(days=3)
LEVELS = ("low", "medium", "high")
BEHAVIORS = ("high_risk_domain", "imp_travel", "high_dlp")


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    return await world_of(sqlite_store, HandClock())


@pytest.mark.fault(27)
async def test_one_probe_in_15_minutes_then_the_whole_backlog_in_order(world: World) -> None:
    """After the first hour no two pushes are less than 15 minutes apart; once it is back everything arrives, each
    user's levels in order, in a worker's batches that start with one event and double; the ledger balances
    all the time."""
    for behavior in BEHAVIORS:
        await record(world.services, *[finding(f"u{number}@example.com", behavior) for number in range(100)])
    world.receiver.answers = lambda email: FAILED
    passed, pushed_at = timedelta(0), []
    while passed < DEAD_FOR:
        passed += await skip_to_due(world)
        before = world.receiver.pushes
        await world.deliver_once(1)
        pushed_at += [passed] * (world.receiver.pushes - before)
    late = [at for at in pushed_at if at > timedelta(hours=1)]
    gaps = [after - before for before, after in pairwise(late)]
    # The test's own run time is not in `passed`.
    assert LONGEST - timedelta(minutes=1) <= min(gaps) <= max(gaps) <= LONGEST * 1.2
    assert (await world.ledger()).pending == 300

    world.receiver.answers = lambda email: ACCEPTED
    await skip_to_due(world)
    sizes = BatchSizes()
    world.services = replace(world.services, observer=sizes)
    async with running(world, timedelta(0)):
        await until(lambda: len(world.receiver.accepted) == 300)
    assert (await world.ledger()).pending == 0
    assert sizes.seen == [1, 2, 4, 8, 16, 32, 64, 128, 300 - 255]
    received: dict[str, list[str]] = defaultdict(list)
    for email, level in world.receiver.accepted:
        received[email].append(level)
    assert len(received) == 100
    assert set(map(tuple, received.values())) == {LEVELS}
    await world.check()


async def skip_to_due(world: World) -> timedelta:
    """Let time pass until the lane is due.

    Returns: how much that was.
    """
    due_in = (await world.services.store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert due_in is not None
    await pass_time(world.services.store, due_in)
    world.clock.pass_time(due_in)
    return due_in
