"""The account's findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import ExceptionId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel


class RecordedFinding(Struct, frozen=True, kw_only=True):
    """A finding as it is stored: with an id, a time and a user of the account.

    Attributes:
        risk_level: of the behavior, without exceptions, when the finding was recorded.
        exception_id: the exception that gave the finding another level, or ignored it, when it was recorded; None: no
            exception did.
    """

    finding_id: FindingId
    user_id: UserId
    behavior: BehaviorId
    risk_level: RiskLevel
    occurred_at: datetime
    recorded_at: datetime
    resets: int  # the number of resets of the user before this finding
    details_json: str | None
    digest: bytes
    exception_id: ExceptionId | None = None
    left_out_bytes: int = 0  # the size of details that are too large for a response; `details_json` is None then


@dataclass(frozen=True, slots=True)
class FindingTally:
    """The findings of a user since the last reset.

    Attributes:
        latest: the time of the latest finding of each behavior.
    """

    count: int
    latest: Mapping[BehaviorId, datetime]

    @property
    def last_at(self) -> datetime | None:
        """The time of the latest finding; None: there is none."""
        return max(self.latest.values(), default=None)


class Findings(Protocol):
    """The account's findings."""

    def add(self, recorded: Sequence[RecordedFinding]) -> None:
        """Store new findings. If another transaction stores one of the ids first, this transaction runs again."""

    def digests(self, finding_ids: Collection[FindingId]) -> dict[FindingId, bytes]:
        """Return the digests of the stored findings with those ids."""

    def get(self, finding_ids: Collection[FindingId]) -> list[RecordedFinding]:
        """Return the stored findings with those ids, in no order."""

    def replace(self, old: Collection[FindingId], new: Sequence[RecordedFinding]) -> None:
        """Delete *old*, and store *new*, overwriting findings with the same id."""

    def trim(self, user_id: UserId, keep: int, limit: int) -> int:
        """Delete the oldest findings of a user with more than *keep*, at most *limit*. Return their number."""

    def recorded_after(self, user_ids: Collection[UserId], moment: datetime) -> frozenset[UserId]:
        """Return the users with a finding that was recorded after *moment* and since their last reset."""

    def tally(self, user_ids: Collection[UserId]) -> dict[UserId, FindingTally]:
        """Count each user's findings since the last reset."""
