"""Validation of events according to the table of event types."""

from collections.abc import Mapping
from typing import Any

import msgspec

from riskrelay.core.errors import Fault, FaultKind, pointer
from riskrelay.core.ssf.event_fields import value_faults
from riskrelay.core.ssf.event_type import EventType
from riskrelay.core.ssf.event_types import EVENT_TYPES, OF_IMPLICIT_STREAMS, OF_STREAMS
from riskrelay.core.ssf.subjects import Part, subject_faults

MAX_EVENT_BYTES = (
    32 * 1024
)  # guessed: 43 KiB in base64; receivers that limit a SET accept 64 KiB, as our receiver library does

_OWN = " and ".join(f"{product.name}'s own" for product in OF_IMPLICIT_STREAMS.values())


def event_faults(row: EventType, event: Any, at: tuple[Part, ...] = ()) -> list[Fault]:
    """Return the faults of an event of the type *row*.

    Args:
        event: any JSON value. If receivers read the subject in the event, it contains the subject (`with_subject`).
        at: its pointer in the request.

    Returns: one fault per mistake; empty: the event is valid. The name of a member that the type does not define must
        be a URI, which detects misspelled names and permits extensions.
    Rule: the section that the row names; SSF 1.0 §4.2.3 (additional members may be sent); RFC 7519 §4.2 (their names).
    """
    if not isinstance(event, dict):
        return [Fault(FaultKind.WRONG_TYPE, pointer(at), "must be an object: the members of the event")]
    faults: list[Fault] = []
    for field in row.fields:
        if field.name in event:
            faults += value_faults(field, event[field.name], (*at, field.name))
        elif field.required:
            source = field.rule or row.source
            message = f"{row.name} requires this member ({source}): {field.meaning}"
            faults.append(Fault(FaultKind.REQUIRED, pointer((*at, field.name)), message))
    if row.one_of and not any(name in event for name in row.one_of):
        message = f"{row.name} requires one of {', '.join(row.one_of)} ({row.source})"
        faults.append(Fault(FaultKind.REQUIRED, pointer((*at, row.one_of[0])), message))
    known = {field.name for field in row.fields}
    for name in event:
        if name not in known and ":" not in name:
            has = ", ".join(field.name for field in row.fields) or "none"
            message = f"{row.name} does not define this member, only {has}; the name of another member must be a URI"
            faults.append(Fault(FaultKind.WRONG_VALUE, pointer((*at, name)), message))
    return faults


def event_subject_faults(row: EventType, subject: Any, at: tuple[Part, ...] = ()) -> list[Fault]:
    """Return the faults of the subject of an event of the type *row*.

    Returns: one fault per mistake; empty: it is a valid subject for such an event.
    """
    faults = subject_faults(subject, at)
    if not faults and row.subject_formats is not None and subject["format"] not in row.subject_formats:
        message = f"the subject of {row.name} must have the format {' or '.join(row.subject_formats)} ({row.source})"
        faults.append(Fault(FaultKind.WRONG_VALUE, pointer((*at, "format")), message))
    return faults


def with_subject(row: EventType, event: Mapping[str, Any], subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return *event* as it is sent: with the subject in it, if receivers of its type read the subject there.

    Rule: SSF 1.0 §3.1.1 (types that have a `subject` keep it, besides `sub_id`); Okta API, SecurityEventSubject.
    """
    return {"subject": {"user": subject}, **event} if row.subject_in_event else dict(event)


def request_faults(event_type: Any, subject: Any, event: Any) -> list[Fault]:
    """Return the faults of a request to send an event, by the table of event types.

    Args: the members of the request's body, any JSON values. A member of a wrong type is ignored here, because the
        reader of the body reports it.

    Returns: one fault per mistake, with pointers into the body.
    """
    if not isinstance(event_type, str):
        return []
    row = EVENT_TYPES.get(event_type)
    if row is None or event_type in OF_STREAMS:
        message = f"must be the URI of a CAEP or RISC event type, or {_OWN}"
        return [Fault(FaultKind.WRONG_VALUE, "/event_type", message)]
    faults: list[Fault] = []
    if isinstance(subject, dict):
        faults += event_subject_faults(row, subject, ("subject",))
    if isinstance(event, dict):
        faults += event_faults(row, with_subject(row, event, subject), ("event",))
        faults += _other_subject(row, event, subject)
        if len(msgspec.json.encode([subject, event])) > MAX_EVENT_BYTES:
            message = f"subject and event must not have more than {MAX_EVENT_BYTES:,} bytes together"
            faults.append(Fault(FaultKind.TOO_LONG, "/event", message))
    return faults


def _other_subject(row: EventType, event: Mapping[str, Any], subject: Any) -> list[Fault]:
    """Refuse an event that contains another subject than the request."""
    if not row.subject_in_event or "subject" not in event or event["subject"] == {"user": subject}:
        return []
    message = "omit it: the service adds the subject of the request here, as the member user"
    return [Fault(FaultKind.WRONG_VALUE, "/event/subject", message)]
