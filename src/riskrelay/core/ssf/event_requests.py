"""A security event that a caller asked to be sent, and what was queued for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.streams import StreamId

EventRequestId = NewType("EventRequestId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """A valid event, as a caller asked for it.

    Attributes:
        request_id: the caller's id, unique per account and what makes a repeat harmless; None: none given.
        event: as it is sent, with the subject in it where its type has one there.
        txn: what it shares with other events of one cause; None: a fresh one.
        digest: 32 bytes over everything the caller sent: a repeat with another digest is not a repeat.
    """

    request_id: EventRequestId | None
    event_type: str
    subject: Mapping[str, Any]
    event: Mapping[str, Any]
    txn: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """One SET that was queued, and for which stream."""

    jti: Jti
    stream_id: StreamId
    integration_id: IntegrationId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """What became of a request.

    Attributes:
        deliveries: one per stream that takes the event; empty when none does.
        requested_at: aware UTC, the moment of acceptance.
    """

    txn: str
    deliveries: tuple[QueuedDelivery, ...]
    digest: bytes
    requested_at: datetime
