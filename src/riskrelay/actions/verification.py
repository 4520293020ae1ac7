"""Send a verification event to the receivers of an integration, or to one stream."""

from datetime import timedelta

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Fault, FaultKind, Invalid, RateLimited, found
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.signals import Signal, operators_verification, verification
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.stream_documents import MIN_VERIFICATION_INTERVAL
from riskrelay.core.ssf.streams import StreamId, StreamStatus
from riskrelay.ports import Services, Transaction


async def verify_integration(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, state: str | None
) -> list[Signal]:
    """Queue a verification event on each stream of an integration that is not disabled, after the waiting events.

    Args:
        state: the state in verification events; None: the events have no such member.

    Returns: the queued events; none if no receiver has created a stream. `events.delivery` returns their delivery.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.4; docs/choices.md describes the event for an Okta org.
    """
    entry = services.audit_entry(actor, Verb.VERIFIED, Kind.INTEGRATION, integration_id)

    def store(tx: Transaction) -> tuple[list[Signal], list[WokenLane]]:
        found(tx.integrations.get(integration_id))
        streams = tx.streams.of_integration(integration_id)
        signals = [
            operators_verification(stream, state, entry.at, services.ids.uuid)
            for stream in streams
            if stream.status is not StreamStatus.DISABLED
        ]
        tx.audit.record(entry)
        return signals, tx.events.queue(signals)

    signals, ready = await services.store.write(account_id, store)
    services.wake(ready)
    return signals


async def verify_stream(
    services: Services,
    receiver: Receiver,
    stream_id: StreamId,
    state: str | None,
    interval: timedelta = MIN_VERIFICATION_INTERVAL,
) -> None:
    """Queue a verification event on this stream only. On a paused stream it waits like any event.

    Args:
        state: the state in the event; None: the event has no such member.

    Raises:
        NotFound: the receiver has no such stream.
        Invalid: the stream is disabled, so the event could never be sent.
        RateLimited: the last request is less than *interval* ago.
    Rule: SSF 1.0 §8.1.4.2.
    """

    def store(tx: Transaction) -> list[WokenLane]:
        stream = found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        if stream.status is StreamStatus.DISABLED:
            message = "this stream is disabled; enable it at the status endpoint first"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/stream_id", message)])
        if not tx.receiver_streams.may_verify(stream_id, interval):
            raise RateLimited(int(interval.total_seconds()))
        return tx.events.queue([verification(stream, state, services.clock.now(), services.ids.uuid)])

    services.wake(await services.store.write(receiver.account_id, store))
