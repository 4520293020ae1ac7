"""Trials: the path of a user's level under rules, from findings at any times."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.risk.behaviors import BehaviorId, settings_with
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from riskrelay.core.risk.trials import NEVER, Ages, Path, Paths, Run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HIGH, MEDIUM, LOW = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
SETTINGS = settings_with({})
SECOND = 1_000_000


def rules(*durations: tuple[BehaviorId, Duration], between: int = 0) -> LevelRules:
    return LevelRules(
        behaviors=SETTINGS, times=LevelTimes(durations=dict(durations), between_events=timedelta(seconds=between))
    )


def lasting(seconds: int, medium: int = 0, low: int = 0) -> Duration:
    return Duration(
        expires_after=timedelta(seconds=seconds), medium=timedelta(seconds=medium), low=timedelta(seconds=low)
    )


def found(*findings: tuple[int, BehaviorId], reset: int | None = None) -> Run:
    ends_at = NEVER if reset is None else reset * SECOND
    return Run([at * SECOND for at, _ in findings], [one for _, one in findings], ends_at)


def path(these: LevelRules, *runs: Run, since: int = 0, until: int = 100) -> tuple[int, dict[int, int]]:
    return seen_in(Paths(Ages(these), since * SECOND, until * SECOND).of(runs))


def seen_in(result: Path) -> tuple[int, dict[int, int]]:
    return result.highest, {level: count for level, count in enumerate(result.events) if count}


def test_without_durations_the_highest_level_stays() -> None:
    """Each rise is an event; a level from before the time counts for its users and makes no event."""
    findings = found((1, LOW), (2, HIGH), (3, MEDIUM))
    assert path(rules(), findings) == (3, {1: 1, 3: 1})
    assert path(rules(), findings, since=50) == (3, {})
    assert path(rules(), found((1, LOW)), since=50) == (1, {})
    assert path(rules()) == (0, {})


def test_a_level_steps_down_and_ends() -> None:
    """High, then medium, then low, then none, each once; a repeat postpones it."""
    steps = rules((HIGH, lasting(10, medium=5, low=5)))
    assert path(steps, found((1, HIGH))) == (3, {3: 1, 2: 1, 1: 1, 0: 1})
    assert path(steps, found((1, HIGH)), since=12) == (2, {1: 1, 0: 1})
    assert path(steps, found((1, HIGH)), until=12) == (3, {3: 1, 2: 1})
    assert path(steps, found((1, HIGH), (8, HIGH)), until=12) == (3, {3: 1})
    assert path(steps, found((1, HIGH), (2, MEDIUM))) == (3, {3: 1, 2: 1})


def test_a_reset_ends_a_level() -> None:
    """What was found before it no longer counts."""
    assert path(rules(), found((1, HIGH), reset=5), found((6, LOW))) == (3, {3: 1, 0: 1, 1: 1})
    assert path(rules(), found((1, HIGH), reset=5), since=6) == (0, {})


def test_a_lower_level_waits_for_the_time_between_events() -> None:
    """A rise does not wait."""
    slow = rules((HIGH, lasting(2)), (LOW, lasting(50)), between=20)
    assert path(slow, found((1, LOW), (2, HIGH)), until=21) == (3, {1: 1, 3: 1})
    assert path(slow, found((1, LOW), (2, HIGH)), until=22) == (3, {1: 2, 3: 1})


def test_findings_that_would_not_be_recorded_do_not_count() -> None:
    """Of a behavior that the change disables."""
    paths = Paths(Ages(rules(), [HIGH]), 0, 100 * SECOND)
    assert seen_in(paths.of([found((1, HIGH), (2, LOW))])) == (1, {1: 1})


FINDINGS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from([HIGH, MEDIUM, LOW])), max_size=8, unique_by=lambda one: one[0]
).map(sorted)
DURATIONS = st.dictionaries(
    st.sampled_from([HIGH, MEDIUM, LOW]),
    st.builds(lasting, st.integers(1, 8), st.integers(0, 4), st.integers(0, 4)),
)


@given(FINDINGS, DURATIONS, st.integers(0, 30))
def test_the_path_is_what_the_rules_say_at_each_second(
    findings: list[tuple[int, BehaviorId]], durations: dict[BehaviorId, Duration], since: int
) -> None:
    """Compared with the rules' own decision at every second, one after the other."""
    these = rules(*durations.items())
    events: Counter[int] = Counter()
    before = highest = 0
    for second in range(46):
        latest = {one: at for at, one in findings if at <= second}
        levels = [_level_at(these, one, at, second) for one, at in latest.items()]
        level = max(levels, default=0)
        if second >= since:
            highest = max(highest, level, before)
            events[level] += level != before
        before = level
    result = path(these, *([found(*findings)] if findings else []), since=since, until=45)
    assert result == (highest, {level: count for level, count in events.items() if count})


def _level_at(these: LevelRules, behavior: BehaviorId, at: int, second: int) -> int:
    level = replace(these, as_of=EPOCH + timedelta(seconds=second)).level(behavior, EPOCH + timedelta(seconds=at))
    return 0 if level is None else RiskLevel(level)


def test_rules_give_levels_between_findings() -> None:
    """A rule raises after the findings of the same time, and its end lets the level fall to that of the behaviors."""
    low = found((1, LOW), (5, LOW))
    given = [[(5 * SECOND, 2), (9 * SECOND, 0)]]
    plain = Paths(Ages(rules()), 0, 100 * SECOND)
    assert seen_in(plain.of([low], given)) == (2, {1: 2, 2: 1})
    ending = Paths(Ages(rules((LOW, lasting(6)))), 0, 100 * SECOND)
    assert seen_in(ending.of([low], given)) == (2, {1: 2, 2: 1, 0: 1})
    assert seen_in(plain.of([found((1, HIGH), (5, LOW))], given)) == (3, {3: 1})
    assert seen_in(plain.of([found((1, LOW), (5, LOW), reset=7)], given)) == (2, {1: 1, 2: 1, 0: 1})
