"""A finding as the store holds it."""

from datetime import datetime

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
