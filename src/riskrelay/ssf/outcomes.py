"""What became of one attempt to deliver a SET: a value, never an exception."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class OutcomeKind(StrEnum):
    """The seven outcomes (docs/delivery-cycle.md says what each leads to)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AUTH = "auth"
    GONE = "gone"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    Attributes:
        reason: a stable short word for people and programs, such as `http_503` or `blocked_address`.
        status: the HTTP status code; None when no answer came.
        retry_after: how long the receiver asks to be left alone; None when it does not say.
        detail: at most 500 printable characters of what the receiver or the network said.
    """

    kind: OutcomeKind
    reason: str
    status: int | None = None
    retry_after: timedelta | None = None
    detail: str = ""
