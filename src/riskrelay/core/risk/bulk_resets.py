"""A bulk reset: a job that clears the risk of many users, some at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from riskrelay.core.jobs import JobStatus
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import RiskFilter

BulkResetId = NewType("BulkResetId", str)

MAX_LISTED_USERS = 5_000  # chosen: half of the values that a body may have


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResetFilter:
    """The users to reset: those at risk that meet all conditions.

    Attributes:
        level: their level; None: any.
        behavior: a behavior that they triggered since their last reset; None: any.
        last_event_from: the earliest time of their latest finding, aware UTC; None: any.
        last_event_to: the latest time of their latest finding, aware UTC; None: any.
        users: their ids, at most MAX_LISTED_USERS; None: all users of the account.
    """

    level: RiskLevel | None = None
    behavior: BehaviorId | None = None
    last_event_from: datetime | None = None
    last_event_to: datetime | None = None
    users: Sequence[UserId] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no condition, so that all users at risk match."""
        return self == BulkResetFilter()

    @property
    def at_risk(self) -> RiskFilter:
        """The conditions without the list of users."""
        return RiskFilter(
            level=self.level,
            behavior=self.behavior,
            last_event_from=self.last_event_from,
            last_event_to=self.last_event_to,
        )

    def matches(self, standing: Standing) -> bool:
        """Return whether a user meets the conditions now. The list of users is not compared.

        >>> from riskrelay.core.risk.levels import RiskLevel
        >>> kai = Standing(user_id=UserId("u"), email="kai@example.com", name=None, level=RiskLevel.HIGH,
        ...     triggered=frozenset({BehaviorId("high_dlp")}))
        >>> BulkResetFilter(level=RiskLevel.HIGH).matches(kai), BulkResetFilter(level=RiskLevel.LOW).matches(kai)
        (True, False)
        """
        at = standing.last_event_at
        return (
            standing.level is not None
            and self.level in (None, standing.level)
            and (self.behavior is None or self.behavior in standing.triggered)
            and (self.last_event_from is None or (at is not None and at >= self.last_event_from))
            and (self.last_event_to is None or (at is not None and at <= self.last_event_to))
        )

    def in_words(self) -> str:
        """Return the conditions for the audit log, without users' ids.

        >>> BulkResetFilter(level=RiskLevel.HIGH, users=[UserId("a"), UserId("b")]).in_words()
        'level high, 2 listed users'
        """
        parts = [] if self.level is None else [f"level {self.level.word}"]
        parts += [] if self.behavior is None else [f"behavior {self.behavior}"]
        for word, at in (("from", self.last_event_from), ("to", self.last_event_to)):
            parts += [] if at is None else [f"last finding {word} {at.isoformat()}"]
        parts += [] if self.users is None else [f"{len(self.users):,} listed users"]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReset:
    """One bulk reset.

    Attributes:
        filter: without the list of users, when it was read from the store; see `listed`.
        listed: the number of listed users; None: there is no list.
        reason: the person's text; None: no text.
        total: the number of users that matched when it started.
        reset: the number of users whose risk it has cleared.
        skipped: the number of users that no longer matched when it reached them, or had later findings.
        created_at: findings that were recorded later are not cleared.
        place: the last user that it has reached; empty: none yet. Users are reached in the order of their ids.
    """

    reset_id: BulkResetId
    filter: BulkResetFilter
    listed: int | None
    status: JobStatus
    reason: str | None
    total: int
    reset: int
    skipped: int
    created_at: datetime
    place: UserId
