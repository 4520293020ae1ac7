"""What became of one attempt to deliver a SET: a value, never an exception."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class OutcomeKind(StrEnum):
    """The seven outcomes (docs/delivery-cycle.md says what each leads to)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AUTH = "auth"
    GONE = "gone"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    OURS = "ours"


class Phases(NamedTuple):
    """How long the phases of one attempt took. None: there was no such phase, or it did not end.

    Attributes:
        dns: until the name's addresses were known; None for a literal address and a kept-alive connection.
        connect: from the first dial until a connection stood, through an egress proxy until its tunnel did; None for a
            kept-alive connection.
        tls: the handshake; None for a kept-alive connection.
        first_byte: from the request's last byte to the answer's first; None when no answer came.
    """

    dns: timedelta | None = None
    connect: timedelta | None = None
    tls: timedelta | None = None
    first_byte: timedelta | None = None


NO_PHASES = Phases()


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one attempt.

    Attributes:
        reason: a stable short word for people and programs, such as `http_503` or `blocked_address`.
        status: the HTTP status code; None when no answer came.
        retry_after: how long the receiver asks to be left alone; None when it does not say.
        detail: at most 500 printable characters of what the receiver or the network said.
        phases: how long it took to get there.
    """

    kind: OutcomeKind
    reason: str
    status: int | None = None
    retry_after: timedelta | None = None
    detail: str = ""
    phases: Phases = NO_PHASES
