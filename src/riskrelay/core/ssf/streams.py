"""A stream, which carries an integration's security events to its receiver."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType
from zlib import crc32

from riskrelay.core.integrations import AccountId, Integration
from riskrelay.core.keys import sealed_row
from riskrelay.core.products import implicit_stream_of
from riskrelay.core.ssf.event_types import EVENTS_SUPPORTED
from riskrelay.core.ssf.subject_filters import HEARS_ALL, SubjectFilter

StreamId = NewType("StreamId", str)

_SUPPORTED = frozenset(EVENTS_SUPPORTED)

CONTROL_LANE = -1
"""The lane of stream-updated events. It is delivered also while the stream is paused or disabled, because the receiver
must learn why its stream stops (SSF 1.0 §8.1.5). No subject is assigned to it."""

# Reasons for cancelling an event or pausing a stream: stable words for people and programs.
STREAM_DISABLED = "stream_disabled"
STREAM_DELETED = "stream_deleted"
INTEGRATION_DELETED = "integration_deleted"
INACTIVITY = "inactivity_timeout"
INTEGRATION_INACTIVE = "integration_inactive"
INTEGRATION_PAUSED = "integration_paused"


class StreamStatus(StrEnum):
    """The status of a stream. A paused one holds events, a disabled one neither holds nor sends them.

    Rule: SSF 1.0 §8.1.2.
    """

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class Party(StrEnum):
    """The party that set a stream's status. Only the receiver starts a stream again that the receiver stopped."""

    RECEIVER = "receiver"
    TRANSMITTER = "transmitter"


@dataclass(frozen=True, slots=True)
class Push:
    """Delivery by push to the receiver (RFC 8935).

    Attributes:
        endpoint_url: the URL to push to, as the receiver sent it.
        sealed_authorization: the `Authorization` header of each push, sealed under the master key; None: no header.
    """

    endpoint_url: str
    sealed_authorization: bytes | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """Delivery by polling (RFC 8936)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """The form in which a receiver writes its stream. Responses use the same form.

    Attributes:
        audience_in_array: whether `aud` is an array of one element.
        risc_methods: whether the delivery method is a URI of RISC's older profile.
        method_member, url_member: the names of the members of `delivery`.
    Rule: docs/divergences.md, risc-delivery.
    """

    audience_in_array: bool = False
    risc_methods: bool = False
    method_member: str = "method"
    url_member: str = "endpoint_url"


STANDARD_SPELLING = Spelling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The members of a receiver's stream that do not follow from its integration.

    Attributes:
        audience: the `aud`, fixed when the stream is created; a new tenant URL does not change it.
        events_requested: as the receiver sent them; None: it sent none.
        description: for people; None: there is none.
        spelling: the form of the receiver's requests and of the responses to them.
    Rule: SSF 1.0 §8.1.1.
    """

    audience: str
    delivery: Push | Poll
    events_requested: tuple[str, ...] | None = None
    description: str | None = None
    spelling: Spelling = STANDARD_SPELLING


def stream_row(account_id: AccountId, stream_id: StreamId) -> str:
    """Return the row name that a stream's authorization header is sealed with."""
    return sealed_row("streams", account_id, stream_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An integration's stream, with its integration as it was at the time of the same read.

    Attributes:
        lanes: the number of lanes over which its events are distributed by subject; at least 1.
        configuration: None for an implicit stream, which follows from the integration and its product and which no
            receiver manages.
        status_reason: the reason for the status, as the party that set it wrote it.
        subjects: the subjects that it carries events about.
    """

    stream_id: StreamId
    integration: Integration
    status: StreamStatus
    lanes: int
    configuration: Configuration | None = None
    status_reason: str | None = None
    status_set_by: Party = Party.TRANSMITTER
    subjects: SubjectFilter = HEARS_ALL

    @property
    def is_implicit(self) -> bool:
        """Whether it was created with its integration and not by a receiver."""
        return self.configuration is None

    @property
    def is_polled(self) -> bool:
        """Whether its receiver polls its SETs."""
        return self.configuration is not None and isinstance(self.configuration.delivery, Poll)

    @property
    def endpoint_url(self) -> str:
        """The URL that its SETs are pushed to or polled from.

        Rule: an implicit stream pushes to the product's path below the tenant URL.
        """
        if self.configuration is None:
            return implicit_stream_of(self.integration.integration_type).endpoint_url(self.integration.tenant_url)
        if isinstance(self.configuration.delivery, Push):
            return self.configuration.delivery.endpoint_url
        return self.poll_url

    @property
    def poll_url(self) -> str:
        """The URL that its SETs are polled from, if it is polled. Rule: SSF 1.0 §6.1.2: one per stream."""
        return f"{self.integration.transmitter_url}/poll/{self.stream_id}"

    @property
    def sealed_authorization(self) -> bytes | None:
        """The header of each push, sealed; None: there is none."""
        delivery = None if self.configuration is None else self.configuration.delivery
        return delivery.sealed_authorization if isinstance(delivery, Push) else None

    @property
    def row(self) -> str:
        """The row name that its authorization header is sealed with."""
        return stream_row(self.integration.account_id, self.stream_id)

    @property
    def audience(self) -> str:
        """The `aud` of its SETs; of an implicit stream the tenant URL, as the account wrote it."""
        return self.integration.tenant_url if self.configuration is None else self.configuration.audience

    @property
    def events_delivered(self) -> tuple[str, ...]:
        """The event types it carries, besides verification and stream-updated."""
        if self.configuration is None:
            return (implicit_stream_of(self.integration.integration_type).event_type,)
        return events_delivered(_SUPPORTED, self.configuration.events_requested or ())

    def carries(self, event_type: str) -> bool:
        """Return whether *event_type* is among `events_delivered`."""
        if self.configuration is None:
            return event_type == implicit_stream_of(self.integration.integration_type).event_type
        return event_type in _SUPPORTED and event_type in (self.configuration.events_requested or ())

    def lane_of(self, subject_key: str) -> int:
        """Return the lane of *subject_key*. It is always the same, which keeps the order per subject."""
        return crc32(subject_key.encode()) % self.lanes if self.lanes > 1 else 0

    @property
    def effective_status(self) -> tuple[StreamStatus, str | None]:
        """Its status as its receiver sees it, and why: an integration that is inactive, or paused by an operator,
        pauses every stream it has."""
        if self.status is StreamStatus.ENABLED and not self.integration.active:
            return StreamStatus.PAUSED, INTEGRATION_INACTIVE
        if self.status is StreamStatus.ENABLED and self.integration.pause is not None:
            return StreamStatus.PAUSED, INTEGRATION_PAUSED
        return self.status, self.status_reason

    @property
    def all_lanes(self) -> tuple[int, ...]:
        """All of its lanes. A receiver's stream also has a control lane, which comes first."""
        spread = tuple(range(self.lanes))
        return spread if self.is_implicit else (CONTROL_LANE, *spread)

    def is_silent(self, lane: int) -> bool:
        """Return whether no event of *lane* may be sent now, by push or by poll.

        Rule: SSF 1.0 §8.1.2; events about the stream itself are sent in every status (§8.1.5).
        """
        if lane == CONTROL_LANE:
            return False
        return self.effective_status[0] is not StreamStatus.ENABLED


def takes(stream: Stream, event_type: str, subject: Mapping[str, Any]) -> bool:
    """Return whether *stream* carries events of *event_type* about *subject*.

    Rule: SSF 1.0 §8.1.1 events_delivered, §8.1.3; an implicit stream carries its product's own event type only
    (docs/choices.md).
    """
    return stream.carries(event_type) and stream.subjects.accepts(subject)


def events_delivered(supported: Collection[str], requested: Sequence[str]) -> tuple[str, ...]:
    """Choose the event types that a stream carries.

    Args:
        supported: event-type URIs this transmitter can send to the receiver.
        requested: event-type URIs as the receiver sent them, in its order.

    Returns:
        Those of *requested* that are supported, in the receiver's order, each once. Empty when none is:
        the stream is legal and carries only verification and stream-updated events.

    Rule: SSF 1.0 §8.1.1 events_delivered, events_requested (unknown URIs are ignored, never an error).

    >>> events_delivered({"a", "b"}, ["b", "x", "b"])
    ('b',)
    """
    return tuple(dict.fromkeys(uri for uri in requested if uri in supported))
