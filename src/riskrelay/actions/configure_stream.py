"""Change a receiver's stream as the receiver asks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.signals import stream_updated
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.core.ssf.streams import Configuration, Party, Stream, StreamId, StreamStatus
from riskrelay.ports import Outside, Transaction

Apply = Callable[[Mapping[str, Any], Stream, PushRules], Configuration]


async def configure_stream(
    outside: Outside, receiver: Receiver, stream_id: StreamId, body: Mapping[str, Any], rules: PushRules, apply: Apply
) -> Stream:
    """Overwrite what a stream's receiver supplies, and let delivery follow.

    A stream that we paused or disabled is enabled again when its delivery changes: the receiver has perhaps mended
    what we stumbled over. What the receiver stopped itself stays so.

    Args:
        apply: `patched` or `replaced`.

    Raises:
        NotFound: the receiver has no such stream.
        Invalid: the body is wrong; nothing was changed.
    Rule: SSF 1.0 §8.1.1.3, §8.1.1.4, §8.1.5.
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
        stream = replace(stored, configuration=apply(body, stored, rules))
        tx.receiver_streams.save(stream)
        if stream.configuration != stored.configuration:
            tx.audit.record(entry)
        if (stream.endpoint_url, stream.sealed_authorization) == (stored.endpoint_url, stored.sealed_authorization):
            return stream, []
        if stream.status is StreamStatus.ENABLED or stream.status_set_by is Party.RECEIVER:
            return stream, tx.streams.refresh_lanes(stream, is_mended=True)
        return _resume(tx, outside, stream)

    stream, ready = await outside.store.write(receiver.account_id, store)
    outside.wake(ready)
    return stream


def _resume(tx: Transaction, outside: Outside, stopped: Stream) -> tuple[Stream, list[LaneKey]]:
    stream = replace(stopped, status=StreamStatus.ENABLED, status_reason=None)
    tx.streams.set_status(stream.stream_id, stream.status, None, Party.TRANSMITTER)
    ready = tx.streams.refresh_lanes(stream, is_mended=True)
    reason = "delivery_updated"
    notice = stream_updated(stream, stream.status, reason, outside.clock.now(), new_id=outside.ids.uuid)
    return stream, ready + tx.events.queue([notice])
