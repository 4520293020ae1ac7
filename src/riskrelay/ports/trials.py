"""What a trial of other rules reads."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel


class PastUser(Struct, frozen=True, kw_only=True):
    """A user with all stored findings.

    Attributes:
        level, triggered, resets, last_reset_at: as in the standing.
        standing: builds the user's standing. It takes longer than all else, and most users need none.
        runs: the findings between two resets, each with the number of resets before them, in its order. They are
            written as `core.risk.trials.read_findings` reads them, because reading a million takes long.
    """

    user_id: UserId
    email: str
    level: RiskLevel | None
    triggered: frozenset[BehaviorId]
    resets: int
    last_reset_at: datetime | None
    standing: Callable[[], Standing]
    runs: Sequence[tuple[int, str]]


class Trials(Protocol):
    """Reads users with their findings, for trials."""

    def users(self, after: UserId, limit: int, max_findings: int) -> list[PastUser]:
        """Return the first users with an id greater than *after*, in the order of their ids.

        Returns: at most *limit* users; and with more than *max_findings* findings only the last of them.
        """

    def triggered(self, behaviors: Collection[BehaviorId], after: UserId, limit: int) -> list[Standing]:
        """Return the first *limit* users with an id greater than *after* that triggered one of *behaviors* since their
        last reset, in the order of their ids."""
