"""A level change and the streams that take it, to the security events to queue."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from riskrelay.risk.assessment import LevelChange
from riskrelay.ssf.events import OKTA_USER_RISK_CHANGE, Jti, SecurityEvent, okta_user_risk_change
from riskrelay.ssf.streams import Stream
from riskrelay.ssf.subjects import email_subject


@dataclass(frozen=True, slots=True)
class Signal:
    """A security event for one stream, ready to be queued."""

    stream: Stream
    subject_key: str
    event: SecurityEvent


def for_changes(changes: Iterable[LevelChange], streams: Sequence[Stream], new_id: Callable[[], str]) -> list[Signal]:
    """One security event per change and stream.

    Args:
        streams: those that take events now (of active integrations, enabled or paused).
        new_id: a fresh UUID at each call, for `jti` and `txn`.

    Returns: in the order of *changes*, then of *streams*; all SETs of one change share a `txn`.
    Rule: SSF 1.0 §4.1.8 txn; RFC 8417 §2.2 jti.
    """
    signals: list[Signal] = []
    if not streams:
        return signals
    for change in changes:
        txn = new_id()
        subject = email_subject(change.email)
        payload = okta_user_risk_change(change)
        for stream in streams:
            event = SecurityEvent(Jti(new_id()), txn, change.changed_at, OKTA_USER_RISK_CHANGE, payload, subject)
            signals.append(Signal(stream, change.email.casefold(), event))
    return signals
