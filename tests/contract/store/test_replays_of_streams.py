"""A replay of an integration that has several streams: none keeps it from the others. On both engines."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.replays import continue_replays, control_replay, start_replay
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS, settle
from riskrelay.core.delivery.replays import MAX_WITHOUT_NEW, Replay, ReplayFilter
from riskrelay.core.integrations import Integration
from riskrelay.core.jobs import JobStatus
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import Configuration, Party, Push, Stream, StreamId, StreamStatus
from riskrelay.ports import Services, Store, Transaction
from support.receiver_world import ENDPOINT, RISK
from support.services import services_of
from support.world import ACCOUNT, account_with_integration, finding, record

RETENTION = timedelta(days=36_500)  # events of these tests bear the hand clock's date
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)


class World:
    """An integration with two streams; a replay comes to the first one first."""

    def __init__(self, services: Services, integration: Integration, first: Stream, second: Stream) -> None:
        self.services, self.integration, self.first, self.second = services, integration, first, second

    async def queue(self, count: int) -> None:
        """Queue so many events on each stream, and let them die there."""
        await record(self.services, *[finding(f"u{number}@example.com") for number in range(count)])
        for _ in range(0, count, BATCH_EVENTS):
            await self.work(REFUSED)

    async def work(self, outcome: Outcome) -> None:
        """Whatever may be pushed is answered so."""
        store = self.services.store
        for lease in await store.write_installation(lambda tx: tx.lanes.claim(5, timedelta(0))):
            work = await store.read_installation(lambda tx: tx.lanes.read(lease, 256, RETENTION))  # noqa: B023  ends here
            said = {event.seq: outcome for event in [*work.held, *work.fresh]}
            settled = settle(work, said, lambda: 0.0)
            await store.write_installation(lambda tx: tx.lanes.settle(lease, work, settled, [], timedelta(0)))  # noqa: B023

    async def set_status(self, status: StreamStatus) -> None:
        """Of the first stream."""

        def store(tx: Transaction) -> None:
            tx.streams.set_status(self.first.stream_id, status, None, Party.TRANSMITTER)
            tx.streams.refresh_lanes(replace(self.first, status=status), is_fixed=True)

        await self.services.store.write(ACCOUNT, store)

    async def start(self) -> Replay:
        """A replay of all that is dead."""
        integration_id = self.integration.integration_id
        wanted = ReplayFilter(
            state=DeliveryState.DEAD,
            reason=None,
            queued_from=None,
            queued_to=self.services.clock.now() + timedelta(seconds=1),
        )
        count, _ = await self.services.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, wanted, 0))
        return await start_replay(self.services, ACCOUNT, COMMAND_LINE, integration_id, wanted, count)

    async def go_on(self) -> None:
        """Until the replay cannot."""
        while await continue_replays(self.services):
            pass

    async def seen(self, replay: Replay) -> tuple[JobStatus, int, int]:
        """Its status, what it has put back, and its total."""
        place = (self.integration.integration_id, replay.replay_id)
        found = await self.services.store.read(ACCOUNT, lambda tx: tx.replays.get(*place))
        assert found is not None
        return found.status, found.replayed, found.total

    async def pending(self) -> tuple[int, int]:
        """How many wait on the first stream and on the second."""
        ledgers = {one.stream_id: one for one in await self.services.store.read_installation(lambda tx: tx.ledgers())}
        assert not any(one.imbalance for one in ledgers.values())
        return ledgers[self.first.stream_id].pending, ledgers[self.second.stream_id].pending


@pytest.fixture
async def world(store: Store) -> World:
    services = services_of(store)
    integration = await account_with_integration(services)
    (first,) = await store.read(ACCOUNT, lambda tx: tx.streams.of_integration(integration.integration_id))
    configuration = Configuration(audience="audience", delivery=Push(ENDPOINT), events_requested=(RISK,))
    last_id = StreamId("ffffffff-0000-4000-8000-000000000001")
    second = Stream(
        stream_id=last_id,
        integration=integration,
        status=StreamStatus.ENABLED,
        lanes=1,
        configuration=configuration,
        status_set_by=Party.RECEIVER,
    )
    await store.write(ACCOUNT, lambda tx: tx.streams.add(second))
    return World(services, integration, first, second)


async def test_a_paused_stream_is_passed_over_and_come_back_to(world: World) -> None:
    """The replay runs on until the stream goes on; each event is put back once."""
    await world.queue(5)
    await world.set_status(StreamStatus.PAUSED)
    replay = await world.start()
    await world.go_on()
    assert (await world.pending(), await world.seen(replay)) == ((0, 5), (JobStatus.RUNNING, 5, 10))
    await world.work(REFUSED)
    await world.set_status(StreamStatus.ENABLED)
    await world.go_on()
    assert (await world.pending(), await world.seen(replay)) == ((5, 0), (JobStatus.COMPLETED, 10, 10))


async def test_a_disabled_stream_does_not_keep_a_replay_running(world: World) -> None:
    """It is completed without what only that stream had."""
    await world.queue(5)
    await world.set_status(StreamStatus.DISABLED)
    replay = await world.start()
    await world.go_on()
    assert (await world.pending(), await world.seen(replay)) == ((0, 5), (JobStatus.COMPLETED, 5, 10))


async def test_a_lane_with_enough_waiting_is_passed_over_and_come_back_to(world: World) -> None:
    """Also across a pause of the replay."""
    await world.queue(MAX_WITHOUT_NEW + 10)
    replay = await world.start()
    await world.go_on()
    assert await world.pending() == (MAX_WITHOUT_NEW, MAX_WITHOUT_NEW)
    for status in (JobStatus.PAUSED, JobStatus.RUNNING):
        place = (world.integration.integration_id, replay.replay_id, status)
        await control_replay(world.services, ACCOUNT, COMMAND_LINE, *place)
    await world.work(ACCEPTED)
    await world.go_on()
    assert await world.pending() == (10, 10)
    assert await world.seen(replay) == (JobStatus.COMPLETED, 2 * MAX_WITHOUT_NEW + 20, 2 * MAX_WITHOUT_NEW + 20)
