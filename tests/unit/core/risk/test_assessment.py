"""From findings and settings to a level: monotone, order-independent, explained."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk.assessment import (
    Cause,
    ChangeKind,
    Standing,
    after_reset,
    decided_again,
    with_events,
    with_findings,
)
from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId, BehaviorSetting, reason_for, settings_with
from riskrelay.core.risk.change_members import change_members
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import FindingId, UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import LevelRules
from support.services import NOON

BEHAVIOR = st.sampled_from(list(BEHAVIORS))
RULES = st.fixed_dictionaries(
    {behavior: st.builds(BehaviorSetting, st.booleans(), st.sampled_from(RiskLevel)) for behavior in BEHAVIORS}
).map(lambda settings: LevelRules(behaviors=settings))
NOBODY = Standing(user_id=UserId("u"), email="kai@example.com", name=None, level=None, triggered=frozenset())


def rules_with(settings: Mapping[BehaviorId, BehaviorSetting]) -> LevelRules:
    """Rules under which levels last."""
    return LevelRules(behaviors=settings_with(settings))


def found(standing: Standing, behaviors: Iterable[BehaviorId], rules: LevelRules) -> Standing:
    """After findings of noon."""
    return with_findings(standing, dict.fromkeys(behaviors, NOON), rules, NOON)


LOW, HIGH = BehaviorId("high_risk_domain"), BehaviorId("high_dlp")


@given(RULES, st.lists(BEHAVIOR), st.lists(BEHAVIOR))
def test_more_findings_never_lower_a_level(rules: LevelRules, first: list[BehaviorId], then: list[BehaviorId]) -> None:
    """Contract 22: the level is the highest of all findings."""
    before = found(NOBODY, first, rules)
    after = found(before, then, rules)
    assert (after.level or 0) >= (before.level or 0)


@given(RULES, st.lists(BEHAVIOR), st.randoms(), st.integers(0, 10))
def test_order_and_batches_do_not_matter(
    rules: LevelRules, behaviors: list[BehaviorId], random: object, cut: int
) -> None:
    """The same findings in any order, in one batch or in two."""
    shuffled = list(behaviors)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    at_once = found(NOBODY, behaviors, rules)
    in_two = found(found(NOBODY, shuffled[:cut], rules), shuffled[cut:], rules)
    assert in_two == at_once


def test_a_user_without_findings_has_no_level() -> None:
    """None, not low."""
    assert found(NOBODY, [], rules_with({})).level is None


def test_a_change_names_the_behaviors_that_hold_the_level() -> None:
    """Not the weaker ones."""
    rules = rules_with({})
    before = found(NOBODY, [LOW], rules)
    after = found(before, [HIGH], rules)
    change = level_change(before, after, rules, ChangeKind.FINDING, NOON)
    assert change is not None
    assert (change.previous, change.current, change.behaviors) == (RiskLevel.LOW, RiskLevel.HIGH, (HIGH,))


def test_a_change_names_the_findings_that_made_it() -> None:
    """A level change names the first ten findings of the behaviors that hold the level, and none of weaker
    behaviors."""
    rules = rules_with({})
    after = found(NOBODY, [LOW, HIGH], rules)
    recorded = [(LOW, FindingId("weak")), *((HIGH, FindingId(f"f{number}")) for number in range(11))]
    change = level_change(NOBODY, after, rules, ChangeKind.FINDING, NOON, recorded=recorded)
    assert change is not None
    assert change.findings == tuple(f"f{number}" for number in range(10))


def test_a_level_that_stays_is_no_change() -> None:
    """Another behavior of the same or a lower level tells the receivers nothing."""
    rules = rules_with({})
    before = found(NOBODY, [HIGH], rules)
    after = found(before, [LOW], rules)
    assert after != before
    assert level_change(before, after, rules, ChangeKind.FINDING, NOON) is None


def test_a_new_setting_moves_the_level_without_a_new_finding() -> None:
    """The account raises or lowers the risk level of a behavior that the user has triggered."""
    before = found(NOBODY, [HIGH], rules_with({}))
    lowered = rules_with({HIGH: BehaviorSetting(True, RiskLevel.LOW)})
    after = decided_again(before, lowered, NOON)
    assert (before.level, after.level) == (RiskLevel.HIGH, RiskLevel.LOW)
    assert after.triggered == before.triggered
    change = level_change(before, after, lowered, ChangeKind.FINDING, NOON)
    assert change is not None
    assert (change.previous, change.current, change.behaviors) == (RiskLevel.HIGH, RiskLevel.LOW, (HIGH,))


def test_a_reset_takes_everything_away() -> None:
    """Contract 21; a user without risk is not changed by it."""
    rules = rules_with({})
    high = found(NOBODY, [HIGH], rules)
    change = level_change(high, after_reset(high, NOON), rules, ChangeKind.RESET, NOON)
    assert change is not None
    assert (change.current, change.behaviors, change.cause) == (None, (), Cause.ADMIN)
    assert level_change(NOBODY, after_reset(NOBODY, NOON), rules, ChangeKind.RESET, NOON) is None


TIMES = st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))


@given(TIMES, TIMES)
def test_events_are_counted_and_the_latest_stands(first: list[datetime], then: list[datetime]) -> None:
    """Contract 19: in any order, in one batch or in two; a reset starts anew, and is itself counted."""
    at_once = with_events(NOBODY, first + then)
    assert with_events(with_events(NOBODY, then), first) == at_once
    assert at_once.event_count == len(first) + len(then)
    assert at_once.last_event_at == max(first + then, default=None)
    cleared = after_reset(at_once, NOON)
    assert (cleared.event_count, cleared.last_event_at) == (0, None)
    assert (cleared.resets, cleared.last_reset_at) == (1, NOON)


def test_a_disabled_behavior_keeps_its_weight() -> None:
    """Disabling stops new findings; those recorded stay (contract 22)."""
    disabled = rules_with({HIGH: BehaviorSetting(False, RiskLevel.HIGH)})
    assert found(NOBODY, [HIGH], disabled).level is RiskLevel.HIGH


def test_the_known_behaviors() -> None:
    """Contract 18: eight kinds, of which three have published ids; reasons are their names."""
    assert len(BEHAVIORS) == 8
    assert {"high_dlp", "imp_travel", "sentinel_one"} < set(BEHAVIORS)
    assert reason_for([HIGH, LOW], {}) == f"{BEHAVIORS[HIGH].name}, {BEHAVIORS[LOW].name}"
    assert not any(setting.enabled for setting in settings_with({}).values())


def test_letter_case_does_not_tell_users_apart() -> None:
    """E-mail addresses that differ only in letter case are one user, also beyond ASCII."""
    assert UserRef("KAI@Example.com").email_key == UserRef("kai@example.COM").email_key
    assert UserRef("straße@example.com").email_key == UserRef("STRAẞE@example.com").email_key
    assert UserRef("straße@example.com").email_key != UserRef("STRASSE@example.com").email_key


def test_findings_and_resets_change_nothing_else_of_a_user() -> None:
    """Id, address, name, counts and times stay with new findings; a reset keeps the id, the address and the name."""
    standing = replace(
        NOBODY, name="Kai", event_count=7, last_event_at=NOON, resets=3, last_reset_at=NOON - timedelta(days=1)
    )
    after = found(standing, [HIGH], rules_with({}))
    assert replace(after, level=None, triggered=frozenset(), triggered_at={}, changed_at=None) == standing
    later = NOON + timedelta(hours=1)
    expected = replace(standing, event_count=0, last_event_at=None, resets=4, last_reset_at=later, changed_at=later)
    assert after_reset(after, later) == expected


def test_a_change_names_the_user_and_the_time() -> None:
    """For the receivers and for the log of the user's levels."""
    rules = rules_with({})
    change = level_change(NOBODY, found(NOBODY, [HIGH], rules), rules, ChangeKind.FINDING, NOON)
    assert change is not None
    assert (change.user_id, change.email, change.changed_at) == ("u", "kai@example.com", NOON)


def test_receivers_get_the_reason_of_a_change() -> None:
    """The behaviors that hold the level; after a reset the words of the person who reset it, if there are any."""
    rules = rules_with({})
    raised = found(NOBODY, [HIGH], rules)
    change = level_change(NOBODY, raised, rules, ChangeKind.FINDING, NOON)
    reset = level_change(raised, after_reset(raised, NOON), rules, ChangeKind.RESET, NOON)
    assert change is not None
    assert reset is not None
    assert change_members(change)["reason_admin"] == {"en": change.reason}
    assert change_members(reset)["reason_admin"] == {"en": "Risk reset by an administrator"}
    noted = replace(reset, note="false alarm")
    assert change_members(noted)["reason_admin"] == {"en": "Risk reset by an administrator: false alarm"}
    assert change_members(noted)["initiating_entity"] == "admin"
