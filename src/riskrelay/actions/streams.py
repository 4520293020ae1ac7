"""Streams of a receiver: create, read, configure, set the status, delete."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import CANCELLED_AT_ONCE
from riskrelay.core.errors import Forbidden, found
from riskrelay.core.signals import stream_updated, verification
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.stream_documents import PushRules, created
from riskrelay.core.ssf.streams import (
    STREAM_DELETED,
    STREAM_DISABLED,
    Configuration,
    Party,
    Stream,
    StreamId,
    StreamStatus,
)
from riskrelay.ports import Services, Transaction

MAX_STREAMS = 100  # guessed: one per product and environment of a receiver, with room
LANES = 1  # like create_integration


async def create_stream(
    services: Services,
    receiver: Receiver,
    body: Mapping[str, Any],
    rules: PushRules,
    stream_id: StreamId | None = None,
) -> Stream:
    """Store a new stream with the receiver's configuration, and queue a verification event on it.

    Args:
        body: the request's JSON object.
        stream_id: a new UUID, to which secrets sealed by *rules* are bound; None: the action creates one.

    Returns: the stream, which is enabled.
    Raises:
        Invalid: the body is wrong; one fault per mistake.
        Forbidden: the receiver has the largest allowed number of streams.
        NotFound: the integration was deleted.
    Rule: SSF 1.0 §8.1.1.1, §8.1.4 (a transmitter may send a verification event without a request).
    """
    stream_id = stream_id or StreamId(services.ids.uuid())
    now = services.clock.now()
    entry = services.audit_entry(receiver.actor, Verb.CREATED, Kind.STREAM, stream_id, at=now)

    def store(tx: Transaction) -> tuple[Stream, list[WokenLane]]:
        integration = found(tx.integrations.get(receiver.integration_id))
        if len(tx.streams.of_integration(integration.integration_id)) >= MAX_STREAMS:
            raise Forbidden(f"the limit of {MAX_STREAMS} streams is reached; delete a stream that is no longer used")
        configuration = created(body, integration, rules)
        stream = Stream(
            stream_id=stream_id,
            integration=integration,
            status=StreamStatus.ENABLED,
            lanes=LANES,
            configuration=configuration,
            status_set_by=Party.RECEIVER,
        )
        tx.streams.add(stream)
        tx.audit.record(entry)
        tx.streams.refresh_lanes(stream, is_fixed=False)
        hello = verification(stream, None, now, services.ids.uuid)
        return stream, tx.events.queue([hello])

    stream, ready = await services.store.write(receiver.account_id, store)
    services.wake(ready)
    return stream


async def visit_stream(services: Services, receiver: Receiver, stream_id: StreamId) -> Stream:
    """Return a stream, and restart its inactivity timeout.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.1 inactivity_timeout (calls of any endpoint that references the stream).
    """

    def query(tx: Transaction) -> Stream:
        stream = found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        return stream

    return await services.store.write(receiver.account_id, query)


Apply = Callable[[Mapping[str, Any], Stream, PushRules], Configuration]


async def configure_stream(
    services: Services, receiver: Receiver, stream_id: StreamId, body: Mapping[str, Any], rules: PushRules, apply: Apply
) -> Stream:
    """Overwrite the members of a stream that its receiver supplies, and update its lanes.

    If the delivery changes, a stream that this service paused or disabled is enabled again, because the receiver has
    perhaps fixed the failure. A stream that the receiver stopped is not enabled.

    Args:
        apply: `patched` or `replaced`.

    Raises:
        NotFound: the receiver has no such stream.
        Invalid: the body is wrong; nothing was changed.
    Rule: SSF 1.0 §8.1.1.3, §8.1.1.4, §8.1.5.
    """
    entry = services.audit_entry(receiver.actor, Verb.CHANGED, Kind.STREAM, stream_id)

    def store(tx: Transaction) -> tuple[Stream, list[WokenLane]]:
        stored = found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        stream = replace(stored, configuration=apply(body, stored, rules))
        tx.receiver_streams.save(stream)
        if stream.configuration != stored.configuration:
            tx.audit.record(entry)
        if (stream.endpoint_url, stream.sealed_authorization) == (stored.endpoint_url, stored.sealed_authorization):
            return stream, []
        if stream.status is StreamStatus.ENABLED or stream.status_set_by is Party.RECEIVER:
            return stream, [*tx.streams.refresh_lanes(stream, is_fixed=True)]
        return _resume(tx, services, stream)

    stream, ready = await services.store.write(receiver.account_id, store)
    services.wake(ready)
    return stream


def _resume(tx: Transaction, services: Services, stopped: Stream) -> tuple[Stream, list[WokenLane]]:
    stream = replace(stopped, status=StreamStatus.ENABLED, status_reason=None)
    tx.streams.set_status(stream.stream_id, stream.status, None, Party.TRANSMITTER)
    ready = tx.streams.refresh_lanes(stream, is_fixed=True)
    reason = "delivery_updated"
    notice = stream_updated(stream, stream.status, reason, services.clock.now(), new_id=services.ids.uuid)
    return stream, ready + tx.events.queue([notice])


async def set_stream_status(
    services: Services, receiver: Receiver, stream_id: StreamId, status: StreamStatus, reason: str | None
) -> Stream:
    """Change a stream's status.

    Paused: events are held until their retention ends, and sent in order when the stream is enabled. Disabled: waiting
    and new events are cancelled.

    Returns: the stream with its new status. The current status is accepted.
    Raises:  NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.2.2; a change that the receiver requests needs no stream-updated event.
    """
    entry = services.audit_entry(receiver.actor, Verb.CHANGED, Kind.STREAM, stream_id)

    def store(tx: Transaction) -> tuple[Stream, list[WokenLane]]:
        stored = found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        stream = replace(stored, status=status, status_reason=reason, status_set_by=Party.RECEIVER)
        tx.streams.set_status(stream_id, status, reason, Party.RECEIVER)
        if (status, reason) != (stored.status, stored.status_reason):
            tx.audit.record(entry)
        if status is StreamStatus.DISABLED:
            tx.streams.cancel_backlog(stream, range(stream.lanes), STREAM_DISABLED, CANCELLED_AT_ONCE)
        return stream, [*tx.streams.refresh_lanes(stream, is_fixed=status is StreamStatus.ENABLED)]

    stream, ready = await services.store.write(receiver.account_id, store)
    services.wake(ready)
    return stream


async def delete_stream(services: Services, receiver: Receiver, stream_id: StreamId) -> None:
    """Delete a stream. Its undelivered events are cancelled.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.1.5.
    """
    entry = services.audit_entry(receiver.actor, Verb.DELETED, Kind.STREAM, stream_id)

    def store(tx: Transaction) -> None:
        stream = found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.streams.cancel_backlog(stream, stream.all_lanes, STREAM_DELETED, CANCELLED_AT_ONCE)
        tx.receiver_streams.delete(stream_id, entry.at)
        tx.audit.record(entry)

    await services.store.write(receiver.account_id, store)
