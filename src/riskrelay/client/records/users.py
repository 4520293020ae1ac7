"""Users at risk, their history, and resets."""

from datetime import datetime
from typing import Any

import msgspec


class UserAtRisk(msgspec.Struct, frozen=True, kw_only=True):
    """A user with a risk level. event_count and last_event are since the last reset."""

    user_id: str
    name: str
    email: str
    event_count: int
    last_event: datetime
    max_risk_level: str


class FoundUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user, with or without a risk level."""

    user_id: str
    name: str
    email: str
    risk_level: str | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A page of users at risk."""

    users: list[UserAtRisk]


class AppliedException(msgspec.Struct, frozen=True, kw_only=True):
    """The exception that changed what a finding means; reason and effect are None when it was deleted."""

    id: str
    effect: str | None
    level: str | None
    reason: str | None


class UserFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a user since the last reset."""

    id: str
    name: str
    risk_level: str
    timestamp: datetime
    event_details: dict[str, Any] | None = None
    exception: AppliedException | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user with the latest findings since the last reset.

    Attributes:
        events: at most 1,000; `users.findings` iterates over all.
        last_reset_time: None: never.
        risk_level: None: no risk.
    """

    name: str
    email: str
    events: list[UserFinding]
    last_reset_time: datetime | None
    risk_level: str | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """How far an erasure is: running or completed."""

    status: str


class UserExport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored about a user, as plain JSON values."""

    user: dict[str, Any]
    findings: list[dict[str, Any]]
    level_changes: list[dict[str, Any]]
    activity: list[dict[str, Any]]
    known_places: list[dict[str, Any]]
    directory: list[dict[str, Any]]
    exceptions: list[dict[str, Any]]
    events: list[dict[str, Any]]


class HistoryFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that made a level change."""

    id: str
    behavior: str
    name: str
    risk_level: str
    timestamp: datetime


class Notified(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a level change queued for a receiver, and its receipt."""

    integration_id: str
    reference_id: str
    jti: str
    event_type: str
    state: str
    reason: str | None
    queued_at: datetime
    attempts: int
    status: int | None
    received_at: datetime | None


class NamedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the account, with its name at the time of a level change."""

    id: str
    name: str


class LevelChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a user's risk level; None: no risk.

    Attributes:
        kind: finding, exception, expiry, settings, reset or rule.
        rules: those that give the current level; if the change is their end, the previous one.
        sessions_revoked_by: the rules because of which the sessions of the user were revoked.
        actor: the person or token that made it.
        more_notified: *notified* has not all receivers.
    """

    id: str
    changed_at: datetime
    previous_level: str | None
    current_level: str | None
    kind: str
    reason: str | None
    behaviors: list[str]
    findings: list[HistoryFinding]
    deleted_findings: int
    rule: str | None
    rules: list[NamedRule]
    sessions_revoked_by: list[NamedRule]
    actor: str | None
    note: str | None
    notified: list[Notified]
    more_notified: bool


class BulkResetFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which users a bulk reset resets: those that meet all conditions. At least one is required.

    Attributes:
        users: at most 5,000 user ids.
    """

    level: str | None = None
    behavior: str | None = None
    last_event_from: datetime | None = None
    last_event_to: datetime | None = None
    users: list[str] | None = None


class ShownFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of a bulk reset; of listed users only the number."""

    level: str | None
    behavior: str | None
    last_event_from: datetime | None
    last_event_to: datetime | None
    listed_users: int | None


class BulkReset(msgspec.Struct, frozen=True, kw_only=True):
    """Many users whose risk level is cleared, some at a time.

    Attributes:
        status: running, paused, completed or cancelled.
    """

    id: str
    status: str
    filter: ShownFilter
    reason: str | None
    total: int
    users_reset: int
    users_skipped: int
    created_at: datetime


class MatchingUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user that a bulk reset would reset."""

    user_id: str
    email: str
    risk_level: str | None
    last_event: datetime | None


class BulkResetStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a bulk reset resets.

    Attributes:
        sample: the first ten, for tokens with the pii-read scope.
        reset: None: it was a dry run, or no user matched.
    """

    count: int
    sample: list[MatchingUser]
    reset: BulkReset | None
