"""Delete a receiver's stream."""

from riskrelay.errors import NotFound
from riskrelay.ports import Outside, Transaction
from riskrelay.ssf.access import Receiver
from riskrelay.ssf.streams import STREAM_DELETED, StreamId


async def delete_stream(outside: Outside, receiver: Receiver, stream_id: StreamId) -> None:
    """Make a stream unknown to its receiver; what was not delivered yet becomes cancelled.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.1.5.
    """

    def store(tx: Transaction) -> None:
        stream = tx.receiver_streams.get(receiver.integration_id, stream_id)
        if stream is None:
            raise NotFound
        tx.streams.cancel_backlog(stream, stream.all_lanes, STREAM_DELETED)
        tx.receiver_streams.delete(stream_id, outside.clock.now())

    await outside.store.write(receiver.account_id, store)
