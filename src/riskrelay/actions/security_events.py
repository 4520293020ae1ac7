"""Queue security events that clients request."""

from collections.abc import Sequence
from functools import partial

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

_Answer = AnsweredRequest | Exception
_Asked = tuple[Actor, EventRequest]


async def queue_security_event(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    request: EventRequest,
    *,
    unconfirmed: bytes | None = None,
) -> AnsweredRequest:
    """Queue *request*'s event on every stream of the account that takes it. It is durable on return.

    Concurrent requests of one token share a transaction.

    Args:
        request: valid by the table of event types.
        unconfirmed: the hash of the client's token, if it must still exist; None: it was confirmed.

    Returns: the queued events. A repeat with the same id and content queues nothing and returns the first result.
    Raises:
        UnknownToken: the token was revoked; nothing was queued.
        Invalid: the id was used before with another body.
        Unavailable: the store refused; nothing was queued.
    Rule: SSF 1.0 §4.1.9 txn.
    """
    return await services.gathering.join(
        (queue_security_event, account_id, unconfirmed),
        (actor, request),
        partial(together_or_alone, partial(_queue, services, account_id, unconfirmed)),
    )


async def _queue(
    services: Services, account_id: AccountId, unconfirmed: bytes | None, asked: Sequence[_Asked]
) -> list[_Answer]:
    """Queue the events of *asked* in one transaction."""

    def store(tx: Transaction) -> tuple[list[_Answer], list[WokenLane]]:
        confirm(tx, unconfirmed)
        streams = tx.streams.taking_events()
        made: list[signals.Signal] = []
        answers = [_decide(tx, services, one, streams=streams, made=made) for one in asked]
        queued = tx.events.queue(made, hand_over=True)
        services.foresee(queued)
        return answers, queued

    answers, queued = await services.store.write(account_id, store)
    services.wake(queued)
    return answers


def _decide(
    tx: Transaction, services: Services, asked: _Asked, *, streams: Sequence[Stream], made: list[signals.Signal]
) -> _Answer:
    """Add the events of one request to *made*, unless it repeats another one, and audit it.

    Returns: the result; Invalid: the id was used before with another body, and nothing was written.
    """
    (actor, request), now = asked, services.clock.now()
    txn = request.txn or services.ids.uuid()
    new = signals.for_event(request, txn, now, streams, new_id=services.ids.uuid)
    answer = AnsweredRequest(txn=txn, deliveries=tuple(map(_delivery, new)), digest=request.digest, requested_at=now)
    if request.request_id is not None:
        stored = tx.event_requests.add(request.request_id, answer)
        if stored.digest != request.digest:
            return Invalid([_reused()])
        if stored != answer:
            return stored
    tx.audit.record(services.audit_entry(actor, Verb.SENT, Kind.SECURITY_EVENT, txn, at=now))
    made += new
    return answer


def _delivery(signal: signals.Signal) -> QueuedDelivery:
    return QueuedDelivery(signal.event.jti, signal.stream.stream_id, signal.stream.integration.integration_id)


def _reused() -> Fault:
    message = "this id was already used with a different body; send a new id, or the same body"
    return Fault(FaultKind.EVENT_REUSED, "/id", message)
