"""The outcome of one attempt to deliver a SET. It is a value, never an exception."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class OutcomeKind(StrEnum):
    """The seven kinds of outcome. docs/delivery-cycle.md lists the consequences of each."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AUTH = "auth"
    GONE = "gone"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    LOCAL = "ours"  # a failure on our side; the value is older than the name, and metrics and logs use it


class Phases(NamedTuple):
    """The durations of the phases of one attempt. None: the phase did not occur or did not end.

    Attributes:
        dns: name resolution; None for a literal address and a kept-alive connection.
        connect: from the first dial to the open connection or, through an egress proxy, to the open tunnel; None for a
            kept-alive connection.
        tls: the handshake; None for a kept-alive connection.
        first_byte: from the last byte of the request to the first of the response; None: no response arrived.
    """

    dns: timedelta | None = None
    connect: timedelta | None = None
    tls: timedelta | None = None
    first_byte: timedelta | None = None


NO_PHASES = Phases()


class Outcome(Struct, frozen=True, kw_only=True):
    """The outcome of one attempt.

    Attributes:
        reason: a stable short word for people and programs, such as `http_503` or `blocked_address`.
        status: the HTTP status code; None: no response arrived.
        retry_after: the delay that the receiver asks for; None: it asks for none.
        detail: at most 500 printable characters of the response or of the network error.
        phases: the durations of the phases.
    """

    kind: OutcomeKind
    reason: str
    status: int | None = None
    retry_after: timedelta | None = None
    detail: str = ""
    phases: Phases = NO_PHASES
