"""What rules see of a user's findings: in any order the same, and again when something leaves their time or expires."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from riskrelay.core.risk.assessment import ChangeKind, Standing, decided_again, with_events, with_findings
from riskrelay.core.risk.behaviors import BEHAVIORS, DEFAULT_SETTINGS, BehaviorId
from riskrelay.core.risk.explaining import change_by_rules, level_change
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.looking import Looking
from riskrelay.core.risk.policy_rules import Looked, PolicyRule, PolicyRules, RuleId, StopReason
from riskrelay.core.risk.rule_inputs import RuleFinding
from riskrelay.core.risk.rules import NO_TIMES, Duration, LevelRules, LevelTimes
from riskrelay.mapping.rule_programs import RulePrograms
from support.services import NOON

pytestmark = pytest.mark.usefixtures("drop_expressions")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOW, MEDIUM, HIGH = RiskLevel
DLP, TRAVEL, DOMAIN = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
NOBODY = Standing(user_id=UserId("u"), email="kai@example.com", name=None, level=None, triggered=frozenset())
EXPRESSIONS = (
    '$count($distinct(findings[level="low"].behavior)) >= 2',
    'findings[level="high"]',
    "$count(findings) = 1",  # not monotonic: it begins to hold when another finding leaves
    '$count(findings[time > "2026-03-17T06"]) >= 2',
)


def rule(number: int, **members: object) -> PolicyRule:
    made = PolicyRule(
        rule_id=RuleId(f"r{number}"),
        name=f"Rule {number}",
        description=None,
        enabled=True,
        within=DAY,
        when=EXPRESSIONS[number % len(EXPRESSIONS)],
        level=RiskLevel(1 + number % 3),
        revokes_sessions=False,
        created_at=NOON,
    )
    return replace(made, **members)


def rules_at(at: datetime, *policies: PolicyRule, times: LevelTimes = NO_TIMES) -> LevelRules:
    return LevelRules(behaviors=DEFAULT_SETTINGS, times=times, as_of=at, policies=PolicyRules(policies))


@cache
def programs(expressions: tuple[str, ...]) -> RulePrograms:
    return RulePrograms(expressions)


def look(findings: Sequence[RuleFinding], rules: LevelRules, held: Mapping[RuleId, datetime] | None = None) -> Looked:
    """Evaluate the rules in this process."""
    assert rules.as_of is not None
    looking = Looking(rules, {})
    sight = looking.see(findings, rules, rules.as_of)
    verdicts = [programs(looking.groups[group].expressions).evaluate(text) for group, text in looking.inputs]
    return looking.looked(sight, verdicts, held or {}, ())


def found(*behaviors: BehaviorId, ago: timedelta = timedelta(0)) -> list[RuleFinding]:
    return [RuleFinding(NOON - ago, behavior, FindingId(f"{behavior}-{ago}")) for behavior in behaviors]


def after(findings: Sequence[RuleFinding], rules: LevelRules) -> Standing:
    """The standing of a user after these findings were recorded, one by one, and after the rules were evaluated."""
    assert rules.as_of is not None
    standing = NOBODY
    for one in findings:
        standing = with_findings(with_events(standing, [one.at]), {one.behavior: one.at}, rules, rules.as_of)
    return decided_again(standing, rules, rules.as_of, look(findings, rules, standing.holding))


HISTORIES = st.lists(
    st.tuples(st.integers(0, 72), st.sampled_from(sorted(BEHAVIORS))).map(
        lambda one: RuleFinding(NOON - one[0] * HOUR, one[1], FindingId(f"{one[0]}-{one[1]}"))
    ),
    min_size=1,
    max_size=8,
    unique=True,
)
POLICIES = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 60)).map(lambda one: rule(one[0], within=one[1] * HOUR)),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.rule_id,
)
TIMES = st.dictionaries(
    st.sampled_from(sorted(BEHAVIORS)),
    st.tuples(st.integers(1, 60), st.integers(0, 20), st.integers(0, 20)).map(
        lambda one: Duration(expires_after=one[0] * HOUR, medium=one[1] * HOUR, low=one[2] * HOUR)
    ),
    max_size=4,
).map(lambda durations: LevelTimes(durations=durations))


@given(HISTORIES, POLICIES, TIMES, st.randoms(use_true_random=False))
def test_the_order_of_findings_makes_no_difference(
    history: list[RuleFinding], policies: list[PolicyRule], times: LevelTimes, chance: random.Random
) -> None:
    """With rules and expiry: the same findings in any order give the same level, rules and time of the next look."""
    rules = rules_at(NOON, *policies, times=times)
    shuffled = chance.sample(history, len(history))
    assert after(shuffled, rules) == after(history, rules)


@given(HISTORIES, POLICIES, TIMES)
def test_nothing_changes_between_two_looks(
    history: list[RuleFinding], policies: list[PolicyRule], times: LevelTimes
) -> None:
    """From look to look, the level at each hour is the one that a look at that hour gives."""
    end = max(one.at for one in history) + 100 * HOUR
    now = NOON
    standing = after(history, rules_at(now, *policies, times=times))
    while now < end:
        rules = rules_at(now, *policies, times=times)
        fresh = decided_again(standing, rules, now, look(history, rules, standing.holding))
        due = standing.next_change_at
        if due is not None and due <= now:
            standing = fresh
        assert (standing.level, standing.holding.keys()) == (fresh.level, fresh.holding.keys())
        now += HOUR


@given(HISTORIES, TIMES)
def test_without_rules_everything_is_as_before(history: list[RuleFinding], times: LevelTimes) -> None:
    """Also with rules that are disabled or deleted: the level and the next change are those of the behaviors."""
    idle = [rule(0, enabled=False), rule(1, is_deleted=True)]
    for policies in ([], idle):
        rules = rules_at(NOON, *policies, times=times)
        standing = NOBODY
        for one in history:
            standing = with_findings(standing, {one.behavior: one.at}, rules, NOON)
        plain = replace(standing, holding={})
        assert (
            standing
            == plain
            == with_findings(
                NOBODY,
                {one.behavior: max(a.at for a in history if a.behavior == one.behavior) for one in history},
                rules,
                NOON,
            )
        )


def test_users_with_the_same_findings_share_an_input() -> None:
    """Ids and times don't matter, unless an expression names them; then each user has an input."""
    plain, timed = rule(0), rule(3)
    rules = rules_at(NOON, plain, replace(plain, rule_id=RuleId("r9"), when="$count(findings) > 3"), timed)
    looking = Looking(rules, {})
    for minutes in (1, 2, 3):
        looking.see(found(DLP, TRAVEL, ago=timedelta(minutes=minutes)), rules, NOON)
    assert sorted(group for group, _ in looking.inputs) == [0, 1, 1, 1]
    plainly, timely = (json.decode(looking.inputs[place][1])["findings"][0] for place in (0, 1))
    assert plainly == {"n": 1, "behavior": "high_dlp", "level": "high", "rank": 3}
    assert timely == {**plainly, "time": "2026-03-17T11:59:00.000Z"}


def test_a_rule_sees_the_findings_within_its_own_time() -> None:
    """One finding that is as old as the time is not seen any more, and rules without findings are not evaluated."""
    rules = rules_at(NOON, rule(0, within=HOUR), rule(4, within=DAY))
    looking = Looking(rules, {})
    looking.see([*found(DLP, ago=HOUR), *found(TRAVEL)], rules, NOON)
    seen = {group: [one["behavior"] for one in json.decode(text)["findings"]] for group, text in looking.inputs}
    assert seen == {0: ["imp_travel"], 1: ["high_dlp", "imp_travel"]}
    assert Looking(rules, {}).see(found(DLP, ago=2 * DAY), rules, NOON).asked == []


def test_findings_count_as_durations_say() -> None:
    """An expired finding is not seen, a stepped-down one with its lower level; the next look is when that changes."""
    times = LevelTimes(durations={DLP: Duration(expires_after=HOUR, low=HOUR), TRAVEL: Duration(expires_after=HOUR)})
    rules = rules_at(NOON, rule(0), times=times)
    looking = Looking(rules, {})
    looking.see(found(DLP, TRAVEL, ago=HOUR), rules, NOON)
    assert [one["level"] for one in json.decode(looking.inputs[0][1])["findings"]] == ["low"]
    assert look(found(DLP, TRAVEL), rules).next_look == NOON + HOUR


def test_a_stopped_rule_keeps_what_it_holds_until_its_findings_have_left() -> None:
    """It begins to hold for nobody."""
    stopped = rule(1, stopped=StopReason.TOO_SLOW)
    held = {stopped.rule_id: NOON - HOUR}
    looking = Looking(rules_at(NOON, stopped), {})
    for ago, holding in ((HOUR, held), (DAY, {})):
        sight = looking.see(found(DLP, ago=ago), rules_at(NOON, stopped), NOON)
        assert looking.looked(sight, (), held, {stopped.rule_id}).holding == holding
    assert looking.looked(sight, (), {}, {stopped.rule_id}).holding == {}


def test_a_user_with_new_findings_is_seen_at_once_and_differs_from_before() -> None:
    """Also if the clock stands still: a process that has read the user notices the second finding."""
    rules = rules_at(NOON, rule(0))
    first = with_findings(NOBODY, {DLP: NOON}, rules, NOON)
    second = with_findings(first, {DLP: NOON}, rules, NOON)
    assert first.next_change_at == NOON
    assert second.next_change_at == NOON + timedelta(microseconds=1)
    old = with_findings(NOBODY, {DLP: NOON - DAY}, rules, NOON)
    assert old.next_change_at is None


def test_a_higher_level_by_behaviors_outlasts_a_rule() -> None:
    """A rule never lowers a level, and the change names what gives the level."""
    rules = rules_at(NOON, rule(0, level=MEDIUM))
    lows = [*found(DOMAIN), *found(BehaviorId("crowdstrike_medium_zta"))]
    medium = after(lows, rules)
    assert medium.level is MEDIUM
    change = change_by_rules(replace(medium, level=LOW, holding={}), medium, rules, at=NOON, used={})
    assert change is not None
    assert (change.kind, change.cause, change.reason) == (ChangeKind.RULE, "policy", 'Rule "Rule 0"')
    high = with_findings(medium, {DLP: NOON}, rules, NOON)
    assert high.level is HIGH
    raised = level_change(medium, high, rules, ChangeKind.FINDING, at=NOON)
    assert raised is not None
    assert (raised.behaviors, raised.rules) == ((DLP,), ())
    ended = decided_again(high, rules, NOON, Looked(holding={}, next_look=None))
    assert (ended.level, change_by_rules(high, ended, rules, at=NOON, used={})) == (HIGH, None)
    lowered = decided_again(medium, rules, NOON, Looked(holding={}, next_look=None))
    change = change_by_rules(medium, lowered, rules, at=NOON, used={})
    assert change is not None
    assert change.reason.startswith('No longer applies: rule "Rule 0"; remaining: ')


@pytest.mark.parametrize("gone", [rule(0, enabled=False), rule(0, is_deleted=True), rule(0, level=None)])
def test_a_rule_that_gives_no_level_any_more_lowers_it(gone: PolicyRule) -> None:
    """And is named, though it is disabled or deleted."""
    medium = after(
        [*found(DOMAIN), *found(BehaviorId("crowdstrike_medium_zta"))], rules_at(NOON, rule(0, level=MEDIUM))
    )
    rules = rules_at(NOON, gone)
    looked = Looked(holding=medium.holding if gone.counts else {}, next_look=None)
    lowered = decided_again(medium, rules, NOON, looked)
    change = change_by_rules(medium, lowered, rules, at=NOON, used={})
    assert change is not None
    assert (lowered.level, change.kind, [one.name for one in change.rules]) == (LOW, ChangeKind.RULE, ["Rule 0"])
