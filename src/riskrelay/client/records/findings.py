"""Findings and activity: what is sent, and what became of it."""

from datetime import datetime
from typing import Any

import msgspec


class UserReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The user of a finding or an activity, by e-mail address."""

    email: str
    name: str | None = None
    user_id: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A risky behavior observed for a user.

    Attributes:
        behavior: the behavior's id, such as high_dlp.
        timestamp: default: when the service receives it.
        id: your id. A finding with the same id is stored once. Default: the client makes one.
        details: shown with the finding.
    """

    behavior: str
    user: UserReference
    timestamp: datetime | None = None
    id: str | None = None
    details: dict[str, Any] | None = None


class ChangedLevel(msgspec.Struct, frozen=True, kw_only=True):
    """A user whose risk level a request has changed; None: no risk."""

    user_id: str
    email: str
    previous_level: str | None
    current_level: str | None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of findings.

    Attributes:
        ignored: findings of disabled behaviors.
    """

    accepted: int
    duplicates: int
    ignored: int
    changes: list[ChangedLevel]


class Login(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A successful login. It needs coordinates, or an address that the service can locate.

    Attributes:
        type: login or session_refresh.
    """

    user: UserReference
    timestamp: datetime
    type: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float | None = None
    ip: str | None = None
    asn: int | None = None
    country: str | None = None
    city: str | None = None
    source: str | None = None
    anonymous: bool | None = None
    application: str | None = None
    id: str | None = None


class DlpHit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hit of a DLP profile."""

    user: UserReference
    timestamp: datetime
    profile: str
    type: str | None = None
    id: str | None = None


class EventPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One of the first events of a reason.

    Attributes:
        index: of the event in the request, from 0.
    """

    index: int
    pointer: str
    message: str


class EventsOfReason(msgspec.Struct, frozen=True, kw_only=True):
    """How many events had the same reason."""

    reason: str
    count: int
    first: list[EventPlace]


class DetectedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that the service has detected in activity."""

    id: str
    behavior: str
    user_id: str
    email: str
    risk_level: str
    timestamp: datetime
    details: dict[str, Any]


class ActivityRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of activity, and what was detected in it."""

    accepted: int
    duplicates: int
    ignored: int
    ignored_by_reason: dict[str, int]
    refused: int
    reasons: list[EventsOfReason]
    late: int
    findings: list[DetectedFinding]
    changes: list[ChangedLevel]
