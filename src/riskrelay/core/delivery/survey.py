"""What monitoring wants to know of a whole installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.keys import Algorithm


class LaneCondition(StrEnum):
    """What a lane is doing; each is in exactly one."""

    IDLE = "idle"
    """It has nothing to send now."""
    STOPPED = "stopped"
    """Its stream is paused, disabled, or its integration inactive."""
    OPEN = "breaker_open"
    """Its receiver failed, and it has something to send: it only probes. So it is until a probe is answered, also while
    one is due or a worker is at it."""
    THROTTLED = "throttled"
    """Its receiver works and asked to be left alone for a while."""
    LEASED = "leased"
    """A worker has it, and its receiver works."""
    WAITING = "waiting"
    """It is due, and no worker has taken it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """An installation at one moment.

    Attributes:
        lanes: how many are in each condition; those of deleted streams are left out.
        streams: how many have each status as their receivers see it.
        rejecting: how many streams, enabled and of active integrations, have receivers that refuse what they get.
        key_ages: how long each algorithm's current key has been signing.
        database_bytes: what the database takes on its disk.
    """

    ledgers: Sequence[Ledger]
    lanes: Mapping[LaneCondition, int]
    streams: Mapping[str, int]
    rejecting: int
    key_ages: Mapping[Algorithm, timedelta]
    database_bytes: int
