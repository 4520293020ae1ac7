"""What a trial of other rules reads."""

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId


class PastUser(Struct, frozen=True, kw_only=True):
    """A user with all stored findings.

    Attributes:
        runs: the findings between two resets, each with the number of resets before them, in its order. They are
            written as `core.risk.trials.read_findings` reads them, because reading a million takes long.
    """

    standing: Standing
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
