"""Pushing receivers' streams: endpoint, header and audience of the stream, and what a refusal does (RFC 8935; SSF 1.0
§6.1.1, §8.1.5), over both engines."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.actions.integrations import update_integration
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS, LaneKey, LaneLease, Settlement
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.signals import stream_updated
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import StreamId, StreamStatus
from riskrelay.engine.deliver import deliver
from riskrelay.engine.pushing import Delivering, SigningAhead
from riskrelay.ports import Installation, StreamStop, Vault
from riskrelay.signing.sealing import MasterKey, new_master_key
from support.database_time import pass_time
from support.receiver_world import ENDPOINT, PUSH, UPDATED, VERIFICATION, ReceiverWorld, event_of
from support.services import NOON
from support.transmitting import FOR_EVER, VAULT, PlainSigner, claims_in
from support.world import ACCOUNT, finding, record

LEASE = timedelta(minutes=1)
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
UNAUTHORIZED = Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401)
GONE = Outcome(kind=OutcomeKind.GONE, reason="http_410", status=410)
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(hours=1))


class Recorder:
    """Implements ports.Pusher: answers as the test says, and keeps what was pushed where and with which header."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Outcome] = lambda claims: ACCEPTED
        self.pushed: list[tuple[str, str | None, dict[str, Any]]] = []

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        claims = claims_in(token)
        self.pushed.append((endpoint_url, authorization, claims))
        return self.answer(claims)

    def events(self, endpoint_url: str = ENDPOINT) -> list[tuple[str, dict[str, Any]]]:
        """The events that were pushed to *endpoint_url*, in order."""
        return [event_of(claims) for url, _, claims in self.pushed if url == endpoint_url]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def work(world: ReceiverWorld, recorder: Recorder, vault: Vault = VAULT) -> None:
    """What the worker does until nothing is due."""
    delivering = Delivering(
        signer=PlainSigner(),
        pusher=recorder,
        vault=vault,
        lease=LEASE,
        push_for=timedelta(seconds=28),
        concurrency=8,
        retention=FOR_EVER,
    )
    while leases := await world.services.store.write_installation(lambda tx: tx.lanes.claim(10, LEASE)):
        for lease in leases:
            while True:
                delivered = await deliver(
                    world.services, delivering, SigningAhead(delivering.signer), lease, 0.0, BATCH_EVENTS
                )
                due_in = None if delivered.settlement is None else delivered.settlement.due_in
                if delivered.stopped or due_in is None or due_in > timedelta(0):
                    break
            await world.services.store.write_installation(partial(_release, lease=lease))


def _release(tx: Installation, lease: LaneLease) -> None:
    tx.lanes.release(lease)


async def test_the_header_is_sent_verbatim_with_each_push(world: ReceiverWorld, recorder: Recorder) -> None:
    """§6.1.1: the header is sent to the endpoint of its stream only. Other streams and Okta get none."""
    await world.push_stream(authorization_header="Bearer  hush")
    await world.create(delivery={"method": PUSH, "endpoint_url": "https://b.example.com"})
    await record(world.services, finding())
    await work(world, recorder)
    headers = {url: {h for u, h, _ in recorder.pushed if u == url} for url, _, _ in recorder.pushed}
    assert headers == {
        ENDPOINT: {"Bearer  hush"},
        "https://b.example.com": {None},
        "https://acme.example.com/security/api/v1/security-events": {None},
    }
    assert all(claims["aud"] == "https://receiver.example.com" for u, _, claims in recorder.pushed if u == ENDPOINT)


async def test_what_the_stream_does_not_take_is_not_pushed(world: ReceiverWorld, recorder: Recorder) -> None:
    """events_delivered decides: a stream that asked for nothing gets its verification only."""
    await world.create(delivery={"method": PUSH, "endpoint_url": ENDPOINT}, events_requested=[])
    await record(world.services, finding())
    await work(world, recorder)
    assert [event_type for event_type, _ in recorder.events()] == [VERIFICATION]


@pytest.mark.fault(29)
async def test_a_401_pauses_the_stream_until_its_delivery_is_fixed(world: ReceiverWorld, recorder: Recorder) -> None:
    """The backlog is kept; the receiver is told once, as far as it lets us; a new header resumes, and that is told."""
    made = await world.push_stream(authorization_header="Bearer old")
    stream_id = made["stream_id"]
    recorder.answer = lambda claims: UNAUTHORIZED
    await work(world, recorder)
    assert await world.status(stream_id) == ("paused", "http_401")
    assert recorder.events() == [(VERIFICATION, {}), (UPDATED, {"status": "paused", "reason": "http_401"})]
    await record(world.services, finding())
    await work(world, recorder)
    assert len(recorder.events()) == 2
    ledger = await world.ledger(stream_id)
    assert (ledger.pending, ledger.dead) == (2, 1)
    recorder.answer = lambda claims: ACCEPTED
    body = {"stream_id": stream_id, "delivery": {**made["delivery"], "authorization_header": "Bearer new"}}
    assert (await world.call("PATCH", "/streams", body)).status_code == 200
    assert await world.status(stream_id) == ("enabled", None)
    await work(world, recorder)
    assert (UPDATED, {"status": "enabled", "reason": "delivery_updated"}) in recorder.events()
    assert {h for url, h, _ in recorder.pushed if url == ENDPOINT} == {"Bearer old", "Bearer new"}
    assert (await world.ledger(stream_id)).pending == 0


@pytest.mark.fault(29)
async def test_a_410_disables_the_stream_and_cancels_what_waits(world: ReceiverWorld, recorder: Recorder) -> None:
    """Disabled holds nothing (§8.1.2); an update of the integration enables it again."""
    stream_id = (await world.push_stream())["stream_id"]
    recorder.answer = lambda claims: GONE
    await work(world, recorder)
    assert await world.status(stream_id) == ("disabled", "http_410")
    await record(world.services, finding())
    ledger = await world.ledger(stream_id)
    assert (ledger.cancelled, ledger.pending, ledger.dead) == (2, 0, 1)
    recorder.answer = lambda claims: ACCEPTED
    integration = world.integration
    await update_integration(
        world.services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, None
    )
    await record(world.services, finding("kai@example.com", "high_dlp"))
    await work(world, recorder)
    assert (await world.status(stream_id))[0] == "enabled"
    told = [members["status"] for event_type, members in recorder.events() if event_type == UPDATED]
    assert told == ["disabled", "enabled"]
    assert (await world.ledger(stream_id)).delivered == 2


async def test_the_last_word_is_tried_again_when_it_fails(world: ReceiverWorld, recorder: Recorder) -> None:
    """A stream that is paused for inactivity sends its stream-updated event until it arrives, and nothing else."""
    stream_id = (await world.push_stream())["stream_id"]
    await work(world, recorder)
    assert await pause_idle_streams(world.services, timedelta(seconds=-1)) == 1
    recorder.answer = lambda claims: Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)
    await record(world.services, finding())
    await work(world, recorder)
    ledger = await world.ledger(stream_id)
    assert (ledger.delivered, ledger.pending) == (1, 2)
    tried = recorder.events()[1:]  # again and again where a second passes before nothing is due
    assert tried == [(UPDATED, {"status": "paused", "reason": "inactivity_timeout"})] * max(len(tried), 1)
    due_in = (await world.services.store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert due_in is not None
    assert due_in <= timedelta(seconds=2 ** len(tried))


async def test_an_unreadable_header_sends_nothing(world: ReceiverWorld, recorder: Recorder) -> None:
    """Sealed under another master key: ours, nobody's budget is used up, and nothing goes out without the header."""
    stream_id = (await world.push_stream(authorization_header="Bearer hush"))["stream_id"]
    await work(world, recorder, MasterKey([new_master_key()]))
    assert recorder.pushed == []
    assert (await world.ledger(stream_id)).pending == 1
    found = await world.services.store.read(
        ACCOUNT, lambda tx: tx.events.deliveries(world.integration.integration_id, DeliveryState.PENDING, None, 5)
    )
    assert [delivery.reason for delivery in found] == ["wrong_master_key"]


async def test_accepting_pushes_keeps_a_stream_from_being_idle(world: ReceiverWorld, recorder: Recorder) -> None:
    """A receiver that takes what we send is not silent, although it never calls us."""
    await world.push_stream()
    await work(world, recorder)
    idle = await world.services.store.read_installation(lambda tx: tx.idle_streams(timedelta(minutes=1), 10))
    assert idle == []
    assert await pause_idle_streams(world.services, timedelta(minutes=1)) == 0


async def test_what_the_receiver_said_meanwhile_stays(world: ReceiverWorld, recorder: Recorder) -> None:
    """A receiver pauses its stream and then answers 410 to an event under way: the stream stays paused as the receiver
    set it, its backlog is kept, and no notice is queued."""
    stream_id = (await world.push_stream())["stream_id"]
    leases = await world.services.store.write_installation(lambda tx: tx.lanes.claim(10, LEASE))
    (lease,) = [lease for lease in leases if (lease.key.stream_id, lease.key.lane) == (stream_id, 0)]
    before = await world.services.store.read_installation(lambda tx: tx.lanes.read(lease, BATCH_EVENTS, FOR_EVER))
    assert before.stream is not None
    await world.set_status(stream_id, "paused", reason="Maintenance")
    work = await world.services.store.read_installation(lambda tx: tx.lanes.read(lease, BATCH_EVENTS, FOR_EVER))
    notice = stream_updated(before.stream, StreamStatus.DISABLED, "http_410", NOON, world.services.ids.uuid)
    stop = StreamStop(status=StreamStatus.DISABLED, reason="http_410", notice=notice, cancels_backlog=True)
    pending = (await world.ledger(stream_id)).pending
    told = await world.services.store.write_installation(
        lambda tx: tx.lanes.stop_stream(lease, work, Settlement(cursor=work.cursor), [], stop)
    )
    counted = await world.ledger(stream_id)
    assert (counted.pending, counted.cancelled) == (pending, 0)
    assert told == []
    assert await world.status(stream_id) == ("paused", "Maintenance")


@pytest.mark.fault(29, 34)
async def test_gone_of_an_address_that_was_just_changed_cancels_nothing(
    world: ReceiverWorld, recorder: Recorder
) -> None:
    """The receiver moves its stream while a push is under way, and the old address then says 410: the stream stays
    enabled, and what waits goes to the new one."""
    stream_id = (await world.push_stream())["stream_id"]
    await work(world, recorder)
    moved = {"method": PUSH, "endpoint_url": "https://moved.example.com"}

    class Moving(Recorder):
        async def push(self, endpoint_url: str, *others: Any) -> Outcome:
            if endpoint_url == ENDPOINT:
                await world.call("PATCH", "/streams", {"stream_id": stream_id, "delivery": moved})
                return GONE
            return await super().push(endpoint_url, *others)

    await record(world.services, finding("kai@example.com"), finding("ana@example.com"))
    moving = Moving()
    await work(world, moving)
    assert await world.status(stream_id) == ("enabled", None)
    ledger = await world.ledger(stream_id)
    assert (ledger.delivered, ledger.pending, ledger.cancelled) == (3, 0, 0)
    assert len(moving.events("https://moved.example.com")) == 2


@pytest.mark.fault(26)
async def test_retry_after_delays_stream_updated_events_too(world: ReceiverWorld, recorder: Recorder) -> None:
    """An event gets a 429 with an hour; what the operator's pause tells the receiver waits until that has passed."""
    stream_id = (await world.push_stream())["stream_id"]
    await work(world, recorder)
    recorder.answer = lambda claims: THROTTLED
    await record(world.services, finding())
    await work(world, recorder)
    recorder.answer = lambda claims: ACCEPTED
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, None)
    await pass_time(world.services.store, timedelta(minutes=59))
    pushed = len(recorder.events())
    await work(world, recorder)
    assert len(recorder.events()) == pushed
    await pass_time(world.services.store, timedelta(minutes=1))
    await work(world, recorder)
    assert recorder.events()[pushed:] == [(UPDATED, {"status": "paused", "reason": "integration_paused"})]
    ledger = await world.ledger(stream_id)
    assert (ledger.delivered, ledger.pending) == (2, 1)


@pytest.mark.fault(26)
async def test_retry_after_stops_a_lane_during_a_batch(world: ReceiverWorld, recorder: Recorder) -> None:
    """While a batch is under way the stream's own news gets a 429 with an hour: what the batch settles does not end
    the wait, its owner pushes nothing more, and all of it goes out after the hour."""
    stream_id = (await world.push_stream())["stream_id"]
    await work(world, recorder)

    class Interrupted(Recorder):
        async def push(self, *arguments: Any) -> Outcome:
            await throttle_news(world, recorder)
            return await super().push(*arguments)

    await record(world.services, finding("kai@example.com"), finding("ana@example.com"))
    key = LaneKey(ACCOUNT, StreamId(stream_id), 0)
    (lease,) = await world.services.store.write_installation(lambda tx: tx.lanes.claim(1, LEASE, [key]))
    interrupted = Interrupted()
    delivering = Delivering(
        signer=PlainSigner(),
        pusher=interrupted,
        vault=VAULT,
        lease=LEASE,
        push_for=timedelta(seconds=28),
        concurrency=8,
        retention=FOR_EVER,
    )
    signing = SigningAhead(delivering.signer)
    await deliver(world.services, delivering, signing, lease, 0.0, 1)
    assert (await deliver(world.services, delivering, signing, lease, 0.0, 1)).stopped
    await world.services.store.write_installation(lambda tx: tx.lanes.release(lease))
    pushed = len(recorder.events())
    await work(world, recorder)
    assert (len(interrupted.pushed), len(recorder.events())) == (1, pushed)
    await pass_time(world.services.store, timedelta(hours=1))
    await work(world, recorder)
    assert (await world.ledger(stream_id)).pending == 0


async def throttle_news(world: ReceiverWorld, recorder: Recorder) -> None:
    """Let the stream have news, which is answered with a 429 and an hour."""
    place = (world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id)
    await pause_integration(*place, None)
    await resume_integration(*place)
    recorder.answer = lambda claims: THROTTLED
    await work(world, recorder)
    recorder.answer = lambda claims: ACCEPTED
