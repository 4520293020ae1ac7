"""Let a stream carry events about a subject again."""

from collections.abc import Mapping
from typing import Any

from riskrelay.core.errors import NotFound
from riskrelay.core.ssf.access import Receiver
from riskrelay.core.ssf.streams import StreamId
from riskrelay.core.ssf.subjects import matches, subject_key
from riskrelay.ports import Outside, Transaction


async def add_subject(outside: Outside, receiver: Receiver, stream_id: StreamId, subject: Mapping[str, Any]) -> None:
    """Take back that *subject* was removed. A stream carries every subject by default, so nothing else is to do, and
    nobody learns whether we know the subject.

    Raises: NotFound: the receiver has no such stream.
    Rule: SSF 1.0 §8.1.3.2, §7.1 default_subjects "ALL", §9.1.
    """

    def store(tx: Transaction) -> None:
        if tx.receiver_streams.get(receiver.integration_id, stream_id) is None:
            raise NotFound
        tx.receiver_streams.note_activity(stream_id)
        tx.receiver_streams.state(stream_id, subject, None)
        key = subject_key(subject)
        others = tx.receiver_streams.statements(stream_id)
        # Out of a wider subject that is removed, this one is added: only then there is something to remember.
        if any(s.is_removed and s.key != key and matches(s.subject, subject) for s in others):
            tx.receiver_streams.state(stream_id, subject, False)

    await outside.store.write(receiver.account_id, store)
