"""A security event as it is queued."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

from msgspec import Struct

Jti = NewType("Jti", str)


class SecurityEvent(Struct, frozen=True, kw_only=True):
    """The content of one SET. It is fixed when the event is queued.

    Attributes:
        jti: unique; a retry sends the same.
        txn: the same for all SETs of one cause.
        issued_at: aware UTC, the time when the cause was accepted; whole seconds on the wire.
        event_type: the URI.
        event: the members of the event.
        sub_id: the top-level subject (RFC 9493).
    """

    jti: Jti
    txn: str
    issued_at: datetime
    event_type: str
    event: Mapping[str, Any]
    sub_id: Mapping[str, Any]
