"""Exceptions: whom they cover, which of several applies, and what becomes of a level."""

import re
from dataclasses import replace as replace_rules
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk.assessment import Standing, decided_again, with_findings
from riskrelay.core.risk.behaviors import BehaviorId, settings_with
from riskrelay.core.risk.exceptions import (
    MAX_PATTERN_STARS,
    Coverage,
    Effect,
    ExceptionId,
    Exceptions,
    RiskException,
    covered_problem,
    group_key,
    matches,
    reason_problem,
)
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from support.services import NOON

DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")
KAI = "kai@example.com"
LOW, MEDIUM, HIGH = RiskLevel


def exception(coverage: Coverage, covered: str, chosen: RiskLevel | None = None, **members: object) -> RiskException:
    """An exception that ignores a behavior, or gives it the level *chosen*."""
    given = {
        "exception_id": ExceptionId(f"{coverage}-{covered}-{chosen}"),
        "behavior": None,
        "effect": Effect.IGNORE if chosen is None else Effect.LEVEL,
        "level": chosen,
        "reason": "Because.",
        "ends_at": None,
        "created_at": NOON,
    }
    return RiskException(coverage=coverage, covered=covered, **{**given, **members})  # type: ignore[arg-type]


def user(chosen: RiskLevel | None = None, **members: object) -> RiskException:
    return exception(Coverage.USER, KAI, chosen, **members)


def group(chosen: RiskLevel | None = None, **members: object) -> RiskException:
    return exception(Coverage.GROUP, "Sales", chosen, **members)


def pattern(chosen: RiskLevel | None = None, **members: object) -> RiskException:
    return exception(Coverage.PATTERN, "*@example.com", chosen, **members)


def level(*stored: RiskException, behavior: BehaviorId = DLP, own: RiskLevel = HIGH) -> RiskLevel | None:
    """The level of a behavior for kai, who is in Sales."""
    return Exceptions(stored, NOON).of_user(KAI, frozenset({"sales"})).level_of(behavior, own)


def test_the_more_precise_exception_applies() -> None:
    """A user before a group before a pattern; then one behavior before all; whatever the effects are."""
    assert level(pattern(LOW), group(MEDIUM), user()) is None
    assert level(pattern(LOW), group(MEDIUM)) is MEDIUM
    assert level(pattern(LOW)) is LOW
    assert level(user(LOW), group(HIGH, behavior=DLP)) is LOW
    assert level(user(HIGH), user(LOW, behavior=DLP)) is LOW
    assert level(user(HIGH), user(LOW, behavior=TRAVEL)) is HIGH
    assert level(user(LOW, behavior=TRAVEL)) is HIGH


def test_of_equals_the_one_that_hides_least_applies() -> None:
    """Two exceptions never hide more than each of them alone."""
    cap: dict[str, object] = {"effect": Effect.CAP}
    assert level(group(), group(LOW), group(MEDIUM, **cap)) is MEDIUM
    assert level(group(), group(LOW, **cap), own=HIGH) is LOW
    assert level(group(MEDIUM), group(HIGH, **cap), own=LOW) is MEDIUM


def test_the_effects() -> None:
    """A cap never raises a level; another level can."""
    assert level(user(MEDIUM, effect=Effect.CAP), own=HIGH) is MEDIUM
    assert level(user(MEDIUM, effect=Effect.CAP), own=LOW) is LOW
    assert level(user(HIGH), own=LOW) is HIGH
    assert level(user(), own=LOW) is None


STORED = st.lists(
    st.builds(
        lambda make, behavior, effect, chosen, number: (
            make(chosen, behavior=behavior, effect=effect, exception_id=ExceptionId(str(number)))
            if effect is not Effect.IGNORE
            else make(behavior=behavior, exception_id=ExceptionId(str(number)))
        ),
        st.sampled_from([user, group, pattern]),
        st.sampled_from([None, DLP, TRAVEL]),
        st.sampled_from(Effect),
        st.sampled_from(RiskLevel),
        st.integers(0, 10**6),
    ),
    max_size=8,
    unique_by=lambda one: one.exception_id,
)


@given(STORED, st.randoms(), st.sampled_from(RiskLevel), st.sampled_from([DLP, TRAVEL]))
def test_the_order_of_exceptions_does_not_matter(
    stored: list[RiskException], random: object, own: RiskLevel, behavior: BehaviorId
) -> None:
    """The level and the exception that applied are the same in any order."""
    shuffled = list(stored)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (Exceptions(these, NOON).of_user(KAI, frozenset({"sales"})) for these in (stored, shuffled))
    assert one.applied_to(behavior, own) == other.applied_to(behavior, own)
    assert one.level_of(behavior, own) == other.level_of(behavior, own)


SETTINGS = settings_with({})
FOUND = st.lists(st.sampled_from(list(SETTINGS)), max_size=8)
NOBODY = Standing(user_id=UserId("u"), email=KAI, name=None, level=None, triggered=frozenset())


@given(STORED, FOUND, st.randoms(), st.integers(0, 8))
def test_the_order_of_findings_does_not_matter(
    stored: list[RiskException], behaviors: list[BehaviorId], random: object, cut: int
) -> None:
    """The same findings under the same exceptions, in any order, in one batch or in two, give the same standing."""
    rules = LevelRules(behaviors=SETTINGS, exceptions=Exceptions(stored, None), groups={KAI: frozenset({"sales"})})
    shuffled = list(behaviors)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def after(before: Standing, found: list[BehaviorId]) -> Standing:
        return with_findings(before, dict.fromkeys(found, NOON), rules, NOON)

    at_once = after(NOBODY, behaviors)
    in_two = after(after(NOBODY, shuffled[:cut]), shuffled[cut:])
    assert replace(in_two, changed_at=None) == replace(at_once, changed_at=None)
    plain = with_findings(NOBODY, dict.fromkeys(behaviors, NOON), LevelRules(behaviors=SETTINGS), NOON)
    later = decided_again(plain, rules, NOON)
    assert (later.level, later.triggered) == (at_once.level, at_once.triggered)
    assert decided_again(later, LevelRules(behaviors=SETTINGS), NOON) == plain


def test_groups_that_were_not_read_are_a_mistake() -> None:
    """A level is never decided without them."""
    rules = LevelRules(behaviors=SETTINGS, exceptions=Exceptions([group()], None))
    with pytest.raises(ValueError, match="read the groups"):
        with_findings(NOBODY, {DLP: NOON}, rules, NOON)
    assert with_findings(NOBODY, {DLP: NOON}, replace_rules(rules, groups={}), NOON).level is HIGH


def test_durations_and_step_down_follow_the_level_of_an_exception() -> None:
    """A behavior that counts as medium steps down from medium; an ignored one has no time at which it ends."""
    week = Duration(expires_after=timedelta(days=7), medium=timedelta(days=2), low=timedelta(days=1))
    times = LevelTimes(durations={DLP: week})

    def standing_under(one: RiskException) -> Standing:
        rules = LevelRules(behaviors=SETTINGS, times=times, as_of=NOON, exceptions=Exceptions([one], NOON))
        return with_findings(NOBODY, {DLP: NOON}, rules, NOON)

    capped = standing_under(user(MEDIUM))
    assert (capped.level, capped.next_change_at) == (MEDIUM, NOON + timedelta(days=7))
    ends_at = NOON + timedelta(days=30)
    ignored = standing_under(user(ends_at=ends_at))
    assert (ignored.level, ignored.next_change_at) == (None, ends_at)


def test_an_exception_ends_at_its_time() -> None:
    """Not a moment later; the first end is the next time at which the level can change."""
    soon, later = NOON + timedelta(microseconds=1), NOON + timedelta(days=1)
    assert level(user(LOW, ends_at=NOON)) is HIGH
    assert level(user(LOW, ends_at=soon)) is LOW
    stored = Exceptions([user(LOW, ends_at=later), group(ends_at=soon), pattern()], NOON)
    assert stored.of_user(KAI, frozenset({"sales"})).next_end() == soon
    assert Exceptions([user(ends_at=NOON)], NOON).of_user(KAI).next_end() is None


def test_users_are_compared_by_mailbox_and_groups_without_letter_case() -> None:
    """In any spelling; other users are not covered."""
    stored = Exceptions([exception(Coverage.USER, "Kai@EXAMPLE.com."), exception(Coverage.GROUP, "STRASSE")], NOON)
    assert stored.of_user(KAI)
    assert stored.of_user("lou@example.com", frozenset({group_key("Strasse")}))
    assert not stored.of_user("lou@example.com", frozenset({"sales"}))
    assert stored.name_groups
    assert not Exceptions([user(), pattern()], NOON).name_groups
    assert not Exceptions([], NOON)


LETTERS = st.text("ab*", min_size=1, max_size=12).filter(lambda text: "*" in text)


@given(LETTERS, st.text("ab", max_size=12))
def test_a_star_stands_for_any_characters(text: str, email: str) -> None:
    """As a regular expression would match, for patterns of any form."""
    expected = re.fullmatch(".*".join(map(re.escape, text.split("*"))), email) is not None
    assert matches(text, email) == expected


def test_a_hard_pattern_takes_no_time() -> None:
    """The work does not grow with the number of ways in which it could match: backtracking would not end."""
    hard = "*".join(["a" * 30] * MAX_PATTERN_STARS) + "*b@example.com"
    assert not matches(hard, "a" * 319 + "@")


@pytest.mark.parametrize(
    ("coverage", "covered", "said"),
    [
        (Coverage.USER, "nobody", "must be an e-mail address"),
        (Coverage.GROUP, " Sales", "must have 1 to 100"),
        (Coverage.GROUP, "", "must have 1 to 100"),
        (Coverage.PATTERN, KAI, "to cover one user, send user"),
        (Coverage.PATTERN, "**", "every user matches"),
        (Coverage.PATTERN, "*" * MAX_PATTERN_STARS + "a*", "more than 8"),
        (Coverage.PATTERN, "svc *", "spaces"),
        (Coverage.PATTERN, "a*\x00", "control characters"),
        (Coverage.PATTERN, "a" * 320 + "*", "longer than 320"),
    ],
)
def test_what_an_exception_cannot_cover_is_said(coverage: Coverage, covered: str, said: str) -> None:
    """With what to change."""
    assert said in str(covered_problem(coverage, covered))


def test_what_an_exception_can_cover() -> None:
    """An address, a group, a pattern; its reason is a text of some sentences."""
    assert covered_problem(Coverage.USER, KAI) is None
    assert covered_problem(Coverage.GROUP, "CN=Sales, OU=Groups") is None
    assert covered_problem(Coverage.PATTERN, "svc-*@*.example.com") is None
    assert reason_problem("Backups.") is None
    assert reason_problem("") is not None
    assert reason_problem("a" * 501) is not None
