"""What happened and the streams that take it, to the security events to queue."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from riskrelay.risk.assessment import LevelChange
from riskrelay.ssf.event_requests import EventRequest
from riskrelay.ssf.events import Jti, SecurityEvent
from riskrelay.ssf.level_changes import LEVEL_CHANGE_EVENTS
from riskrelay.ssf.streams import Stream, takes
from riskrelay.ssf.subjects import email_subject, subject_key


@dataclass(frozen=True, slots=True)
class Signal:
    """A security event for one stream, ready to be queued."""

    stream: Stream
    subject_key: str
    event: SecurityEvent


def for_changes(changes: Iterable[LevelChange], streams: Sequence[Stream], new_id: Callable[[], str]) -> list[Signal]:
    """One security event per change and stream that takes one of the event types that tell of it.

    Args:
        streams: those that take events now (of active integrations, enabled or paused).
        new_id: a fresh UUID at each call, for `jti` and `txn`.

    Returns: in the order of *changes*; all SETs of one change share a `txn`.
    Rule: SSF 1.0 §4.1.9 txn; RFC 8417 §2.2 jti.
    """
    signals: list[Signal] = []
    if not streams:
        return signals
    for change in changes:
        txn = new_id()
        subject = email_subject(change.email)
        key = subject_key(subject)
        for event_type, render in LEVEL_CHANGE_EVENTS.items():
            taking = [stream for stream in streams if takes(stream, event_type, subject)]
            members = render(change) if taking else {}
            for stream in taking:
                event = SecurityEvent(Jti(new_id()), txn, change.changed_at, event_type, members, subject)
                signals.append(Signal(stream, key, event))
    return signals


def for_event(
    request: EventRequest, txn: str, at: datetime, streams: Sequence[Stream], new_id: Callable[[], str]
) -> list[Signal]:
    """The requested event, once per stream that takes it.

    Args:
        at: when it was accepted: the `iat` of the SETs.
        streams: those that take events now (of active integrations, enabled or paused).
        new_id: a fresh UUID at each call, for `jti`.

    Returns: in the order of *streams*.
    """
    key = subject_key(request.subject)
    return [
        Signal(
            stream,
            key,
            SecurityEvent(Jti(new_id()), txn, at, request.event_type, request.event, request.subject),
        )
        for stream in streams
        if takes(stream, request.event_type, request.subject)
    ]
