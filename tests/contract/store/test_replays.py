"""Replays and retries: settled deliveries become pending again, and the ledger counts each once. On both engines."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs
from sqlalchemy import Connection, select

from riskrelay.actions import replays as continuing
from riskrelay.actions.deliveries import retry_delivery
from riskrelay.actions.erasures import erase_user
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.replays import continue_replays, control_replay, start_replay
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState, Ledger
from riskrelay.core.delivery.handover import lane_of
from riskrelay.core.delivery.lanes import BATCH_EVENTS, LaneKey, LaneLease, settle
from riskrelay.core.delivery.replays import MAX_BESIDE_NEW, MAX_WITHOUT_NEW, Replay, ReplayFilter
from riskrelay.core.errors import Invalid, NotFound, Unavailable
from riskrelay.core.integrations import Integration
from riskrelay.core.jobs import JobStatus
from riskrelay.core.risk.findings import UserRef
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import NO_PHASES, Outcome, OutcomeKind, Phases
from riskrelay.ports import Services, Store, Transaction
from riskrelay.storage.tables import replay_users
from support.services import NOON, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

LEASE = timedelta(minutes=1)
RETENTION = timedelta(days=36_500)  # events of these tests bear the hand clock's date
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)


class World:
    """A store with one integration, and a worker of it that does one thing at a time."""

    def __init__(self, services: Services, integration: Integration) -> None:
        self.services, self.integration = services, integration

    async def queue(self, *names: str, behavior: str = "high_dlp") -> None:
        await record(self.services, *[finding(f"{name}@example.com", behavior) for name in names])

    async def claim(self) -> LaneLease:
        (lease,) = await self.services.store.write_installation(lambda tx: tx.lanes.claim(5, timedelta(0)))
        return lease

    async def work(self, outcome: Outcome = ACCEPTED, lease: LaneLease | None = None) -> list[Jti]:
        """Claim the lane, push everything that may be pushed, settle.

        Returns: what was pushed.
        """
        lease = lease or await self.claim()
        store = self.services.store
        work = await store.read_installation(lambda tx: tx.lanes.read(lease, 256, RETENTION))
        events = [event for event in [*work.held, *work.fresh] if event.due_in <= timedelta(0)]
        outcomes = {event.seq: outcome for event in events}
        tried = [
            Attempt(
                seq=event.seq,
                jti=event.jti,
                number=event.attempts + 1,
                queued_at=NOON,
                started_at=NOON,
                duration=timedelta(0),
                outcome=outcome,
            )
            for event in events
        ]
        settlement = settle(work, outcomes, lambda: 0.0)
        await store.write_installation(lambda tx: tx.lanes.settle(lease, work, settlement, tried, timedelta(0)))
        return [event.jti for event in events]

    async def refuse(self, count: int) -> None:
        """Queue so many events, and let the receiver refuse each of them."""
        await self.queue(*[f"u{number}" for number in range(count)])
        for _ in range(0, count, BATCH_EVENTS):
            await self.work(REFUSED)

    async def ledger(self) -> Ledger:
        (ledger,) = await self.services.store.read_installation(lambda tx: tx.ledgers())
        assert ledger.imbalance == 0
        return ledger

    async def deliveries(self, state: DeliveryState | None = None) -> list[Delivery]:
        integration_id = self.integration.integration_id
        newest = await self.services.store.read(
            ACCOUNT, lambda tx: tx.events.deliveries(integration_id, state, None, 1_000)
        )
        return newest[::-1]

    async def replay(
        self, state: DeliveryState, reason: str | None = None, users: Sequence[str] | None = None
    ) -> Replay:
        integration_id = self.integration.integration_id
        wanted = ReplayFilter(
            state=state,
            reason=reason,
            queued_from=None,
            queued_to=self.services.clock.now() + timedelta(seconds=1),
            users=users,
        )
        count, _ = await self.services.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, wanted, 0))
        return await start_replay(self.services, ACCOUNT, COMMAND_LINE, integration_id, wanted, count)

    async def listed(self) -> int:
        """How many users of replays are stored."""

        def count(tx: Transaction) -> int:
            return len(connection_of(tx).execute(select(replay_users)).all())

        return await self.services.store.read(ACCOUNT, count)

    async def control(self, replay: Replay, status: JobStatus) -> Replay:
        place = (self.integration.integration_id, replay.replay_id, status)
        return await control_replay(self.services, ACCOUNT, COMMAND_LINE, *place)

    async def seen(self, replay: Replay) -> Replay:
        place = (self.integration.integration_id, replay.replay_id)
        found = await self.services.store.read(ACCOUNT, lambda tx: tx.replays.get(*place))
        assert found is not None
        return found

    async def retry(self, jti: Jti) -> Delivery:
        return await retry_delivery(self.services, ACCOUNT, COMMAND_LINE, self.integration.integration_id, jti)


def connection_of(tx: Transaction) -> Connection:
    """For tables that no port reads."""
    found = getattr(tx, "_connection", None)
    assert isinstance(found, Connection)
    return found


@pytest.fixture
async def world(store: Store) -> World:
    services = services_of(store)
    return World(services, await account_with_integration(services))


async def test_dead_letters_are_replayed_with_their_jti_in_order(world: World) -> None:
    """Pending again, pushed in the old order, delivered; the ledger balances at each step."""
    await world.queue("a", "b", "c")
    sent = await world.work(REFUSED)
    assert (await world.ledger()).dead == 3
    replay = await world.replay(DeliveryState.DEAD)
    assert (replay.total, replay.status) == (3, JobStatus.RUNNING)
    await continue_replays(world.services)
    counted = await world.ledger()
    assert (counted.dead, counted.pending) == (0, 3)
    assert [delivery.reason for delivery in await world.deliveries()] == ["replayed"] * 3
    assert await world.work() == sent
    counted = await world.ledger()
    assert (counted.queued, counted.delivered, counted.pending) == (3, 3, 0)
    await continue_replays(world.services)
    over = await world.seen(replay)
    assert (over.status, over.replayed) == (JobStatus.COMPLETED, 3)
    assert [len(delivery.attempts) for delivery in await world.deliveries()] == [2, 2, 2]


async def test_delivered_events_are_counted_once_while_they_go_out_again(world: World) -> None:
    """delivered - 1 and pending + 1, then back; an attempt gets the next number."""
    await world.queue("a", "b")
    sent = await world.work()
    await world.replay(DeliveryState.DELIVERED)
    await continue_replays(world.services)
    counted = await world.ledger()
    assert (counted.delivered, counted.pending) == (0, 2)
    assert await world.work(REFUSED) == sent
    counted = await world.ledger()
    assert (counted.delivered, counted.dead) == (0, 2)
    assert [attempt.number for attempt in (await world.deliveries())[0].attempts] == [1, 2]


async def test_a_replay_takes_what_its_filter_says(world: World) -> None:
    """By reason and by time; what is counted before is what is replayed."""
    await world.queue("a")
    await world.work(REFUSED)
    await world.queue("b")
    await world.work(structs.replace(REFUSED, reason="invalid_key"))
    replay = await world.replay(DeliveryState.DEAD, "invalid_key")
    await continue_replays(world.services)
    assert replay.total == (await world.seen(replay)).replayed == 1
    assert [delivery.state for delivery in await world.deliveries()] == [DeliveryState.DEAD, DeliveryState.PENDING]
    integration_id = world.integration.integration_id
    early = ReplayFilter(state=DeliveryState.DEAD, reason=None, queued_from=None, queued_to=NOON - timedelta(seconds=1))
    found = await world.services.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, early, 10))
    assert found == (0, [])


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED], ids=["delivered", "dead"])
async def test_a_replay_of_listed_users_takes_only_their_deliveries(world: World, outcome: Outcome) -> None:
    """Letter case does not matter; what is counted before is what is replayed; the list is deleted when it is over."""
    await world.queue("a", "b", "c", "d")
    sent = await world.work(outcome)
    state = DeliveryState.DELIVERED if outcome is ACCEPTED else DeliveryState.DEAD
    replay = await world.replay(state, users=["B@example.com", "b@Example.com", "d@example.com", "x@example.com"])
    assert (replay.total, replay.listed) == (2, 3)
    assert await world.work() == [sent[1], sent[3]]
    assert await world.listed() == 3
    await continue_replays(world.services)
    over = await world.seen(replay)
    assert (over.status, over.replayed, over.listed) == (JobStatus.COMPLETED, 2, 3)
    assert await world.listed() == 0


async def test_a_replay_skips_a_listed_user_who_was_erased(world: World) -> None:
    """The erasure removes the address from the list. The other users' deliveries are replayed."""
    await world.queue("a", "b")
    sent = await world.work(REFUSED)
    integration_id = world.integration.integration_id
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, reason=None)
    replay = await world.replay(DeliveryState.DEAD, users=["a@example.com", "b@example.com"])
    users = await world.services.store.read(ACCOUNT, lambda tx: tx.users.find([UserRef("a@example.com")]))
    (user,) = users.values()
    await erase_user(world.services, ACCOUNT, COMMAND_LINE, user.user_id)
    assert await world.listed() == 1
    await resume_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id)
    await continue_replays(world.services)
    assert await world.work() == [sent[1]]
    await continue_replays(world.services)
    assert (await world.seen(replay)).status is JobStatus.COMPLETED


async def test_a_replay_fills_a_batch_of_a_lane_without_new_events(world: World) -> None:
    """A step puts back a batch and the beginning of the next one. The next step continues when they are settled."""
    await world.refuse(MAX_WITHOUT_NEW + 10)
    await world.replay(DeliveryState.DEAD)
    assert (await world.ledger()).pending == MAX_WITHOUT_NEW
    assert not await continue_replays(world.services)
    assert len(await world.work()) == MAX_WITHOUT_NEW
    assert await continue_replays(world.services)
    assert (await world.ledger()).pending == 10


async def test_a_replay_leaves_half_of_each_batch_to_new_events(world: World) -> None:
    """While the lane has new events, half a batch of replayed events waits at most."""
    await world.refuse(2 * BATCH_EVENTS)
    await world.queue("new")
    await world.replay(DeliveryState.DEAD)
    assert (await world.ledger()).pending == MAX_BESIDE_NEW + 1
    assert not await continue_replays(world.services)
    assert len(await world.work()) == MAX_BESIDE_NEW + 1
    assert await continue_replays(world.services)
    assert (await world.ledger()).pending == MAX_WITHOUT_NEW
    await world.queue("later")
    assert not await continue_replays(world.services)
    assert (await world.ledger()).pending == MAX_WITHOUT_NEW + 1


async def test_a_started_and_a_resumed_replay_wake_their_lanes_at_once(world: World) -> None:
    """The request takes the first step and wakes the lane after the commit; a pause and a cancellation wake none."""
    await world.refuse(MAX_WITHOUT_NEW + 10)
    woken: list[list[LaneKey]] = []
    world.services = replace(world.services, wake=lambda lanes: woken.append([*map(lane_of, lanes)]))
    replay = await world.replay(DeliveryState.DEAD)
    lease = await world.claim()
    assert woken == [[lease.key]]
    await world.control(replay, JobStatus.PAUSED)
    await world.work(ACCEPTED, lease)
    assert not await continue_replays(world.services)
    assert (await world.ledger()).pending == 0
    assert woken == [[lease.key]]
    await world.control(replay, JobStatus.RUNNING)
    assert (await world.ledger()).pending == 10
    assert woken == [[lease.key], [lease.key]]
    await world.control(replay, JobStatus.CANCELLED)
    assert len(woken) == 2


async def test_a_replay_is_started_although_its_first_step_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away after the commit fails no request: the sweep takes the first step."""

    async def away(services: Services, lane: LaneKey) -> list[LaneKey]:
        raise Unavailable("database is away")

    await world.refuse(3)
    with monkeypatch.context() as patched:
        patched.setattr(continuing, "continue_replay_of", away)
        replay = await world.replay(DeliveryState.DEAD)
    assert (await world.ledger()).pending == 0
    assert await continue_replays(world.services)
    assert (await world.seen(replay)).replayed == 3


async def test_a_paused_replay_does_nothing_and_a_cancelled_one_never_again(world: World) -> None:
    """What it has put back is delivered all the same; the same status again is no error, another one is refused."""
    await world.refuse(MAX_WITHOUT_NEW + 2)
    replay = await world.replay(DeliveryState.DEAD)
    await world.control(replay, JobStatus.PAUSED)
    await world.work()
    await continue_replays(world.services)
    assert (await world.ledger()).pending == 0
    await world.control(replay, JobStatus.RUNNING)
    assert (await world.ledger()).pending == 2
    await world.control(replay, JobStatus.CANCELLED)
    assert (await world.control(replay, JobStatus.CANCELLED)).status is JobStatus.CANCELLED
    with pytest.raises(Invalid):
        await world.control(replay, JobStatus.RUNNING)
    await world.work()
    assert (await world.ledger()).delivered == MAX_WITHOUT_NEW + 2


async def test_a_replay_waits_while_its_stream_is_stopped(world: World) -> None:
    """And goes on by itself when it is resumed."""
    await world.queue("a")
    await world.work(REFUSED)
    place = (world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id)
    await pause_integration(*place, None)
    replay = await world.replay(DeliveryState.DEAD)
    assert not await continue_replays(world.services)
    assert (await world.seen(replay)).status is JobStatus.RUNNING
    await resume_integration(*place)
    assert await continue_replays(world.services)
    assert (await world.ledger()).pending == 1


async def test_events_requeued_during_a_batch_keep_the_lane_due(world: World) -> None:
    """A worker that read the lane before must not put it to rest when it settles."""
    await world.queue("a")
    await world.work(REFUSED)
    await world.queue("b")
    lease = await world.claim()
    store = world.services.store
    work = await store.read_installation(lambda tx: tx.lanes.read(lease, 256, RETENTION))
    (dead,) = await world.deliveries(DeliveryState.DEAD)
    await world.retry(dead.jti)
    settlement = settle(work, {2: ACCEPTED}, lambda: 0.0)
    await store.write_installation(lambda tx: tx.lanes.settle(lease, work, settlement, [], timedelta(0)))
    assert await world.work() == [dead.jti]


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED, FAILED], ids=["delivered", "dead", "waiting"])
async def test_one_delivery_is_retried_whatever_became_of_it(world: World, outcome: Outcome) -> None:
    """It is pending and due, and nothing else is touched."""
    await world.queue("a", "b")
    sent = await world.work(outcome)
    retried = await world.retry(sent[0])
    assert (retried.jti, retried.state) == (sent[0], DeliveryState.PENDING)
    lease = await world.claim() if outcome is not FAILED else None
    if lease is not None:
        assert sent[0] in await world.work(ACCEPTED, lease)
    await world.ledger()


async def test_an_unknown_event_cannot_be_retried(world: World) -> None:
    """An unknown jti, and another integration."""
    await world.queue("a")
    with pytest.raises(NotFound):
        await world.retry(Jti("00000000-0000-4000-8000-000000999999"))


@pytest.mark.parametrize(
    "phases",
    [NO_PHASES, Phases(first_byte=timedelta(0)), Phases(*(timedelta(microseconds=n) for n in (7, 80, 900, 10_000)))],
)
async def test_the_phases_of_an_attempt_are_read_as_they_were_written(world: World, phases: Phases) -> None:
    """To the microsecond; what there was not stays absent."""
    await world.queue("kai")
    await world.work(structs.replace(ACCEPTED, phases=phases))
    ((attempt,),) = [delivery.attempts for delivery in await world.deliveries()]
    assert attempt.outcome.phases == phases
