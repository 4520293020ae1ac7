"""Which users a bulk reset clears, and what the audit log says about it."""

from datetime import timedelta

import pytest

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.bulk_resets import BulkResetFilter
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import RiskFilter
from support.services import NOON

DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")
SECOND = timedelta(seconds=1)
AT_RISK = Standing(
    user_id=UserId("u"),
    email="kai@example.com",
    name=None,
    level=RiskLevel.HIGH,
    triggered=frozenset({DLP}),
    last_event_at=NOON,
)
WITHOUT_TIME = Standing(
    user_id=UserId("v"), email="lou@example.com", name=None, level=RiskLevel.HIGH, triggered=frozenset({DLP})
)
NO_RISK = Standing(user_id=UserId("w"), email="max@example.com", name=None, level=None, triggered=frozenset({DLP}))


@pytest.mark.parametrize(
    ("wanted", "matching"),
    [
        (BulkResetFilter(), [AT_RISK, WITHOUT_TIME]),
        (BulkResetFilter(level=RiskLevel.HIGH, behavior=DLP), [AT_RISK, WITHOUT_TIME]),
        (BulkResetFilter(level=RiskLevel.LOW), []),
        (BulkResetFilter(behavior=TRAVEL), []),
        (BulkResetFilter(last_event_from=NOON, last_event_to=NOON), [AT_RISK]),
        (BulkResetFilter(last_event_from=NOON), [AT_RISK]),
        (BulkResetFilter(last_event_to=NOON), [AT_RISK]),
        (BulkResetFilter(last_event_from=NOON + SECOND), []),
        (BulkResetFilter(last_event_to=NOON - SECOND), []),
        (BulkResetFilter(users=[]), [AT_RISK, WITHOUT_TIME]),
    ],
)
def test_a_user_at_risk_meets_all_conditions(wanted: BulkResetFilter, matching: list[Standing]) -> None:
    """Both ends of the time belong to it; a user whose latest finding is not known is in no time."""
    assert [user for user in (AT_RISK, WITHOUT_TIME, NO_RISK) if wanted.matches(user)] == matching
    assert wanted.is_empty == (wanted == BulkResetFilter())


def test_the_audit_log_names_every_condition() -> None:
    """The users of the list are counted and not named."""
    wanted = BulkResetFilter(
        level=RiskLevel.HIGH,
        behavior=DLP,
        last_event_from=NOON,
        last_event_to=NOON + SECOND,
        users=[UserId(f"u{number}") for number in range(1_000)],
    )
    assert wanted.in_words() == (
        f"level high, behavior high_dlp, last finding from {NOON.isoformat()}, "
        f"last finding to {(NOON + SECOND).isoformat()}, 1,000 listed users"
    )
    assert BulkResetFilter().in_words() == ""
    assert wanted.at_risk == RiskFilter(
        level=RiskLevel.HIGH, behavior=DLP, last_event_from=NOON, last_event_to=NOON + SECOND
    )
