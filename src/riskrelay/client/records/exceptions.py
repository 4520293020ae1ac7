"""Exceptions: what a behavior means for some users."""

from datetime import datetime

import msgspec


class RiskException(msgspec.Struct, frozen=True, kw_only=True):
    """An exception for a user, a group or a pattern of addresses, of which exactly one is not None.

    Attributes:
        behavior: None: all behaviors.
        effect: ignore; cap: at most the level; level: exactly the level.
        level: low, medium or high; None with ignore.
        ends_at: None: it does not end.
    """

    id: str
    user: str | None
    group: str | None
    pattern: str | None
    behavior: str | None
    effect: str
    level: str | None
    reason: str
    ends_at: datetime | None
    has_ended: bool
    created_at: datetime
