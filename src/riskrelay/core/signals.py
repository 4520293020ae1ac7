"""The security events to queue for level changes, requests and the streams themselves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from riskrelay.core.products import implicit_stream_of
from riskrelay.core.risk.assessment import LevelChange
from riskrelay.core.ssf.event_requests import EventRequest
from riskrelay.core.ssf.event_type import STREAM_UPDATED, VERIFICATION
from riskrelay.core.ssf.events import Jti, SecurityEvent
from riskrelay.core.ssf.level_changes import LEVEL_CHANGE_EVENTS, REVOCATION, TEST_USER
from riskrelay.core.ssf.streams import Stream, StreamStatus, takes
from riskrelay.core.ssf.subjects import email_subject, opaque_subject, subject_key

_CHANGE_EVENTS = {**LEVEL_CHANGE_EVENTS, **REVOCATION}


class Signal(Struct, frozen=True, kw_only=True):
    """A security event for one stream, ready to be queued.

    Attributes:
        subject_key: events with the same key keep their order.
        is_control: whether it is queued on the stream's control lane, for notices about the stream while it is stopped.
        is_level_change: whether it reports a change of a user's level, so that a later one may supersede it.
    """

    stream: Stream
    subject_key: str
    event: SecurityEvent
    is_control: bool = False
    is_level_change: bool = False


def for_changes(
    changes: Iterable[tuple[str, LevelChange]], streams: Sequence[Stream], new_id: Callable[[], str]
) -> list[Signal]:
    """Return one security event per change, stream and event type of a level change that the stream takes.

    If a rule revokes the user's sessions, CAEP's session-revoked follows on the streams that take it.

    Args:
        changes: each with the `txn` of its events.
        streams: the streams of active integrations.
        new_id: returns a fresh UUID, for `jti`.

    Returns: in the order of *changes*; all SETs of one change share a `txn`.
    Rule: SSF 1.0 §4.1.9 txn; RFC 8417 §2.2 jti.
    """
    signals: list[Signal] = []
    carrying = [
        (event_type, render, found)
        for event_type, render in _CHANGE_EVENTS.items()
        if (found := [stream for stream in streams if stream.carries(event_type)])
    ]
    if not carrying:
        return signals
    for txn, change in changes:
        subject = email_subject(change.email)
        key = subject_key(subject)
        for event_type, render, found in carrying:
            is_revocation = event_type in REVOCATION
            if not (change.revoking if is_revocation else change.previous != change.current):
                continue
            taking = [stream for stream in found if stream.subjects.accepts(subject)]
            members = render(change, subject) if taking else {}
            for stream in taking:
                event = SecurityEvent(
                    jti=Jti(new_id()),
                    txn=txn,
                    issued_at=change.changed_at,
                    event_type=event_type,
                    event=members,
                    sub_id=subject,
                )
                signals.append(Signal(stream=stream, subject_key=key, event=event, is_level_change=not is_revocation))
    return signals


def for_event(
    request: EventRequest, txn: str, at: datetime, streams: Sequence[Stream], new_id: Callable[[], str]
) -> list[Signal]:
    """Return the requested event, once per stream that takes it.

    Args:
        at: the time of acceptance, which is the `iat` of the SETs.
        streams: the streams that take events now: of active integrations, enabled or paused.
        new_id: returns a fresh UUID, for `jti`.

    Returns: in the order of *streams*.
    """
    key = subject_key(request.subject)
    return [
        Signal(
            stream=stream,
            subject_key=key,
            event=SecurityEvent(
                jti=Jti(new_id()),
                txn=txn,
                issued_at=at,
                event_type=request.event_type,
                event=request.event,
                sub_id=request.subject,
            ),
        )
        for stream in streams
        if takes(stream, request.event_type, request.subject)
    ]


def verification(stream: Stream, state: str | None, now: datetime, new_id: Callable[[], str]) -> Signal:
    """Return a verification event for *stream*.

    Args:
        state: the state that the receiver sent with its request; None: it sent none, or did not ask.

    Rule: SSF 1.0 §8.1.4.1: no `state` member unless the receiver sent one; the subject is the stream.
    """
    members = {} if state is None else {"state": state}
    return _about_stream(stream, VERIFICATION, members=members, now=now, new_id=new_id, is_control=False)


def operators_verification(stream: Stream, state: str | None, now: datetime, new_id: Callable[[], str]) -> Signal:
    """Return the event that an operator sends to test a stream.

    It is a verification event. The receiver of an implicit stream documents no such event, so it gets a level change
    from none to none for a user that cannot exist.

    Args:
        state: the state in a verification event; None: the event has no such member.

    Rule: SSF 1.0 §8.1.4.1; RFC 2606 §2 (no domain can be registered below `.invalid`); docs/choices.md.
    """
    if not stream.is_implicit:
        return verification(stream, state, now, new_id)
    subject = email_subject(TEST_USER)
    implicit = implicit_stream_of(stream.integration.integration_type)
    members = implicit.verification(subject, now)
    event = SecurityEvent(
        jti=Jti(new_id()), txn=new_id(), issued_at=now, event_type=implicit.event_type, event=members, sub_id=subject
    )
    return Signal(stream=stream, subject_key=subject_key(subject), event=event)


def stream_updated(
    stream: Stream, status: StreamStatus, reason: str, now: datetime, new_id: Callable[[], str]
) -> Signal:
    """Return the event that notifies a receiver that this transmitter changed the status of its stream.

    Rule: SSF 1.0 §8.1.5: before the stream stops, and when it starts again.
    """
    members = {"status": status.value, "reason": reason}
    return _about_stream(stream, STREAM_UPDATED, members=members, now=now, new_id=new_id, is_control=True)


def _about_stream(
    stream: Stream,
    event_type: str,
    members: Mapping[str, Any],
    now: datetime,
    new_id: Callable[[], str],
    *,
    is_control: bool,
) -> Signal:
    subject = opaque_subject(stream.stream_id)
    event = SecurityEvent(
        jti=Jti(new_id()), txn=new_id(), issued_at=now, event_type=event_type, event=members, sub_id=subject
    )
    return Signal(stream=stream, subject_key=subject_key(subject), event=event, is_control=is_control)
