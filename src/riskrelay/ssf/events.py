"""Security events and the event types this transmitter sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

from riskrelay.risk.assessment import LevelChange
from riskrelay.risk.behaviors import reason_for
from riskrelay.risk.levels import RiskLevel
from riskrelay.ssf.subjects import email_subject

Jti = NewType("Jti", str)

OKTA_USER_RISK_CHANGE = "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What one SET says, fixed for ever when it is queued.

    Attributes:
        jti: unique for ever; a retry resends the same.
        txn: the same for all SETs of one cause.
        issued_at: aware UTC, when the cause was accepted; whole seconds on the wire.
        event_type: the URI.
        event: the members of the event.
        sub_id: the top-level subject (RFC 9493).
    """

    jti: Jti
    txn: str
    issued_at: datetime
    event_type: str
    event: Mapping[str, Any]
    sub_id: Mapping[str, Any]


def okta_user_risk_change(change: LevelChange) -> dict[str, Any]:
    """The members of Okta's user-risk-change event for *change*.

    Rule: Okta API "Publish a Security Event Token", model OktaUserRiskChangeEvent: current_level,
    previous_level, event_timestamp (integer seconds) and subject are required, and so is one of
    reason_admin and reason_user; a user without a level is `none`.
    """
    reason = reason_for(change.behaviors) or "Risk reset by an administrator"
    return {
        "subject": {"user": email_subject(change.email)},
        "current_level": _okta_level(change.current),
        "previous_level": _okta_level(change.previous),
        "event_timestamp": int(change.changed_at.timestamp()),
        "initiating_entity": change.cause.value,
        "reason_admin": {"en": reason},
    }


def _okta_level(level: RiskLevel | None) -> str:
    return "none" if level is None else level.word
