"""Sources of signals."""

from datetime import datetime
from typing import Any

import msgspec

from riskrelay.client.records.findings import EventsOfReason


class SuggestedBehavior(msgspec.Struct, frozen=True, kw_only=True):
    """A behavior that a kind of source suggests."""

    id: str
    name: str
    description: str
    risk_level: str


class SourceKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of source.

    Attributes:
        gives: finding, login, session_refresh, dlp_hit.
        mapping: the shipped mapping document.
    """

    kind: str
    description: str
    gives: list[str]
    behaviors: list[SuggestedBehavior]
    mapping: dict[str, Any]


class LastDay(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source's events in the last 24 hours; ignored and refused by reason."""

    findings: int
    activity: int
    duplicates: int
    ignored: dict[str, int]
    refused: dict[str, int]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A product that sends signals.

    Attributes:
        mapping: of your own; None: the shipped one of the kind.
        silent_after_seconds: without an event after which it is silent; None: the default.
        events_url: where the sender posts events.
        state: inactive, waiting, receiving, silent or refusing.
    """

    id: str
    kind: str
    name: str
    active: bool
    mapping: dict[str, Any] | None
    silent_after_seconds: int | None
    created_at: datetime
    last_event_at: datetime | None
    events_url: str
    state: str
    last_day: LastDay


class SourceCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of a source's sender: header, path or signature."""

    id: str
    kind: str
    created_at: datetime


class IssuedSourceCredential(SourceCredential, frozen=True, kw_only=True):
    """A new credential. Its secret is only in this response.

    Attributes:
        events_url: with the secret, of the kind path.
    """

    secret: str
    events_url: str | None = None

    def __repr__(self) -> str:
        """Leave the secrets out."""
        return f"IssuedSourceCredential(id={self.id!r}, kind={self.kind!r})"


class CreatedSource(Source, frozen=True, kw_only=True):
    """A new source, with the secret of its sender and what to do next."""

    credential: IssuedSourceCredential
    created_behaviors: list[str]
    next_step: str


class SourceSample(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was ignored or refused in the last day."""

    id: str
    became: str
    reason: str
    pointer: str
    message: str
    at: datetime
    event: Any


class SourceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of a request."""

    events: int
    findings: int
    activity: int
    exempt: list[EventsOfReason]
    duplicates: int
    ignored: list[EventsOfReason]
    refused: list[EventsOfReason]
    level_changes: int


class SourceAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """What each event would become: finding, activity, ignored or refused, and why. Nothing was stored."""

    events: list[dict[str, Any]]
