"""A client's request to send a security event, and its response."""

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
    """A valid request to send an event.

    Attributes:
        request_id: the client's id, unique per account, which makes a repeat idempotent; None: the client sent none.
        event: the event as it is sent, with the subject in it if its type contains the subject.
        txn: the id that events with the same cause share; None: a new one is created.
        digest: 32 bytes over the whole request. A request with the same id and another digest is refused.
    """

    request_id: EventRequestId | None
    event_type: str
    subject: Mapping[str, Any]
    event: Mapping[str, Any]
    txn: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A queued SET and its stream."""

    jti: Jti
    stream_id: StreamId
    integration_id: IntegrationId


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """The response to a request.

    Attributes:
        deliveries: one per stream that accepts the event; may be empty.
        requested_at: aware UTC, the time of acceptance.
    """

    txn: str
    deliveries: tuple[QueuedDelivery, ...]
    digest: bytes
    requested_at: datetime
