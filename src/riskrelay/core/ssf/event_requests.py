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
        request_id: the client's id, unique per account, which makes a repeat harmless; None: none was given.
        event: the event as it is sent, with the subject in it where its type has one there.
        txn: the id that it shares with other events of one cause; None: a fresh one.
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
        deliveries: one per stream that takes the event; may be empty.
        requested_at: aware UTC, the time of acceptance.
    """

    txn: str
    deliveries: tuple[QueuedDelivery, ...]
    digest: bytes
    requested_at: datetime
