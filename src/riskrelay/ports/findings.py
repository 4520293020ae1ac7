"""A finding as the store holds it."""

from dataclasses import dataclass
from datetime import datetime

from riskrelay.risk.behaviors import BehaviorId
from riskrelay.risk.findings import FindingId, UserId
from riskrelay.risk.levels import RiskLevel


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding as it is stored: with an id, a time and a user of the account."""

    finding_id: FindingId
    user_id: UserId
    behavior: BehaviorId
    risk_level: RiskLevel
    occurred_at: datetime
    recorded_at: datetime
    resets: int  # how often the user had been reset by then
    details_json: str | None
    digest: bytes
