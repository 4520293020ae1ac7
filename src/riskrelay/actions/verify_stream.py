"""Send a verification event, as the receiver asks."""

from datetime import timedelta

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound, RateLimited
from riskrelay.core.signals import verification
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.stream_documents import MIN_VERIFICATION_INTERVAL
from riskrelay.core.ssf.streams import StreamId, StreamStatus
from riskrelay.ports import Outside, Transaction


async def verify_stream(
    outside: Outside,
    receiver: Receiver,
    stream_id: StreamId,
    state: str | None,
    interval: timedelta = MIN_VERIFICATION_INTERVAL,
) -> None:
    """Queue a verification event on the stream, and on no other. On a paused stream it waits like any event.

    Args:
        state: what the event echoes; None: it has no such member.

    Raises:
        NotFound: the receiver has no such stream.
        Invalid: the stream is disabled, so the event could never be sent.
        RateLimited: the last request is not *interval* ago.
    Rule: SSF 1.0 §8.1.4.2.
    """

    def store(tx: Transaction) -> list[LaneKey]:
        stream = tx.receiver_streams.get(receiver.integration_id, stream_id)
        if stream is None:
            raise NotFound
        tx.receiver_streams.note_activity(stream_id)
        if stream.status is StreamStatus.DISABLED:
            message = "this stream is disabled and sends nothing; enable it at the status endpoint first"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/stream_id", message)])
        if not tx.receiver_streams.may_verify(stream_id, interval):
            raise RateLimited(int(interval.total_seconds()))
        return tx.events.queue([verification(stream, state, outside.clock.now(), outside.ids.uuid)])

    outside.wake(await outside.store.write(receiver.account_id, store))
