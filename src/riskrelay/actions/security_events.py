"""Queue security events that clients request."""

from collections.abc import Sequence
from functools import partial

from riskrelay.actions.deciding_findings import FEW
from riskrelay.actions.sharing import together_or_alone
from riskrelay.actions.tokens import confirm
from riskrelay.core import signals
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequest, QueuedDelivery
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Services, Transaction

MAX_EVENTS = 1_000  # in one request
_MOST_DELIVERIES = 10_000  # chosen: a transaction of about a second, which other accounts wait for on SQLite

_Asked = tuple[Actor, Sequence[EventRequest]]


async def queue_security_events(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    requests: Sequence[EventRequest],
    *,
    unconfirmed: bytes | None = None,
) -> list[AnsweredRequest]:
    """Queue the events of *requests*, all or none, on every stream of the account that takes them.

    They are durable on return. Concurrent small calls of one token share a transaction.

    Args:
        requests: valid by the table of event types, at most MAX_EVENTS.
        unconfirmed: the hash of the client's token, if it must still exist; None: it was confirmed.

    Returns: the queued events of each request. A repeat with the same id and content queues nothing and returns the
        first result.
    Raises:
        UnknownToken: the token was revoked; nothing was queued.
        Invalid: an id was used before with another body, or the account has too many streams for so many events;
            pointers start with the place in *requests*, and nothing was queued.
        Unavailable: the store refused; nothing was queued.
    Rule: SSF 1.0 §4.1.9 txn.
    """
    queue = partial(_queue, services, account_id, unconfirmed)
    if len(requests) > FEW:
        (answers,) = await queue([(actor, requests)])
        return answers
    return await services.gathering.join(
        (queue_security_events, account_id, unconfirmed), (actor, requests), partial(together_or_alone, queue)
    )


async def _queue(
    services: Services, account_id: AccountId, unconfirmed: bytes | None, asked: Sequence[_Asked]
) -> list[list[AnsweredRequest]]:
    """Queue the events of *asked* in one transaction, all or none.

    Raises: Invalid: the pointers are right if *asked* is one.
    """

    def store(tx: Transaction) -> tuple[list[list[AnsweredRequest]], list[WokenLane]]:
        confirm(tx, unconfirmed)
        streams = tx.streams.taking_events()
        made: list[signals.Signal] = []
        answers = []
        for actor, requests in asked:
            _refuse_too_many(len(requests), len(streams))
            answers.append(
                [
                    _decide(tx, services, actor, one, place=place, streams=streams, made=made)
                    for place, one in enumerate(requests)
                ]
            )
        queued = tx.events.queue(made, hand_over=True)
        services.foresee(queued)
        return answers, queued

    answers, queued = await services.store.write(account_id, store)
    services.wake(queued)
    return answers


def _refuse_too_many(events: int, streams: int) -> None:
    """Bound the rows of a transaction. A single event is always taken.

    Raises: Invalid.
    """
    most = max(1, _MOST_DELIVERIES // max(1, streams))
    if events > most:
        message = (
            f"the body must have 1 to {most:,} security events, because each goes to up to {streams:,} streams; "
            f"it has {events:,}"
        )
        raise Invalid([Fault(FaultKind.TOO_LONG, "", message)])


def _decide(
    tx: Transaction,
    services: Services,
    actor: Actor,
    request: EventRequest,
    *,
    place: int,
    streams: Sequence[Stream],
    made: list[signals.Signal],
) -> AnsweredRequest:
    """Add the events of one request to *made*, unless it repeats another one, and audit it.

    Raises: Invalid: the id was used before with another body.
    """
    now = services.clock.now()
    txn = request.txn or services.ids.uuid()
    new = signals.for_event(request, txn, now, streams, new_id=services.ids.uuid)
    answer = AnsweredRequest(txn=txn, deliveries=tuple(map(_delivery, new)), digest=request.digest, requested_at=now)
    if request.request_id is not None:
        stored = tx.event_requests.add(request.request_id, answer)
        if stored.digest != request.digest:
            raise Invalid([_reused(place)])
        if stored != answer:
            return stored
    tx.audit.record(services.audit_entry(actor, Verb.SENT, Kind.SECURITY_EVENT, txn, at=now))
    made += new
    return answer


def _delivery(signal: signals.Signal) -> QueuedDelivery:
    return QueuedDelivery(signal.event.jti, signal.stream.stream_id, signal.stream.integration.integration_id)


def _reused(place: int) -> Fault:
    message = "this id was already used with a different body; send a new id, or the same body"
    return Fault(FaultKind.EVENT_REUSED, f"/{place}/id", message)
