"""A change of a user's risk level, as the event types that tell of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from riskrelay.core.risk.assessment import Cause, LevelChange
from riskrelay.core.risk.behaviors import reason_for
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.event_types import CAEP_RISK_LEVEL_CHANGE, OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.subjects import email_subject

TEST_USER = "verification@riskrelay.invalid"
"""Nobody: no address below `.invalid` is ever registered (RFC 2606 §2)."""

_RESET = "Risk reset by an administrator"


def okta_user_risk_change(change: LevelChange) -> dict[str, Any]:
    """The members of Okta's user-risk-change event for *change*.

    Rule: Okta API "Publish a Security Event Token", model OktaUserRiskChangeEvent: current_level,
    previous_level, event_timestamp (integer seconds) and subject are required, and so is one of
    reason_admin and reason_user; a user without a level is `none`.
    """
    return {
        "subject": {"user": email_subject(change.email)},
        "current_level": "none" if change.current is None else change.current.word,
        "previous_level": "none" if change.previous is None else change.previous.word,
        **_common(change),
    }


def caep_risk_level_change(change: LevelChange) -> dict[str, Any]:
    """The members of CAEP's risk-level-change event for *change*.

    Its levels have no word for no risk, so a user without a level counts as LOW: a first low finding, and the reset of
    a low user, say LOW to LOW (docs/choices.md). After a reset there is no `risk_reason`, because no behavior is one.

    Rule: CAEP 1.0 §3.8, §2.
    """
    reason = reason_for(change.behaviors)
    return {
        "principal": "USER",
        "current_level": _caep_level(change.current),
        "previous_level": _caep_level(change.previous),
        **({"risk_reason": reason} if reason else {}),
        **_common(change),
    }


def okta_verification(subject: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """A user-risk-change from none to none: Okta documents no verification event, and this one moves nobody.

    Rule: as `okta_user_risk_change`; docs/choices.md.
    """
    return {
        "subject": {"user": subject},
        "current_level": "none",
        "previous_level": "none",
        "event_timestamp": int(at.timestamp()),
        "initiating_entity": Cause.ADMIN.value,
        "reason_admin": {"en": "Verification of the connection"},
    }


LEVEL_CHANGE_EVENTS: Mapping[str, Callable[[LevelChange], dict[str, Any]]] = {
    OKTA_USER_RISK_CHANGE: okta_user_risk_change,
    CAEP_RISK_LEVEL_CHANGE: caep_risk_level_change,
}
"""The event types that tell of a level change, by URI."""


def _common(change: LevelChange) -> dict[str, Any]:
    """The members that CAEP's events and Okta's share. Rule: CAEP 1.0 §2."""
    return {
        "event_timestamp": int(change.changed_at.timestamp()),
        "initiating_entity": change.cause.value,
        "reason_admin": {"en": reason_for(change.behaviors) or _reset(change.note)},
    }


def _reset(note: str | None) -> str:
    return _RESET if note is None else f"{_RESET}: {note}"


def _caep_level(level: RiskLevel | None) -> str:
    return (level or RiskLevel.LOW).name
