"""Deliveries, replays, and the health of delivery."""

from datetime import datetime

import msgspec


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of an attempt's phases in milliseconds; None: it did not get so far."""

    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One push of an event.

    Attributes:
        number: from 1.
        outcome: accepted, rejected, auth, gone, throttled, transient or ours.
        status: HTTP status; None: no response.
        detail: what the receiver said.
    """

    number: int
    started_at: datetime
    duration_ms: float
    phases: Phases
    outcome: str
    reason: str
    status: int | None
    detail: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event for a receiver.

    Attributes:
        jti: the id of the event in its SET, the same in all attempts.
        state: pending, delivered, dead, expired, cancelled, erased or superseded.
    """

    jti: str
    state: str
    reason: str | None
    queued_at: datetime
    attempts: list[Attempt]


class ReplayFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries a replay sends again.

    Attributes:
        listed_users: how many users were listed; None: deliveries about all users.
    """

    state: str
    reason: str | None
    queued_from: datetime | None
    queued_to: datetime
    listed_users: int | None


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Many deliveries that are sent again.

    Attributes:
        status: running, paused, completed or cancelled.
    """

    id: str
    status: str
    filter: ReplayFilter
    total: int
    replayed: int
    created_at: datetime


class ReplayStarted(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay sends again.

    Attributes:
        sample: the newest ten deliveries.
        replay: None: it was a dry run, or nothing matched.
    """

    count: int
    sample: list[Delivery]
    replay: Replay | None


class QueuedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A test event on one stream."""

    jti: str
    stream_id: str


class Verifying(msgspec.Struct, frozen=True, kw_only=True):
    """The test events that were queued; empty: the integration has no stream yet."""

    deliveries: list[QueuedDelivery]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of each stream of an integration; None: no limit."""

    pushes_per_second: int | None
    concurrency: int | None
    coalesce_level_changes: bool = False


class Paused(msgspec.Struct, frozen=True, kw_only=True):
    """Since when, and why, an integration is paused."""

    since: datetime
    reason: str | None


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of events by state. queued is the sum of the others."""

    queued: int
    delivered: int
    pending: int
    dead: int
    expired: int
    cancelled: int
    erased: int
    superseded: int


class LastAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last attempt on a stream."""

    at: datetime
    outcome: str
    reason: str


class StreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The state of delivery on one stream.

    Attributes:
        delivery: push or poll.
        condition: healthy, failing, rejecting, paused, disabled or inactive.
        why, next: the reason, and what to do, in words.
    """

    stream_id: str
    delivery: str
    endpoint_url: str
    condition: str
    why: str
    next: str
    ledger: Ledger
    oldest_pending_seconds: float | None
    next_attempt_in_seconds: float | None
    failures_in_a_row: int
    last_attempt: LastAttempt | None


class RefusedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the receiver that the service has refused."""

    operation: str
    at: datetime
    status: int
    error: str
    message: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The state of delivery for an integration.

    Attributes:
        paused: None: it is not.
    """

    integration_id: str
    active: bool
    paused: Paused | None
    limits: Limits
    warnings: list[str]
    streams: list[StreamHealth]
    refused_requests: list[RefusedRequest]
