"""Answer a receiver's poll: settle the acknowledged events, then return waiting events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from riskrelay.actions.coalesce import Admitting, BacklogPlans, admit_events, admitted_only, coalesces, read_lane
from riskrelay.actions.sharing import read_together
from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import BATCH_EVENTS, LaneKey, LaneWork, settle
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.errors import LeaseLost, NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.polling import PollAnswer, PollRequest, outcomes
from riskrelay.core.ssf.sets import complete_claims
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports import Bell, Installation, Services, Signer, Transaction

LONGEST_WAIT = timedelta(seconds=25)  # guessed: less than the 30 s after which some proxies and clients disconnect
_SPREAD = 0.2  # chosen: polls that began together end over 5 s, so that thousands of them don't return at one moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """The dependencies of polling besides `Services`, and its limits.

    Attributes:
        retention: older events are not returned.
        longest_wait: how long a poll is held open at most while the stream has no event.
        plans: of the lanes that coalesce.
    """

    signer: Signer
    bell: Bell
    retention: timedelta
    longest_wait: timedelta = LONGEST_WAIT
    plans: BacklogPlans = field(default_factory=BacklogPlans)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """The waiting events of a stream, in the order in which they are returned, with the stream.

    Attributes:
        more: whether further events wait.
        has_expired: whether expired events were found, which are to be settled.
        unadmitted: the lanes with events that must be admitted before they are returned (see delivery.coalescing).
    """

    stream: Stream
    events: Sequence[QueuedEvent]
    more: bool
    has_expired: bool
    attempts: Mapping[LaneKey, Sequence[Attempt]] = field(default_factory=dict)
    unadmitted: Sequence[LaneKey] = ()

    def is_over(self, request: PollRequest) -> bool:
        """Return whether the poll can end: events can be returned, or events wait and *request* takes none."""
        return bool(self.events) or (request.max_events == 0 and self.more)


async def poll_stream(
    services: Services, polling: Polling, receiver: Receiver, stream_id: StreamId, request: PollRequest
) -> PollAnswer:
    """Settle the SETs that the receiver acknowledges or refuses, durably, then return the oldest waiting SETs.

    SETs are in order per subject. If the stream has no event, wait for one, unless the receiver requests an immediate
    response.

    Returns: the SETs. Each poll returns the same ones until the receiver acknowledges or refuses them, or they
        expire. Concurrent polls may get the same SETs.
    Raises:
        NotFound: the receiver has no such stream, or it is pushed.
        Unavailable: no key can be read. Acknowledged SETs stay settled.
    Rule: RFC 8936 §2; design 3, 4. A SET counts as delivered when it is acknowledged, never before.
    """
    with polling.bell.listen(receiver.account_id, stream_id) as listening:
        reading = partial(_read, polling=polling, receiver=receiver, stream_id=stream_id, limit=request.max_events)
        waiting = None
        if request.settles or not await _is_caught_up(services, receiver, stream_id):
            waiting = await _first_answer(services, polling, receiver, stream_id, request=request)
            waiting = await _admit(services, polling, waiting, reading, limit=request.max_events)
        longest = polling.longest_wait * (1 - _SPREAD * services.ids.jitter())
        until = services.clock.monotonic() + longest.total_seconds()
        while listening.is_open and request.waits and not (waiting and waiting.is_over(request)):
            left = timedelta(seconds=until - services.clock.monotonic())
            if left <= timedelta(0):
                break
            if not await listening.wait(left):
                break  # no event has arrived, so no query is needed
            waiting = await services.store.read(receiver.account_id, reading)
            waiting = await _admit(services, polling, waiting, reading, limit=request.max_events)
    return PollAnswer({}, more_available=False) if waiting is None else await _signed(polling.signer, waiting)


async def _is_caught_up(services: Services, receiver: Receiver, stream_id: StreamId) -> bool:
    """Return whether a poll finds nothing and writes nothing, which is true of most.

    Returns: False if there is no such stream.
    """
    return await read_together(services, (receiver.account_id, receiver.integration_id, stream_id), _read_caught_up)


def _read_caught_up(tx: Installation, polled: tuple[AccountId, IntegrationId, StreamId]) -> bool:
    return tx.receivers.is_caught_up(*polled)


async def _first_answer(
    services: Services, polling: Polling, receiver: Receiver, stream_id: StreamId, request: PollRequest
) -> _Waiting:
    """Settle what there is to settle, and return the waiting events.

    A poll with nothing to settle only reads: idle receivers don't wait for the database's writer, nor delay others.
    """

    def read(tx: Transaction) -> tuple[_Waiting, bool]:
        waiting = _read(tx, polling, receiver, stream_id, limit=request.max_events)
        return waiting, waiting.has_expired or tx.receiver_streams.is_activity_due(stream_id)

    if not request.settles:
        waiting, must_write = await services.store.read(receiver.account_id, read)
        if not must_write:
            return waiting
    settling = partial(_settle, services=services, polling=polling, receiver=receiver, stream_id=stream_id)
    waiting = await services.store.write(receiver.account_id, partial(settling, request=request))
    for key, attempts in waiting.attempts.items():
        services.observer.attempted(key, waiting.stream, attempts)
    return waiting


def _settle(
    tx: Transaction,
    services: Services,
    polling: Polling,
    receiver: Receiver,
    stream_id: StreamId,
    request: PollRequest,
) -> _Waiting:
    """Settle the acknowledged events and read the waiting ones, in one transaction."""
    stream = _polled(tx, receiver, stream_id)
    tx.receiver_streams.note_activity(stream_id)
    attempts: dict[LaneKey, Sequence[Attempt]] = {}
    for key in _keys(stream):
        work = _peek(tx, key, BATCH_EVENTS, polling)
        if request.settles or any(event.is_over for event in [*work.held, *work.fresh]):
            attempts[key] = _settle_lane(tx, key, services, polling, request=request)
    return _waiting(tx, stream, polling, request.max_events, attempts=attempts)


def _settle_lane(
    tx: Transaction, key: LaneKey, services: Services, polling: Polling, request: PollRequest
) -> list[Attempt]:
    lease = tx.polls.take(key)
    work = _peek(tx, key, BATCH_EVENTS, polling)
    events = {event.seq: event for event in [*work.held, *work.fresh] if not event.is_over}
    said = outcomes(request, ((event.seq, event.jti) for event in events.values()))
    now = services.clock.now()
    tried = [
        Attempt(
            seq=seq,
            jti=events[seq].jti,
            number=events[seq].attempts + 1,
            queued_at=events[seq].queued_at,
            started_at=now,
            duration=timedelta(0),
            outcome=outcome,
            claims=events[seq].claims,
        )
        for seq, outcome in said.items()
    ]
    tx.polls.settle(lease, work, settle(work, said, services.ids.jitter), tried, extend=timedelta(0))
    return tried


def _read(tx: Transaction, polling: Polling, receiver: Receiver, stream_id: StreamId, limit: int) -> _Waiting:
    return _waiting(tx, _polled(tx, receiver, stream_id), polling, limit)


def _polled(tx: Transaction, receiver: Receiver, stream_id: StreamId) -> Stream:
    stream = tx.receiver_streams.get(receiver.integration_id, stream_id)
    if stream is None or not stream.is_polled:
        raise NotFound
    return stream


def _waiting(
    tx: Transaction,
    stream: Stream,
    polling: Polling,
    limit: int,
    attempts: Mapping[LaneKey, Sequence[Attempt]] | None = None,
) -> _Waiting:
    """Return the oldest events that may be sent now, notices about the stream first."""
    events: list[QueuedEvent] = []
    unadmitted: list[LaneKey] = []
    more = has_expired = False
    for key in _keys(stream):
        work = _peek(tx, key, min(limit, BATCH_EVENTS) + 1, polling)
        has_expired = has_expired or any(event.expired for event in [*work.held, *work.fresh])
        if work.stream is not None:
            events += [event for event in [*work.held, *work.fresh] if not event.is_over]
            more = more or _reaches_beyond(work)
            if coalesces(work, key) and work.last_seq > work.admitted:
                unadmitted.append(key)
    return _Waiting(
        stream=stream,
        events=events[:limit],
        more=more or len(events) > limit,
        has_expired=has_expired,
        attempts=attempts or {},
        unadmitted=unadmitted,
    )


def _peek(tx: Transaction, key: LaneKey, limit: int, polling: Polling) -> LaneWork:
    """Return a lane's state and the events that may be returned."""
    work = tx.polls.peek(key, limit, polling.retention)
    return admitted_only(work) if coalesces(work, key) else work


async def _admit(
    services: Services, polling: Polling, waiting: _Waiting, reading: Callable[[Transaction], _Waiting], limit: int
) -> _Waiting:
    """Admit more events of the lanes that coalesce, if fewer than *limit* can be returned, and read again.

    Rule: a SET that was returned counts as attempted, because the receiver may act on it before it acknowledges it.
    """
    if len(waiting.events) >= limit or not waiting.unadmitted:
        return waiting
    admitting = Admitting(services=services, plans=polling.plans, retention=polling.retention, extend=timedelta(0))
    for key in waiting.unadmitted:
        lease = await services.store.write(key.account_id, lambda tx: tx.polls.take(key))  # noqa: B023
        try:
            work = await read_lane(admitting, lease)
            await admit_events(admitting, lease, work, limit)
        except LeaseLost:  # a concurrent poll admits
            continue
    return await services.store.read(waiting.stream.integration.account_id, reading)


def _reaches_beyond(work: LaneWork) -> bool:
    """Return whether a lane has more events than were read."""
    return work.last_seq > (work.fresh[-1].seq if work.fresh else work.cursor)


def _keys(stream: Stream) -> list[LaneKey]:
    return [LaneKey(stream.integration.account_id, stream.stream_id, lane) for lane in stream.all_lanes]


async def _signed(signer: Signer, waiting: _Waiting) -> PollAnswer:
    stream = waiting.stream
    integration = stream.integration
    payloads = [complete_claims(e.claims, integration.issuer, stream.audience) for e in waiting.events]
    tokens = await signer.sign(payloads, integration.signing_algorithm)
    return PollAnswer(dict(zip((e.jti for e in waiting.events), tokens, strict=True)), waiting.more)
