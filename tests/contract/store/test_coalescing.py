"""Coalescing on both engines: what is superseded, what is sent, and what stays counted."""

import re
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.actions.integrations import limit_integration
from riskrelay.actions.upkeep import purge_events
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.lanes import MAX_READ_EVENTS
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import DeliveryLimits
from riskrelay.engine.deliver import push_batch
from riskrelay.engine.pushing import SigningAhead
from riskrelay.ports import Store
from riskrelay.storage.delivery.ledgers import count_ledgers
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine
from support.database_time import pass_time
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

DAY = timedelta(days=1)
ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
async def world(store: Store) -> World:
    """A world whose integration coalesces."""
    world = await world_of(store, HandClock())
    await coalesce(world)
    return world


async def coalesce(world: World, *, coalesces: bool = True) -> None:
    limits = DeliveryLimits(coalesces_level_changes=coalesces)
    await limit_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, limits)


async def rise(world: World, email: str, behavior: str = "high_dlp") -> None:
    await record(world.services, finding(email, behavior))


async def fall(world: World, email: str) -> None:
    users = await world.services.store.read(ACCOUNT, lambda tx: tx.users.find([finding(email).user]))
    await reset_user(world.services, ACCOUNT, COMMAND_LINE, users[email].user_id)


async def rise_and_fall(world: World, email: str, times: int) -> None:
    for _ in range(times):
        await rise(world, email)
        await fall(world, email)


async def superseded(world: World) -> list[Delivery]:
    integration_id = world.integration.integration_id
    return await world.services.store.read(
        ACCOUNT, lambda tx: tx.events.deliveries(integration_id, DeliveryState.SUPERSEDED, None, 1_000)
    )


async def test_what_waits_is_one_event_for_each_user(world: World) -> None:
    """From the level that the receiver knows; a level that is back is not sent. The claims of a retry are the same."""
    await rise(world, ANA)
    await world.deliver_once(256)
    await fall(world, ANA)
    await rise(world, ANA, "imp_travel")
    await rise_and_fall(world, BEN, 3)
    world.receiver.answers = lambda email: FAILED
    await world.deliver_once(256)
    world.receiver.answers = lambda email: ACCEPTED
    await rise(world, BEN)
    await fall(world, BEN)
    await pass_time(world.services.store, timedelta(hours=1))
    while (await world.ledger()).pending:
        await world.deliver_once(256)
    events = [event for one in world.receiver.seen for event in one.claims["events"].values()]
    said = [(event["previous_level"], event["current_level"]) for event in events]
    assert said == [("none", "high"), ("high", "medium"), ("high", "medium")]
    counted = await world.ledger()
    assert (counted.queued, counted.delivered, counted.superseded) == (11, 2, 9)
    assert len(await superseded(world)) == 9
    assert (await world.check()).states["superseded"] == 9


async def test_without_the_setting_each_change_is_sent(world: World) -> None:
    await coalesce(world, coalesces=False)
    await rise_and_fall(world, ANA, 3)
    await world.deliver_once(256)
    counted = await world.ledger()
    assert (counted.delivered, counted.superseded) == (6, 0)


async def test_a_backlog_longer_than_a_read_is_planned_as_a_whole(world: World) -> None:
    """The plan is kept from batch to batch, and the lane is released when nothing is left."""
    emails = [f"u{number}@example.com" for number in range(MAX_READ_EVENTS // 2 + 10)]
    await record(world.services, *[finding(email) for email in emails])
    await record(world.services, *[finding(email, "high_dlp") for email in emails])
    while (await world.ledger()).pending:
        await world.deliver_once(256)
    assert world.receiver.accepted == [(email, "high") for email in emails]
    counted = await world.ledger()
    assert (counted.delivered, counted.superseded) == (len(emails), len(emails))
    due = await world.services.store.read_installation(lambda tx: tx.lanes.next_due())
    assert due.due_in is None


async def test_a_lane_whose_backlog_is_void_is_not_due(world: World) -> None:
    """A worker would claim it every second, and find nothing."""
    await rise_and_fall(world, ANA, 2)
    delivered = await world.deliver_once(256)
    assert (delivered.settlement, world.receiver.pushes) == (None, 0)
    assert (await world.ledger()).superseded == 4
    due = await world.services.store.read_installation(lambda tx: tx.lanes.next_due())
    assert due.due_in is None
    await rise(world, ANA)
    await world.deliver_once(256)
    assert world.receiver.accepted == [(ANA, "high")]


async def test_what_was_pushed_before_the_setting_is_never_superseded(world: World) -> None:
    """A batch is in flight when the setting is enabled, and its worker dies: its events count as attempted."""
    await coalesce(world, coalesces=False)
    await rise_and_fall(world, ANA, 2)
    lease = await world.claim()
    work = await world.services.store.read_installation(lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, DAY))
    assert len(work.fresh) == 4
    await coalesce(world)
    await world.services.store.write_installation(lambda tx: tx.lanes.release_all())
    await rise_and_fall(world, ANA, 1)
    await world.deliver_once(256)
    # The last "none" is sent although the receiver gets that level before, in an event that is not settled yet.
    assert [level for _, level in world.receiver.accepted] == ["high", "none", "high", "none", "none"]
    assert (await world.ledger()).superseded == 1


async def test_a_superseded_delivery_is_not_sent_again(world: World) -> None:
    """It would tell the receiver an outdated level."""
    await rise_and_fall(world, ANA, 1)
    await world.deliver_once(256)
    (one, _) = await superseded(world)
    with pytest.raises(Invalid, match="later level change"):
        await retry_delivery(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, one.jti)


async def test_superseded_deliveries_stay_counted_when_they_are_purged(world: World) -> None:
    await rise_and_fall(world, ANA, 2)
    await world.deliver_once(256)
    before = await world.ledger()
    assert await purge_events(world.services, DAY) == 4
    assert await superseded(world) == []
    assert replace(await world.ledger(), oldest_pending=None) == replace(before, oldest_pending=None)


def test_the_ledger_is_counted_without_the_rows_of_superseded_events(tmp_path: Path) -> None:
    """They can be a million. The indexes of the other states have what is counted."""
    engine = sqlite_engine(tmp_path / "database")
    with engine.begin() as connection:
        upgrade(connection)
        asked: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        count_ledgers(connection)
        plans = [
            step.detail
            for query, values in tuple(asked)
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
            if "held_events" in step.detail
        ]
    assert all(re.search("held_events_(pending|dead|closed)_index", step) for step in plans), plans
    assert len(plans) == 4
    engine.dispose()


async def test_admission_is_stored_before_the_push(world: World) -> None:
    """So an attempt whose outcome was lost is never taken for no attempt."""
    await rise(world, ANA)
    lease = await world.claim()
    read = world.services.store.read_installation
    work = await read(lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, DAY))
    assert (work.cursor, work.admitted) == (0, 0)
    async with aclosing(SigningAhead(world.signer)) as signing:
        await push_batch(world.services, world.delivering, signing, lease, world.clock.monotonic(), 256)
    work = await read(lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, DAY))
    assert (work.cursor, work.admitted) == (0, 1)
