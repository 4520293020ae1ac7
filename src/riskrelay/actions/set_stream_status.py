"""Enable, pause or disable a receiver's stream, as the receiver asks."""

from dataclasses import replace

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.streams import STREAM_DISABLED, Party, Stream, StreamId, StreamStatus
from riskrelay.ports import Outside, Transaction


async def set_stream_status(
    outside: Outside, receiver: Receiver, stream_id: StreamId, status: StreamStatus, reason: str | None
) -> Stream:
    """Change a stream's status. Paused: events are held until their retention ends, and sent in order once it is
    enabled. Disabled: what waits is cancelled, and so is what comes.

    Returns: the stream with its new status; the same status again is no error.
    Raises:  NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.2.2; a change that the receiver asked for needs no stream-updated event.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=receiver.actor,
        verb=Verb.CHANGED,
        kind=Kind.STREAM,
        thing_id=stream_id,
    )

    def store(tx: Transaction) -> tuple[Stream, list[LaneKey]]:
        stored = tx.receiver_streams.get(receiver.integration_id, stream_id)
        if stored is None:
            raise NotFound
        tx.receiver_streams.note_activity(stream_id)
        stream = replace(stored, status=status, status_reason=reason, status_set_by=Party.RECEIVER)
        tx.streams.set_status(stream_id, status, reason, Party.RECEIVER)
        if (status, reason) != (stored.status, stored.status_reason):
            tx.audit.record(entry)
        if status is StreamStatus.DISABLED:
            tx.streams.cancel_backlog(stream, range(stream.lanes), STREAM_DISABLED)
        return stream, tx.streams.refresh_lanes(stream, is_mended=status is StreamStatus.ENABLED)

    stream, ready = await outside.store.write(receiver.account_id, store)
    outside.wake(ready)
    return stream
