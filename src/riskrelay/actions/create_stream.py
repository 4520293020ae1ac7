"""Create a receiver's stream."""

from collections.abc import Mapping
from typing import Any

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import Forbidden, NotFound
from riskrelay.core.signals import verification
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.stream_documents import PushRules, created
from riskrelay.core.ssf.streams import Party, Stream, StreamId, StreamStatus
from riskrelay.ports import Outside, Transaction

MAX_STREAMS = 100  # guessed: one per product and environment of a receiver, with room
LANES = 1  # as create_integration


async def create_stream(
    outside: Outside,
    receiver: Receiver,
    body: Mapping[str, Any],
    rules: PushRules,
    stream_id: StreamId | None = None,
) -> Stream:
    """Store a new stream as the receiver asks for it, and queue a verification event on it.

    Args:
        body: the request's JSON object.
        stream_id: a fresh UUID, for which *rules* seal; None: the action makes one.

    Returns: the stream; it is enabled.
    Raises:
        Invalid: the body is wrong; one fault per mistake.
        Forbidden: the receiver has as many streams as it may have.
        NotFound: the integration is gone.
    Rule: SSF 1.0 §8.1.1.1, §8.1.4 (a verification event may come unasked).
    """
    stream_id = stream_id or StreamId(outside.ids.uuid())
    now = outside.clock.now()
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=now,
        actor=receiver.actor,
        verb=Verb.CREATED,
        kind=Kind.STREAM,
        thing_id=stream_id,
    )

    def store(tx: Transaction) -> tuple[Stream, list[LaneKey]]:
        integration = tx.integrations.get(receiver.integration_id)
        if integration is None:
            raise NotFound
        if len(tx.streams.of_integration(integration.integration_id)) >= MAX_STREAMS:
            raise Forbidden(f"a receiver may have {MAX_STREAMS} streams; delete one that you no longer use")
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
        tx.streams.refresh_lanes(stream, is_mended=False)
        hello = verification(stream, None, now, outside.ids.uuid)
        return stream, tx.events.queue([hello])

    stream, ready = await outside.store.write(receiver.account_id, store)
    outside.wake(ready)
    return stream
