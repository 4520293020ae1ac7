"""Delivering a lane, over a real store, with a receiver that does what the test says."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.integrations import limit_integration, update_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.errors import LeaseLost
from riskrelay.core.integrations import DeliveryLimits
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.engine.deliver import deliver
from riskrelay.engine.pushing import SIGNED_AHEAD, SNAPSHOT
from riskrelay.engine.worker import Worker
from riskrelay.ports import Store
from support.delivering import ACCEPTED, FAILED, LEASE, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    return await world_of(sqlite_store, HandClock())


async def test_everything_queued_is_pushed_and_settled(world: World) -> None:
    """At most eight at once; nothing is left; the metrics know."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(50)])
    delivered = await world.deliver(await world.claim())
    assert len(delivered.attempts) == 50
    assert len(world.receiver.accepted) == 50
    assert world.receiver.most_at_once == 8
    assert (await world.ledger()).delivered == 50
    shown = await world.services.metrics.exposition(None, world.services.store.load(), writable=True)
    assert b'riskrelay_deliveries_total{outcome="accepted"} 50.0' in shown


async def test_few_sets_are_signed_in_vain(world: World) -> None:
    """A receiver stops the batch with its first answer: the SETs signed ahead are the only ones that are signed again,
    and the probe after it takes one of them."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(200)])
    world.receiver.answers = lambda email: Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429)
    world.delivering = replace(world.delivering, concurrency=1)
    lease = await world.claim()
    await world.deliver(lease)
    assert world.receiver.pushes == 1
    assert world.signer.signed == SIGNED_AHEAD
    world.receiver.answers = lambda email: ACCEPTED
    await world.deliver(lease, limit=1)
    await world.deliver(lease)
    assert len(world.receiver.accepted) == 200
    assert world.signer.signed == SIGNED_AHEAD + 199


async def test_what_the_next_batch_begins_with_is_signed_while_this_one_is_settled(world: World) -> None:
    """Signed once, pushed in its turn."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(BATCH_EVENTS + 20)])
    lease = await world.claim()
    await world.deliver(lease)
    assert world.receiver.pushes == BATCH_EVENTS
    assert world.signer.signed == BATCH_EVENTS + 20
    await world.deliver(lease)
    assert world.receiver.pushes == world.signer.signed == BATCH_EVENTS + 20
    assert (await world.ledger()).delivered == BATCH_EVENTS + 20


@pytest.mark.fault(34)
async def test_what_was_signed_ahead_for_another_audience_is_not_sent(world: World) -> None:
    """faults.md 34: the edit wins over everything that was not on its way yet."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(BATCH_EVENTS + 20)])
    lease = await world.claim()
    await world.deliver(lease)
    integration_id, moved = world.integration.integration_id, "https://moved.example.com"
    await update_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, moved, None, None)
    await world.deliver(lease)
    assert world.receiver.audiences == {"https://acme.example.com": BATCH_EVENTS, moved: 20}
    await world.check()


async def test_a_users_events_arrive_in_order(world: World) -> None:
    """One after the other, also when others fail in between."""
    for behavior in ("high_risk_domain", "imp_travel", "high_dlp"):
        await record(world.services, finding("kai@example.com", behavior), finding("ana@example.com", behavior))
    world.receiver.answers = lambda email: FAILED if email.startswith("ana") else ACCEPTED
    lease = await world.claim()
    await world.deliver(lease)
    assert [level for _, level in world.receiver.accepted] == ["low", "medium", "high"]
    counted = await world.ledger()
    assert (counted.delivered, counted.pending) == (3, 3)
    assert world.receiver.pushes == 4


@pytest.mark.parametrize("outcome", [REFUSED, FAILED])
async def test_nothing_of_a_subject_is_pushed_behind_what_was_not_accepted(world: World, outcome: Outcome) -> None:
    """The next event of the subject goes only when the outcome of the one before is written down."""
    for behavior in ("high_risk_domain", "imp_travel", "high_dlp"):
        await record(world.services, finding("ana@example.com", behavior))
    world.receiver.answers = lambda email: ACCEPTED if world.receiver.pushes == 1 else outcome
    lease = await world.claim()
    delivered = await world.deliver(lease)
    assert [attempt.seq for attempt in delivered.attempts] == [1, 2]
    assert world.receiver.pushes == 2


async def test_a_dead_receiver_is_left_alone_after_three_failures(world: World) -> None:
    """A batch does not push 256 times against a wall; then the lane probes with one."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(100)])
    world.receiver.answers = lambda email: FAILED
    world.delivering = replace(world.delivering, concurrency=1)
    lease = await world.claim()
    first = await world.deliver(lease)
    assert first.settlement is not None
    assert (len(first.attempts), first.settlement.failures) == (3, 1)
    second = await world.deliver(lease)
    assert second.settlement is not None
    assert (len(second.attempts), second.settlement.failures) == (1, 2)
    assert (await world.ledger()).pending == 100
    world.receiver.answers = lambda email: ACCEPTED
    await world.deliver(lease)
    await world.deliver(lease)
    assert (await world.ledger()).delivered == 100


@pytest.mark.fault(29)
async def test_a_refusal_is_a_dead_letter_and_others_go_on(world: World) -> None:
    """faults.md 29."""
    await record(world.services, finding("bad@example.com"), finding("good@example.com"))
    world.receiver.answers = lambda email: REFUSED if email.startswith("bad") else ACCEPTED
    await world.deliver(await world.claim())
    counted = await world.ledger()
    assert (counted.delivered, counted.dead, counted.pending) == (1, 1, 0)
    await world.check()


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401), StreamStatus.PAUSED),
        (Outcome(kind=OutcomeKind.GONE, reason="http_410", status=410), StreamStatus.DISABLED),
    ],
)
async def test_some_answers_stop_the_stream_and_keep_the_backlog(
    world: World, outcome: Outcome, status: StreamStatus
) -> None:
    """A 401 pauses the stream and a 410 disables it. Nothing more is pushed (faults.md 29)."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(20)])
    world.receiver.answers = lambda email: outcome
    world.delivering = replace(world.delivering, concurrency=1)
    lease = await world.claim()
    delivered = await world.deliver(lease)
    assert (delivered.stopped, world.receiver.pushes) == (True, 1)
    assert await world.status() is status
    assert (await world.ledger()).pending == 20
    assert (await world.deliver(lease)).stopped
    assert world.receiver.pushes == 1
    await world.check()


@pytest.mark.fault(26)
async def test_retry_after_delays_the_whole_lane(world: World) -> None:
    """faults.md 26: no push before the time."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(20)])
    throttled = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(seconds=90))
    world.receiver.answers = lambda email: throttled
    world.delivering = replace(world.delivering, concurrency=1)
    delivered = await world.deliver(await world.claim())
    assert delivered.settlement is not None
    assert (len(delivered.attempts), delivered.settlement.quiet_for) == (1, timedelta(seconds=90))
    await world.check()


@pytest.mark.fault(33)
async def test_without_a_key_nothing_unsigned_is_pushed(world: World) -> None:
    """Ours: the receiver is not blamed."""
    await record(world.services, finding())
    world.signer.broken = True
    delivered = await world.deliver(await world.claim())
    assert [attempt.outcome.reason for attempt in delivered.attempts] == ["no_signing_key"]
    assert delivered.settlement is not None
    assert delivered.settlement.failures == 0
    assert world.receiver.pushes == 0
    await world.check()


async def test_no_push_starts_when_the_lease_is_nearly_over(world: World) -> None:
    """The worker stops by its own clock before another may begin (design 3)."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(50)])
    world.delivering = replace(world.delivering, concurrency=1)
    world.receiver.before_answer = lambda: world.clock.pass_time(timedelta(seconds=0.1))
    lease = await world.claim()
    leased_at = world.clock.monotonic() - 27.75  # 28 s are for pushes
    delivered = await deliver(world.services, world.delivering, world.signing, lease, leased_at, BATCH_EVENTS)
    assert len(delivered.attempts) == 3
    assert (await world.ledger()).delivered == 3
    assert delivered.settlement is not None
    assert delivered.settlement.due_in == timedelta(0)


@pytest.mark.fault(34)
async def test_no_push_starts_when_the_stream_was_read_a_second_ago(world: World) -> None:
    """It may have been disabled since; the next batch reads it again."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(50)])
    world.delivering = replace(world.delivering, concurrency=1)
    world.receiver.before_answer = lambda: world.clock.pass_time(0.3 * SNAPSHOT)
    lease = await world.claim()
    assert len((await world.deliver(lease)).attempts) == 4
    assert len((await world.deliver(lease)).attempts) == 4
    assert (await world.ledger()).delivered == 8
    await world.check()


@pytest.mark.fault(20)
async def test_a_worker_that_lost_its_lease_writes_nothing(world: World) -> None:
    """What it pushed will be pushed again; nothing goes back or forward by its hand (faults.md 20)."""
    await record(world.services, finding())
    lease = await world.claim()
    await world.services.store.write_installation(lambda tx: tx.lanes.release_all())
    with pytest.raises(LeaseLost):
        await world.deliver(lease)
    again = await world.claim()
    assert len((await world.deliver(again)).attempts) == 1
    await world.check()


async def test_a_worker_delivers_what_it_is_woken_for_and_drains_when_stopped(world: World) -> None:
    """Woken by the commit; stop lets what is in flight end and gives the lanes back."""
    worker = Worker(world.services, world.delivering, timedelta(seconds=10))
    services = replace(world.services, wake=worker.wake)
    running = asyncio.create_task(worker.run())
    for number in range(20):
        await record(services, finding(f"u{number}@example.com"))
        while len(world.receiver.accepted) <= number:
            await asyncio.sleep(0.001)
    await record(services, *[finding(f"late{n}@example.com") for n in range(50)])
    worker.stop()
    await running
    counted = await world.ledger()
    assert counted.delivered == len(world.receiver.accepted)
    leases = await world.services.store.write_installation(lambda tx: tx.lanes.claim(5, LEASE))
    assert len(leases) == (1 if counted.pending else 0)


async def test_a_limit_of_pushes_a_second_spaces_them(world: World) -> None:
    """Also from one batch to the next, with nothing remembered between them; a batch has a second's worth."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(25)])
    limits = DeliveryLimits(pushes_per_second=10, concurrency=1)
    await limit_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, limits)
    starts: list[float] = []
    world.receiver.before_answer = lambda: starts.append(world.clock.monotonic())
    lease = await world.claim()
    assert [len((await world.deliver(lease)).attempts) for _ in range(3)] == [10, 10, 5]
    assert world.receiver.most_at_once == 1
    assert starts == pytest.approx([0.1 * (n + 1) for n in range(25)])
