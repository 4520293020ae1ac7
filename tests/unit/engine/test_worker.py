"""What a worker claims, and for how long it keeps it; over a real store, with a receiver in memory."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from riskrelay.actions.integrations import NewIntegration, create_integration, delete_integration
from riskrelay.actions.upkeep import expire_events
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.integrations import AccountId, IntegrationType, OpenedTls
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import STREAM_DISABLED, Party, Stream, StreamStatus
from riskrelay.engine import pushing, scan_schedule
from riskrelay.engine import worker as working
from riskrelay.engine.worker import MAX_NAMED
from riskrelay.ports import Installation, Services, Store, Transaction
from support.delivering import ACCEPTED, FAILED, LEASE, Receiver, World, world_of
from support.services import HandClock
from support.working import BatchSizes, running, until
from support.world import ACCOUNT, ORIGIN, account_with_integration, finding, record

LONG = timedelta(hours=1)


@pytest.fixture
async def world(store: Store) -> World:
    return await world_of(store, HandClock())


def _has_come(world: World, before: int) -> bool:
    return len(world.receiver.accepted) > before


async def claimed_by_another_node(world: World) -> int:
    """Queue an event that no wake announces.

    Returns: how many lanes another node can claim then.
    """
    await record(world.services, finding("unheard@example.com"))
    return len(await world.services.store.write_installation(lambda tx: tx.lanes.claim(99, LEASE)))


async def deliver_in_turn(world: World, services: Services, count: int, done: Callable[[], bool]) -> None:
    """Record *count* changes, each when the one before has arrived and *done* holds."""
    for number in range(count):
        before = len(world.receiver.accepted)
        await record(services, finding(f"u{number}@example.com"))
        await until(partial(_has_come, world, before))
        await until(done)


async def test_an_idle_lane_is_held_for_a_while(world: World) -> None:
    """No other node can claim it when it has nothing to do."""
    async with running(world, LONG) as (_, services):
        await deliver_in_turn(world, services, 5, lambda: True)
        assert await claimed_by_another_node(world) == 0


async def test_after_its_turn_an_idle_lane_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """This node claims it again for the next event, without a scan: its clock stands still. Another node can, too."""
    monkeypatch.setattr(working, "TURN", 0)
    async with running(world, LONG) as (worker, services):
        await deliver_in_turn(world, services, 5, lambda: worker.lanes_held == 0)
        assert await claimed_by_another_node(world) == 1


async def test_a_lane_without_a_wake_up_is_found_by_a_scan(world: World) -> None:
    """A wake that got lost."""
    world.clock.run()
    async with running(world, timedelta(0)) as (worker, _):
        await deliver_in_turn(world, world.services, 2, lambda: worker.lanes_held == 0)


async def test_many_lanes_at_once_are_found_by_one_scan(world: World) -> None:
    """More lanes than are claimed by name get their events at once, each event once."""
    streams = MAX_NAMED + 2
    for number in range(streams - 1):
        url = f"https://{number}.example.com"
        await create_integration(
            world.services,
            ACCOUNT,
            COMMAND_LINE,
            NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=url),
            public_origin=ORIGIN,
        )
    async with running(world, LONG) as (_, services):
        await record(services, finding())
        await until(lambda: len(world.receiver.accepted) == streams)
        assert await claimed_by_another_node(world) == 0
    assert world.receiver.pushes == streams


async def test_a_lane_whose_events_have_all_expired_is_not_due_any_more(world: World) -> None:
    """Behind a receiver that was down for the whole retention: nobody claims such lanes again and again."""
    world.receiver.answers = lambda email: FAILED
    await record(world.services, finding())
    await world.deliver_once(1)
    assert await expire_events(world.services, timedelta(0)) == 1
    due = await world.services.store.read_installation(lambda tx: tx.lanes.next_due())
    assert due.due_in is None
    world.receiver.answers = lambda email: ACCEPTED
    await record(world.services, finding("later@example.com"))
    due = await world.services.store.read_installation(lambda tx: tx.lanes.next_due())
    assert due.due_in is not None
    await world.check()


async def test_a_lane_stays_due_while_something_of_it_has_not_expired(world: World) -> None:
    """One that was put back, whose retention has begun anew."""
    world.receiver.answers = lambda email: Outcome(kind=OutcomeKind.REJECTED, reason="invalid_request", status=400)
    await record(world.services, finding(), finding("other@example.com"))
    (attempt,) = (await world.deliver_once(1)).attempts
    integration = world.integration.integration_id
    await world.services.store.write(ACCOUNT, lambda tx: tx.replays.retry(integration, attempt.jti))
    assert await expire_events(world.services, timedelta(hours=1)) == 1
    due = await world.services.store.read_installation(lambda tx: tx.lanes.next_due())
    assert due.due_in is not None
    await world.check()


async def test_a_lane_whose_lease_ended_unnoticed_is_claimed_once_more(world: World) -> None:
    """The database was away for longer than the lease: who had the lane before ends, and takes nothing with it."""
    async with running(world, LONG) as (worker, services):
        await deliver_in_turn(world, services, 1, lambda: worker.lanes_held == 1)
        while (await world.ledger()).delivered == 0:
            await asyncio.sleep(0.001)
        await world.services.store.write_installation(lambda tx: tx.lanes.release_all())
        world.clock.run()
        await record(world.services, finding("unheard@example.com"))
        await until(lambda: len(world.receiver.accepted) == 2)
        await record(services, finding("later@example.com"))
        await until(lambda: len(world.receiver.accepted) == 3)
        assert await claimed_by_another_node(world) == 0
    assert world.receiver.pushes == 3
    await world.check()


async def test_after_a_failure_the_batches_double(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of one event; it works, and 2, 4, 8 … follow, so that who has just come back is not overrun."""
    sizes = BatchSizes()
    world.services = replace(world.services, observer=sizes)
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(600)))
    world.receiver.answers = lambda email: ACCEPTED if sizes.seen else FAILED
    monkeypatch.setattr(pushing, "SNAPSHOT", LONG)
    world.clock.run()
    async with running(world, LONG):
        await until(lambda: len(world.receiver.accepted) == 600)
    assert sizes.seen[1:] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 600 - 511]
    await world.check()


class SlowInPart(Receiver):
    """Takes its time at tenants whose name says so, and counts what each took until the quick one had its event."""

    def __init__(self) -> None:
        super().__init__()
        self.before_quick: Counter[str] = Counter()
        self.quick_had_its = False

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        if "quick" in endpoint_url:
            self.quick_had_its = True
        elif not self.quick_had_its:
            self.before_quick[endpoint_url] += 1
            await asyncio.sleep(0.01)
        return await super().push(endpoint_url, token, authorization, tls)


async def test_a_lane_with_a_backlog_makes_room_for_one_that_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow receivers that take everything have every place; another gets its event long before they are done."""
    monkeypatch.setattr(working, "MAX_LANES", 2)
    monkeypatch.setattr(working, "SLOT_FOR", timedelta(0))
    world.clock.run()
    receiver = SlowInPart()
    world.delivering = replace(world.delivering, pusher=receiver)
    backlog = [finding(f"u{number}@example.com") for number in range(3 * BATCH_EVENTS)]
    for name in ("slow-1", "slow-2", "quick"):
        account = AccountId(name)
        await account_with_integration(world.services, account, f"https://{name}.example.com")
        await record(world.services, *(backlog if name != "quick" else [finding()]), account_id=account)
    async with running(world, timedelta(0)) as (worker, _):
        await until(lambda: len(receiver.accepted) == 2 * len(backlog) + 1)
        await until(lambda: worker.lanes_held == 0)
    assert len(receiver.before_quick) == 2
    assert max(receiver.before_quick.values()) < len(backlog)


async def test_a_lane_that_was_throttled_begins_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that takes a few and sheds the rest with 429: the next batch is a probe, and the batches double."""
    sizes = BatchSizes()
    world.services = replace(world.services, observer=sizes)
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(100)))
    shed = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429)
    world.receiver.answers = lambda email: ACCEPTED if sizes.seen or world.receiver.pushes <= 5 else shed
    monkeypatch.setattr(pushing, "SNAPSHOT", LONG)
    world.clock.run()
    async with running(world, LONG):
        await until(lambda: len(world.receiver.accepted) == 100)
    assert sizes.seen[1:6] == [1, 2, 4, 8, 16]
    await world.check()


async def test_an_unexpected_error_delays_a_lane_for_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane is given back and delivered, and so are others meanwhile."""
    monkeypatch.setattr(working, "_AFTER_REFUSAL", timedelta(milliseconds=10))
    broken = iter([True])

    def break_once() -> None:
        if next(broken, False):
            raise LookupError("a defect")

    world.receiver.before_answer = break_once
    world.clock.run()
    async with running(world, LONG) as (_, services):
        await record(services, finding())
        await until(lambda: len(world.receiver.accepted) == 1)
    assert world.receiver.pushes == 2
    await world.check()


async def test_an_error_in_a_scan_does_not_end_delivery(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look finds what there is."""
    monkeypatch.setattr(scan_schedule, "AFTER_ERROR", timedelta(milliseconds=10))
    read = world.services.store.read_installation
    failures = iter([LookupError("a defect")])

    async def failing_once(work: Callable[[Installation], Any]) -> Any:
        for error in failures:
            raise error
        return await read(work)

    await record(world.services, finding())
    monkeypatch.setattr(world.services.store, "read_installation", failing_once)
    world.clock.run()
    async with running(world, timedelta(0)):
        await until(lambda: len(world.receiver.accepted) == 1)
    await world.check()


class Interrupted(Receiver):
    """Lets something happen during the first push, before its answer."""

    def __init__(self, during: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._during = during

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        if not self.pushes:
            await self._during()
        return await super().push(endpoint_url, token, authorization, tls)


def _cancel(tx: Transaction, stream: Stream, status: StreamStatus) -> None:
    tx.streams.set_status(stream.stream_id, status, None, Party.RECEIVER)
    tx.streams.cancel_backlog(stream, stream.all_lanes, STREAM_DISABLED, 1_000)


@pytest.mark.parametrize("how", ["integration deleted", "stream disabled"])
async def test_a_stream_that_ends_during_its_first_push_is_no_warning(world: World, how: str) -> None:
    """The worker notes that the lane was withdrawn, at info, and names no other worker; the delivery is cancelled."""
    store, integration_id = world.services.store, world.integration.integration_id
    (stream,) = await store.read(ACCOUNT, lambda tx: tx.streams.of_integration(integration_id))

    async def end() -> None:
        if how == "integration deleted":
            await delete_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id)
        else:
            await store.write(ACCOUNT, lambda tx: _cancel(tx, stream, StreamStatus.DISABLED))

    world.delivering = replace(world.delivering, pusher=Interrupted(end))
    with capture_logs() as logs:
        async with running(world, LONG) as (worker, services):
            await record(services, finding())
            await until(lambda: any(line["event"] == "lane_withdrawn" for line in logs))
            await until(lambda: worker.lanes_held == 0)
    assert [line["event"] for line in logs if line["log_level"] not in ("debug", "info")] == []


async def test_a_lane_that_another_worker_claimed_during_a_push_is_a_warning(world: World) -> None:
    """The lease ended too early, which the operator should know: the batch goes out once more."""
    store = world.services.store
    world.delivering = replace(
        world.delivering, pusher=Interrupted(lambda: store.write_installation(lambda tx: tx.lanes.release_all()))
    )
    with capture_logs() as logs:
        async with running(world, LONG) as (_, services):
            await record(services, finding())
            await until(lambda: any(line["event"] == "lease_lost" for line in logs))
    (line,) = [line for line in logs if line["event"] == "lease_lost"]
    assert line["log_level"] == "warning"
