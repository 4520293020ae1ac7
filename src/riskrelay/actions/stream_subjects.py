"""Subjects of a stream: add, remove."""

from collections.abc import Mapping
from typing import Any

from riskrelay.core.errors import Forbidden, found
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.streams import StreamId
from riskrelay.core.ssf.subject_filters import MAX_STATEMENTS
from riskrelay.core.ssf.subjects import matches, opaque_subject, subject_key
from riskrelay.ports import Services, Transaction


async def add_subject(services: Services, receiver: Receiver, stream_id: StreamId, subject: Mapping[str, Any]) -> None:
    """Add *subject* to a stream again. A stream carries all subjects by default, so this only reverts a removal.

    The response does not show whether the subject is known.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.3.2, §7.1 default_subjects "ALL", §9.1.
    """

    def store(tx: Transaction) -> None:
        found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        tx.receiver_streams.state(stream_id, subject, None)
        key = subject_key(subject)
        others = tx.receiver_streams.statements(stream_id)
        # The addition is stored only if a wider subject is removed; otherwise the stream carries the subject by
        # default.
        if any(s.is_removed and s.key != key and matches(s.subject, subject) for s in others):
            tx.receiver_streams.state(stream_id, subject, False)

    await services.store.write(receiver.account_id, store)


async def remove_subject(
    services: Services, receiver: Receiver, stream_id: StreamId, subject: Mapping[str, Any]
) -> None:
    """Queue no events about *subject* on the stream from now on. Events that are queued already are still sent.

    Events about the stream itself cannot be removed.

    Raises:
        NotFound: the receiver has no such stream.
        Forbidden: the receiver has removed as many subjects as it may.
    Rule: SSF 1.0 §8.1.3.3, §8.1.4.1 (the stream's own subject stays), §9.1, §9.3.
    """

    def store(tx: Transaction) -> None:
        found(tx.receiver_streams.get(receiver.integration_id, stream_id))
        tx.receiver_streams.note_activity(stream_id)
        if subject_key(subject) == subject_key(opaque_subject(stream_id)):
            return
        said = tx.receiver_streams.statements(stream_id)
        if len(said) >= MAX_STATEMENTS and subject_key(subject) not in {statement.key for statement in said}:
            raise Forbidden(f"the limit of {MAX_STATEMENTS:,} removed subjects of this stream is reached")
        tx.receiver_streams.state(stream_id, subject, True)

    await services.store.write(receiver.account_id, store)
