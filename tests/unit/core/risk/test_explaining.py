"""What a level change says about itself: every member of it, for its receivers and for the history."""

from collections.abc import Collection, Mapping
from datetime import timedelta

import pytest
from msgspec.structs import replace

from riskrelay.core.risk.assessment import MAX_NAMED_FINDINGS, Cause, ChangeKind, LevelChange, Standing
from riskrelay.core.risk.behaviors import BEHAVIORS, DEFAULT_SETTINGS, BehaviorId
from riskrelay.core.risk.explaining import change_by_rules, level_change
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import NamedRule, PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from support.services import NOON

LOW, MEDIUM, HIGH = RiskLevel
DLP, TRAVEL, DOMAIN = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
DAY = timedelta(days=1)
GIVES_HIGH, GIVES_MEDIUM, REVOKES = RuleId("a"), RuleId("b"), RuleId("c")
NAMES = {GIVES_HIGH: "Above", GIVES_MEDIUM: "Between", REVOKES: "Sign out"}
LEVELS = {GIVES_HIGH: HIGH, GIVES_MEDIUM: MEDIUM, REVOKES: None}
USED = {
    GIVES_HIGH: [(DOMAIN, FindingId("f1")), (TRAVEL, FindingId("f2"))],
    GIVES_MEDIUM: [(DOMAIN, FindingId("f1")), (DOMAIN, FindingId("f3"))],
    REVOKES: [(DOMAIN, FindingId("f4"))],
}


def rule(rule_id: RuleId) -> PolicyRule:
    return PolicyRule(
        rule_id=rule_id,
        name=NAMES[rule_id],
        description=None,
        enabled=True,
        within=DAY,
        when="true",
        level=LEVELS[rule_id],
        revokes_sessions=rule_id == REVOKES,
        created_at=NOON,
    )


def rules(*timed: BehaviorId) -> LevelRules:
    """Three rules, and findings of *timed* that expire after a day."""
    times = LevelTimes(durations={one: Duration(expires_after=DAY) for one in timed})
    return LevelRules(behaviors=DEFAULT_SETTINGS, times=times, as_of=NOON, policies=PolicyRules(map(rule, NAMES)))


def user(
    level: RiskLevel | None, triggered: Mapping[BehaviorId, int] | None = None, holding: Collection[RuleId] = ()
) -> Standing:
    """A user with findings that are so many days old, for whom those rules hold."""
    ages = triggered or {}
    return Standing(
        user_id=UserId("u"),
        email="kai@example.com",
        name=None,
        level=level,
        triggered=frozenset(ages),
        triggered_at={one: NOON - age * DAY for one, age in ages.items()},
        holding=dict.fromkeys(holding, NOON),
    )


def change(previous: RiskLevel | None, current: RiskLevel | None, reason: str, kind: ChangeKind) -> LevelChange:
    """The change without behaviors, findings and rules."""
    return LevelChange(
        user_id=UserId("u"),
        email="kai@example.com",
        previous=previous,
        current=current,
        behaviors=(),
        reason=reason,
        cause=Cause.POLICY if kind in (ChangeKind.FINDING, ChangeKind.EXPIRY, ChangeKind.RULE) else Cause.ADMIN,
        changed_at=NOON,
        kind=kind,
    )


def named(*rule_ids: RuleId) -> tuple[NamedRule, ...]:
    return tuple(NamedRule(one, NAMES[one]) for one in rule_ids)


def test_a_finding_names_its_behavior_and_itself() -> None:
    """Findings of behaviors that do not give the level are not named, nor are those beyond the limit."""
    many = [(DLP, FindingId(f"f{number}")) for number in range(MAX_NAMED_FINDINGS + 1)]
    found = level_change(
        user(None),
        user(HIGH, {DLP: 0, DOMAIN: 0}),
        rules(),
        ChangeKind.FINDING,
        NOON,
        [(DOMAIN, FindingId("d")), *many],
    )
    expected = change(None, HIGH, "High Number of DLP Policies Triggered", ChangeKind.FINDING)
    assert found == replace(expected, behaviors=(DLP,), findings=tuple(one for _, one in many[:-1]))
    assert level_change(user(HIGH), user(HIGH, {DLP: 0}), rules(), ChangeKind.FINDING, NOON) is None


DLP_NAME, TRAVEL_NAME, DOMAIN_NAME = (BEHAVIORS[one].name for one in (DLP, TRAVEL, DOMAIN))
EXPIRY, EXCEPTION, SETTINGS, RULE = ChangeKind.EXPIRY, ChangeKind.EXCEPTION, ChangeKind.SETTINGS, ChangeKind.RULE


@pytest.mark.parametrize(
    ("before", "after", "timed", "expected"),
    [
        (user(HIGH), user(None), [], change(HIGH, None, "", ChangeKind.RESET)),
        (user(HIGH, {DLP: 0}), user(None, {DLP: 2}), [DLP], change(HIGH, None, f"Expired: {DLP_NAME}", EXPIRY)),
        (
            user(HIGH, {DLP: 0}),
            user(LOW, {DLP: 2, DOMAIN: 2}),
            [DLP],
            replace(change(HIGH, LOW, f"Expired: {DLP_NAME}; remaining: {DOMAIN_NAME}", EXPIRY), behaviors=(DOMAIN,)),
        ),
        (
            user(HIGH, {DLP: 0}),
            user(MEDIUM, {DLP: 2, DOMAIN: 2}, [GIVES_MEDIUM]),
            [DLP],
            replace(
                change(HIGH, MEDIUM, f'Expired: {DLP_NAME}; remaining: rule "Between"', EXPIRY),
                rules=named(GIVES_MEDIUM),
            ),
        ),
        (
            user(HIGH, {DLP: 0}),
            user(MEDIUM, {TRAVEL: 2}, [GIVES_MEDIUM]),
            [],
            replace(
                change(HIGH, MEDIUM, f'{TRAVEL_NAME}; rule "Between"', SETTINGS),
                behaviors=(TRAVEL,),
                rules=named(GIVES_MEDIUM),
            ),
        ),
        # With time alone, a level becomes higher because an exception has ended.
        (
            user(LOW, {DLP: 0}),
            user(HIGH, {DLP: 0}),
            [],
            replace(change(LOW, HIGH, f"Exceptions changed: {DLP_NAME}", EXPIRY), behaviors=(DLP,)),
        ),
        (
            user(HIGH, {DLP: 0}),
            user(MEDIUM, {TRAVEL: 0}),
            [],
            replace(change(HIGH, MEDIUM, f"Exceptions changed: {TRAVEL_NAME}", EXCEPTION), behaviors=(TRAVEL,)),
        ),
        (user(HIGH, {DLP: 0}), user(None), [], change(HIGH, None, "Exceptions changed", EXCEPTION)),
        # The expired finding did not give the level, nor does the one that does not expire.
        (user(HIGH), user(None, {DOMAIN: 2}), [DOMAIN], change(HIGH, None, "No finding counts", EXPIRY)),
    ],
)
def test_the_reason_names_what_gives_the_level_and_what_expired(
    before: Standing, after: Standing, timed: list[BehaviorId], expected: LevelChange
) -> None:
    """Of each kind of change; the rules that give the level are named too."""
    assert level_change(before, after, rules(*timed), expected.kind, NOON) == expected


@pytest.mark.parametrize(
    ("before", "after", "timed", "expected"),
    [
        (user(LOW, {DOMAIN: 0}), user(LOW, {DOMAIN: 0}, [GIVES_MEDIUM]), [], None),
        (
            user(LOW, {DOMAIN: 0}),
            user(LOW, {DOMAIN: 0}, [REVOKES]),
            [],
            replace(
                change(LOW, LOW, f'Rule "Sign out": {DOMAIN_NAME}', RULE),
                findings=(FindingId("f4"),),
                rules=named(REVOKES),
                revoking=named(REVOKES),
            ),
        ),
        (user(LOW, {DOMAIN: 0}, [REVOKES]), user(LOW, {DOMAIN: 0}, [REVOKES]), [], None),
        (
            user(LOW, {DOMAIN: 0}),
            user(HIGH, {DOMAIN: 0}, [GIVES_HIGH, GIVES_MEDIUM, REVOKES]),
            [],
            replace(
                change(LOW, HIGH, f'Rule "Above": {TRAVEL_NAME}, {DOMAIN_NAME}', RULE),
                behaviors=(DOMAIN, TRAVEL),
                findings=(FindingId("f1"), FindingId("f2")),
                rules=named(GIVES_HIGH),
                revoking=named(REVOKES),
            ),
        ),
        # The behavior alone gives the level.
        (
            user(LOW, {DOMAIN: 0}),
            user(HIGH, {DLP: 0}, [GIVES_HIGH]),
            [],
            replace(
                change(LOW, HIGH, f'Exceptions changed: {DLP_NAME}; rule "Above"', EXPIRY),
                behaviors=(DLP,),
                rules=named(GIVES_HIGH),
            ),
        ),
        (
            user(HIGH, {DOMAIN: 0}, [GIVES_HIGH]),
            user(LOW, {DOMAIN: 0}),
            [],
            replace(
                change(HIGH, LOW, f'No longer applies: rule "Above"; remaining: {DOMAIN_NAME}', RULE),
                behaviors=(DOMAIN,),
                rules=named(GIVES_HIGH),
            ),
        ),
        (
            user(HIGH, holding=[GIVES_HIGH]),
            user(None),
            [],
            replace(change(HIGH, None, 'No longer applies: rule "Above"', RULE), rules=named(GIVES_HIGH)),
        ),
        # A rule that still holds and gives the lower level has not ended.
        (
            user(HIGH, {DOMAIN: 0}, [GIVES_HIGH, GIVES_MEDIUM]),
            user(MEDIUM, {DOMAIN: 0}, [GIVES_MEDIUM]),
            [],
            replace(
                change(HIGH, MEDIUM, 'No longer applies: rule "Above"; remaining: rule "Between"', RULE),
                behaviors=(DOMAIN,),
                findings=(FindingId("f1"), FindingId("f3")),
                rules=named(GIVES_MEDIUM),
            ),
        ),
        (
            user(HIGH, {DLP: 0}, [GIVES_MEDIUM]),
            user(MEDIUM, {DLP: 2, DOMAIN: 0}, [GIVES_MEDIUM]),
            [DLP],
            replace(
                change(HIGH, MEDIUM, f'Expired: {DLP_NAME}; remaining: rule "Between"', EXPIRY),
                findings=(FindingId("f1"), FindingId("f3")),
                rules=named(GIVES_MEDIUM),
            ),
        ),
        # The account has lowered the level of a rule that holds.
        (
            user(HIGH, {DOMAIN: 0}, [GIVES_MEDIUM]),
            user(MEDIUM, {DOMAIN: 0}, [GIVES_MEDIUM]),
            [],
            replace(
                change(HIGH, MEDIUM, 'No longer applies: rule "Between"; remaining: rule "Between"', RULE),
                behaviors=(DOMAIN,),
                findings=(FindingId("f1"), FindingId("f3")),
                rules=named(GIVES_MEDIUM),
            ),
        ),
    ],
)
def test_an_evaluation_names_the_rules_that_begin_and_end(
    before: Standing, after: Standing, timed: list[BehaviorId], expected: LevelChange | None
) -> None:
    """With the findings that they used; a change of the behaviors alone names no rule as its cause."""
    assert change_by_rules(before, after, rules(*timed), at=NOON, used=USED) == expected
