"""Levels that end: by the latest finding of each behavior, in any order; higher at once, lower when it is due."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk.assessment import (
    Cause,
    ChangeKind,
    LevelChange,
    Standing,
    after_reset,
    decided_again,
    level_of,
    with_findings,
    with_latest,
)
from riskrelay.core.risk.behaviors import BEHAVIORS, DEFAULT_SETTINGS, BehaviorId, BehaviorSetting
from riskrelay.core.risk.change_members import change_members
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from support.services import NOON

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LOW, MEDIUM, HIGH = RiskLevel
TRAVEL, DLP, DOMAIN = BehaviorId("imp_travel"), BehaviorId("high_dlp"), BehaviorId("high_risk_domain")
NOBODY = Standing(user_id=UserId("u"), email="kai@example.com", name=None, level=None, triggered=frozenset())
WEEK = Duration(expires_after=7 * DAY)
STEPS = Duration(expires_after=7 * DAY, medium=2 * DAY, low=DAY)

Found = tuple[BehaviorId, datetime]


def rules_at(
    at: datetime, durations: Mapping[BehaviorId, Duration], between_events: timedelta = timedelta(0)
) -> LevelRules:
    times = LevelTimes(durations=durations, between_events=between_events)
    return LevelRules(behaviors=DEFAULT_SETTINGS, times=times, as_of=at)


def found(standing: Standing, rules: LevelRules, *behaviors: BehaviorId, at: datetime = NOON) -> Standing:
    assert rules.as_of is not None
    return with_findings(standing, dict.fromkeys(behaviors, at), rules, rules.as_of)


@pytest.mark.parametrize(
    ("own", "days", "level"),
    [(HIGH, 6, HIGH), (HIGH, 7, MEDIUM), (HIGH, 9, LOW), (HIGH, 10, None), (MEDIUM, 7, LOW), (MEDIUM, 8, None)],
)
def test_a_finding_steps_down_from_the_behaviors_own_level(own: RiskLevel, days: int, level: RiskLevel | None) -> None:
    """Each lower level has its time; steps above or at the own level have none."""
    assert STEPS.level_at(own, days * DAY) is level
    assert STEPS.level_at(own, days * DAY - SECOND) is not None


def test_a_step_of_no_time_is_skipped() -> None:
    """High, then low for a day."""
    skipping = Duration(expires_after=DAY, low=DAY)
    assert [skipping.level_at(HIGH, days * DAY) for days in range(3)] == [HIGH, LOW, None]
    assert WEEK.level_at(LOW, 7 * DAY) is None


def test_a_level_ends_when_its_last_finding_expires() -> None:
    """A later finding of the same behavior prolongs it; one that never expires holds the level for ever."""
    rules = rules_at(NOON, {DLP: WEEK})
    high = found(NOBODY, rules, DLP)
    assert (high.level, high.next_change_at) == (HIGH, NOON + 7 * DAY)
    later = found(high, rules, DLP, at=NOON + DAY)
    assert later.next_change_at == NOON + 8 * DAY
    assert found(later, rules, DLP, at=NOON - DAY) == later
    held = decided_again(found(later, rules, TRAVEL), rules_at(NOON + 8 * DAY, {DLP: WEEK}), NOON)
    assert (held.level, held.next_change_at) == (MEDIUM, None)


def test_a_late_finding_that_has_expired_raises_no_level() -> None:
    """It is recorded, and counts again if the duration grows."""
    standing = found(NOBODY, rules_at(NOON, {DLP: WEEK}), DLP, at=NOON - 7 * DAY)
    assert standing.triggered == frozenset({DLP})
    assert (standing.level, standing.next_change_at) == (None, None)
    longer = {DLP: Duration(expires_after=8 * DAY)}
    assert decided_again(standing, rules_at(NOON, longer), NOON).level is HIGH


def test_a_new_finding_lowers_no_level_that_is_due() -> None:
    """Only the decision about the time does, so that a step of one node's clock lowers nothing."""
    high = found(NOBODY, rules_at(NOON, {DLP: WEEK}), DLP)
    late = rules_at(NOON + 8 * DAY, {DLP: WEEK})
    more = found(high, late, DOMAIN, at=NOON + 8 * DAY)
    assert (more.level, more.next_change_at) == (HIGH, NOON + 7 * DAY)
    assert decided_again(more, late, NOON).level is LOW


def test_a_lower_level_waits_for_the_time_between_two_events() -> None:
    """A higher one and a reset do not wait; the time of a clock that was far ahead is not waited for."""
    durations, hour = {DLP: WEEK}, timedelta(hours=1)
    almost = NOON + 7 * DAY - SECOND
    high = replace(found(NOBODY, rules_at(NOON, durations, hour), DLP), changed_at=almost)
    waiting = decided_again(high, rules_at(NOON + 7 * DAY, durations, hour), NOON + 7 * DAY)
    assert (waiting.level, waiting.next_change_at) == (HIGH, almost + hour)
    ended = decided_again(waiting, rules_at(almost + hour, durations, hour), almost + hour)
    assert (ended.level, ended.changed_at, ended.next_change_at) == (None, almost + hour, None)
    risen = found(ended, rules_at(almost + hour, durations, hour), DLP, at=almost + hour)
    assert risen.level is HIGH
    assert after_reset(risen, NOON).level is None
    ahead = replace(high, changed_at=NOON + 300 * DAY)
    assert decided_again(ahead, rules_at(NOON + 7 * DAY, durations, hour), NOON).level is None


def test_settings_lower_a_level_at_once_or_after_the_time_between_two_events() -> None:
    """Without durations, too."""
    weaker = {**DEFAULT_SETTINGS, DLP: BehaviorSetting(True, LOW)}
    high = found(NOBODY, rules_at(NOON, {}), DLP)
    calm = LevelRules(behaviors=weaker, times=LevelTimes(between_events=DAY), as_of=NOON + SECOND)
    waiting = decided_again(high, calm, NOON)
    assert (waiting.level, waiting.next_change_at) == (HIGH, NOON + DAY)
    assert decided_again(high, LevelRules(behaviors=weaker), NOON).level is LOW


def test_the_event_of_an_expiry_says_so() -> None:
    """What expired, and what still counts; no person did it."""
    rules = rules_at(NOON, {DLP: WEEK, TRAVEL: WEEK})
    before = found(NOBODY, rules, DLP, TRAVEL, DOMAIN)
    later = rules_at(NOON + 7 * DAY, {DLP: WEEK, TRAVEL: WEEK})
    after = decided_again(before, later, NOON)
    change = level_change(before, after, later, ChangeKind.EXPIRY, NOON)
    assert change is not None
    assert change.cause is Cause.POLICY
    assert change.reason == "Expired: High Number of DLP Policies Triggered; remaining: High-Risk Domain Visited"
    alone = found(NOBODY, rules, TRAVEL)
    change = level_change(alone, decided_again(alone, later, NOON), later, ChangeKind.EXPIRY, NOON)
    assert change is not None
    assert change_members(change)["reason_admin"] == {"en": "Expired: Impossible Travel"}
    assert change_members(change)["initiating_entity"] == "policy"


def test_a_change_of_an_older_version_is_read() -> None:
    """A large write that was accepted before an upgrade is applied after it."""
    stored = msgspec.msgpack.encode(
        {
            "user_id": "u",
            "email": "kai@example.com",
            "previous": None,
            "current": 3,
            "behaviors": ["high_dlp"],
            "reason": "DLP",
            "cause": "policy",
            "changed_at": NOON,
            "note": None,
        }
    )
    assert msgspec.msgpack.decode(stored, type=LevelChange).kind is ChangeKind.FINDING


def test_times_of_replaced_findings_are_read_again() -> None:
    """When episodes were merged, the latest finding may be an earlier one."""
    rules = rules_at(NOON, {TRAVEL: WEEK})
    standing = found(NOBODY, rules, TRAVEL, at=NOON + DAY)
    counted = with_latest(standing, {TRAVEL: NOON}, rules)
    assert (counted.level, counted.next_change_at) == (MEDIUM, NOON + 7 * DAY)
    assert with_latest(counted, {TRAVEL: NOON}, rules) is counted


BEHAVIOR = st.sampled_from(list(BEHAVIORS))
HOURS = st.integers(0, 400).map(lambda hours: timedelta(hours=hours))
DURATIONS = st.dictionaries(
    BEHAVIOR, st.builds(Duration, expires_after=HOURS.filter(bool), medium=HOURS, low=HOURS), max_size=8
)
FINDINGS = st.lists(st.tuples(BEHAVIOR, HOURS.map(lambda age: NOON - age)), max_size=12)


@given(FINDINGS, DURATIONS, st.randoms(use_true_random=False), st.lists(st.integers(0, 12), max_size=3), HOURS)
def test_the_order_of_findings_and_of_decisions_does_not_matter(
    findings: list[Found],
    durations: dict[BehaviorId, Duration],
    order: random.Random,
    cuts: list[int],
    later: timedelta,
) -> None:
    """In any order and batches, with decisions about the time in between or not, the same level in the end."""
    shuffled = order.sample(findings, len(findings))
    at_once = record(NOBODY, findings, rules_at(NOON, durations))
    slowly = NOBODY
    places = [0, *sorted(min(cut, len(findings)) for cut in cuts), len(findings)]
    for start, end in pairwise(places):
        slowly = record(slowly, shuffled[start:end], rules_at(NOON, durations))
        if order.random() < 0.5:
            slowly = decided_again(slowly, rules_at(NOON, durations), NOON)
    end_of_all = rules_at(NOON + later, durations)
    one, other = (decided_again(standing, end_of_all, NOON) for standing in (at_once, slowly))
    assert replace(one, changed_at=None) == replace(other, changed_at=None)
    assert one.level == highest_that_counts(findings, durations, NOON + later)


@given(FINDINGS, DURATIONS)
def test_a_level_changes_with_time_exactly_when_it_is_due(
    findings: list[Found], durations: dict[BehaviorId, Duration]
) -> None:
    """Until then it is the same at every moment; then it is lower; the last one ends or lasts."""
    standing = decided_again(record(NOBODY, findings, rules_at(NOON, durations)), rules_at(NOON, durations), NOON)
    while standing.next_change_at is not None:
        due = standing.next_change_at
        assert decided_again(standing, rules_at(due - timedelta(microseconds=1), durations), NOON) == standing
        lower = decided_again(standing, rules_at(due, durations), NOON)
        assert (lower.level or 0) < (standing.level or 0)
        assert lower.next_change_at is None or lower.next_change_at > due
        standing = lower


Step = tuple[str, object]
SETTING = st.builds(BehaviorSetting, st.booleans(), st.sampled_from(RiskLevel))
STEP = st.one_of(
    st.tuples(st.just("found"), FINDINGS),
    st.tuples(st.just("set"), st.tuples(BEHAVIOR, SETTING)),
    st.tuples(st.just("reset"), st.none()),
)


@given(st.lists(STEP, max_size=20), st.booleans())
def test_without_durations_levels_are_those_of_the_plain_rule(steps: Sequence[Step], timed: bool) -> None:
    """On any history: the highest level of all behaviors since the last reset, also if others expire in no time."""
    settings = dict(DEFAULT_SETTINGS)
    triggered: set[BehaviorId] = set()
    standing = NOBODY
    for kind, what in steps:
        rules = LevelRules(behaviors=dict(settings), as_of=NOON if timed else None)
        if kind == "found":
            assert isinstance(what, list)
            triggered |= {behavior for behavior, _ in what}
            standing = record(standing, what, rules)
        elif kind == "set":
            assert isinstance(what, tuple)
            settings[what[0]] = what[1]
            rules = LevelRules(behaviors=dict(settings), as_of=NOON if timed else None)
            standing = decided_again(standing, rules, NOON)
        else:
            triggered.clear()
            standing = after_reset(standing, NOON)
        assert standing.level == max((settings[one].risk_level for one in triggered), default=None)
        assert standing.triggered == frozenset(triggered)
        assert standing.next_change_at is None
        assert level_of(standing, rules) == standing.level


def record(standing: Standing, findings: Iterable[Found], rules: LevelRules) -> Standing:
    latest: dict[BehaviorId, datetime] = {}
    for behavior, at in findings:
        latest[behavior] = max(at, latest.get(behavior, at))
    return with_findings(standing, latest, rules, NOON)


def highest_that_counts(
    findings: Iterable[Found], durations: Mapping[BehaviorId, Duration], at: datetime
) -> RiskLevel | None:
    """Finding by finding, as a person would work it out."""
    levels: list[RiskLevel] = []
    for behavior, occurred_at in findings:
        own, duration = DEFAULT_SETTINGS[behavior].risk_level, durations.get(behavior)
        if duration is None:
            levels.append(own)
            continue
        ends = occurred_at + duration.expires_after
        for level, dwell in ((own, timedelta(0)), (MEDIUM, duration.medium), (LOW, duration.low)):
            if level < own or level is own:
                ends += dwell if level < own else timedelta(0)
                if at < ends:
                    levels.append(level)
    return max(levels, default=None)
