"""Queue a security event that a client requests."""

from riskrelay.core import signals
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequest, QueuedDelivery
from riskrelay.ports import Services, Transaction


async def queue_security_event(
    services: Services, account_id: AccountId, actor: Actor, request: EventRequest
) -> AnsweredRequest:
    """Queue *request*'s event on every stream of the account that takes it. It is durable on return.

    Args:
        request: valid by the table of event types.

    Returns: the queued events. A repeat with the same id and content queues nothing and returns the first result.
    Raises:  Invalid: the id was used before with another body.
    Rule: SSF 1.0 §4.1.9 txn.
    """
    now = services.clock.now()
    txn = request.txn or services.ids.uuid()
    entry = services.audit_entry(actor, Verb.SENT, Kind.SECURITY_EVENT, txn, at=now)

    def store(tx: Transaction) -> tuple[AnsweredRequest, list[WokenLane]]:
        made = signals.for_event(request, txn, now, tx.streams.taking_events(), new_id=services.ids.uuid)
        answer = AnsweredRequest(
            txn=txn, deliveries=tuple(map(_delivery, made)), digest=request.digest, requested_at=now
        )
        if request.request_id is not None:
            stored = tx.event_requests.add(request.request_id, answer)
            if stored.digest != request.digest:
                raise Invalid([_reused()])
            if stored != answer:
                return stored, []
        tx.audit.record(entry)
        return answer, tx.events.queue(made, hand_over=True)

    answer, queued = await services.store.write(account_id, store)
    services.wake(queued)
    return answer


def _delivery(signal: signals.Signal) -> QueuedDelivery:
    return QueuedDelivery(signal.event.jti, signal.stream.stream_id, signal.stream.integration.integration_id)


def _reused() -> Fault:
    message = "this id was already used with a different body; send a new id, or the same body"
    return Fault(FaultKind.EVENT_REUSED, "/id", message)
