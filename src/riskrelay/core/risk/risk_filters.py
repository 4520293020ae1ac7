"""Which of the users at risk a person asks for."""

from dataclasses import dataclass
from datetime import datetime

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFilter:
    """The users with a level that meet all conditions.

    Attributes:
        level: their level; None: any.
        behavior: a behavior that they triggered since their last reset; None: any.
        source: the id of a source that sent a finding about them since their last reset; None: any.
        last_event_from: the earliest time of their latest finding, aware UTC; None: any.
        last_event_to: the latest time of their latest finding, aware UTC; None: any.
    """

    level: RiskLevel | None = None
    behavior: BehaviorId | None = None
    source: str | None = None
    last_event_from: datetime | None = None
    last_event_to: datetime | None = None


ANY_RISK = RiskFilter()
"""All users at risk."""
