"""A survey of a whole installation, for monitoring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.keys import Algorithm


class LaneCondition(StrEnum):
    """The condition of a lane. Each lane is in exactly one."""

    IDLE = "idle"
    """It has nothing to send now."""
    STOPPED = "stopped"
    """Its stream is paused, disabled, or its integration inactive."""
    OPEN = "breaker_open"
    """Its receiver failed and it has events to send, so it probes. The condition lasts until a probe is answered, also
    while a probe is due or a worker has the lane."""
    THROTTLED = "throttled"
    """Its receiver works and asked for a delay."""
    LEASED = "leased"
    """A worker has it, and its receiver works."""
    WAITING = "waiting"
    """It is due, and no worker has taken it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """An installation at one moment.

    Attributes:
        lanes: the number of lanes in each condition, without those of deleted streams.
        streams: the number of streams of each status, as their receivers see it.
        rejecting: the number of enabled streams of active integrations whose receivers refuse events.
        key_ages: the time since each algorithm's current key began to sign.
        silent_sources: the number of active sources that had events, and none for as long as they name.
        refusing_sources: the number of active sources of which every event of the last day was refused, and some were.
        overdue_levels: the number of users whose level should have been decided again by now.
        oldest_overdue_level: the time since when; zero: no user is overdue.
        database_bytes: the size of the database on disk.
    """

    ledgers: Sequence[Ledger]
    lanes: Mapping[LaneCondition, int]
    streams: Mapping[str, int]
    rejecting: int
    key_ages: Mapping[Algorithm, timedelta]
    silent_sources: int
    refusing_sources: int
    overdue_levels: int
    oldest_overdue_level: timedelta
    database_bytes: int
