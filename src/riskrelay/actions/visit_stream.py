"""Look at a receiver's stream."""

from riskrelay.core.errors import NotFound
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports import Outside, Transaction


async def visit_stream(outside: Outside, receiver: Receiver, stream_id: StreamId) -> Stream:
    """The stream as it is now. Looking is activity: it starts the inactivity timeout again.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.1 inactivity_timeout (calls of any endpoint that references the stream).
    """

    def look(tx: Transaction) -> Stream:
        stream = tx.receiver_streams.get(receiver.integration_id, stream_id)
        if stream is None:
            raise NotFound
        tx.receiver_streams.note_activity(stream_id)
        return stream

    return await outside.store.write(receiver.account_id, look)
