"""Delete a receiver's stream."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.errors import NotFound
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.streams import STREAM_DELETED, StreamId
from riskrelay.ports import Outside, Transaction


async def delete_stream(outside: Outside, receiver: Receiver, stream_id: StreamId) -> None:
    """Make a stream unknown to its receiver; what was not delivered yet becomes cancelled.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.1.5.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=receiver.actor,
        verb=Verb.DELETED,
        kind=Kind.STREAM,
        thing_id=stream_id,
    )

    def store(tx: Transaction) -> None:
        stream = tx.receiver_streams.get(receiver.integration_id, stream_id)
        if stream is None:
            raise NotFound
        tx.streams.cancel_backlog(stream, stream.all_lanes, STREAM_DELETED)
        tx.receiver_streams.delete(stream_id, entry.at)
        tx.audit.record(entry)

    await outside.store.write(receiver.account_id, store)
