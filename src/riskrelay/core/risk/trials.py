"""Compute the levels that a user would have had under other rules, from the stored findings.

A trial does this for a million findings, so times are integers: microseconds since 1970.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import LevelRules

NEVER = 1 << 62
_MICROSECOND = timedelta(microseconds=1)

Level = int
"""A risk level, or 0 for none."""


class Run(NamedTuple):
    """The findings of a user between two resets.

    Attributes:
        findings: the time and the behavior of each, in the order of time.
        ends_at: the time of the reset; NEVER: there was none since.
    """

    findings: Sequence[tuple[int, BehaviorId]]
    ends_at: int


Given = Sequence[tuple[int, Level]]
"""The times at which the level that rules give changes, in their order, each with the new level."""


class Path(Struct, frozen=True, kw_only=True):
    """The levels that a user had during a time.

    Attributes:
        highest: the highest of them.
        events: the number of changes to each level.
    """

    highest: Level
    events: Mapping[Level, int]


class Ages:
    """How long a finding of each behavior counts as each level, under the rules for one user.

    Args:
        rules: the rules for the user (`LevelRules.for_user`).
        unrecorded: the behaviors whose findings would not have been recorded.

    Attributes:
        end: whether a finding of some behavior counts for a limited time only.
    """

    def __init__(self, rules: LevelRules, unrecorded: Collection[BehaviorId] = ()) -> None:
        self.between = rules.times.between_events // _MICROSECOND
        counted = {one: _ages(rules, one) for one in rules.behaviors if one not in unrecorded}
        self._ages = {one: ages for one, ages in counted.items() if ages}
        self.end = any(age != NEVER for ages in self._ages.values() for _, age in ages)

    def of(self, behavior: BehaviorId) -> Sequence[tuple[Level, int]]:
        """Return the levels as which a finding counts, the highest first, each with the age at which that ends."""
        return self._ages.get(behavior, ())

    @property
    def of_recorded(self) -> Mapping[BehaviorId, Sequence[tuple[Level, int]]]:
        """What `of` returns, by behavior, without behaviors whose findings count as no level."""
        return self._ages

    def agrees(self, other: "Ages", behaviors: Iterable[BehaviorId]) -> bool:
        """Return whether findings of *behaviors* count alike under both."""
        return self.between == other.between and all(self.of(one) == other.of(one) for one in behaviors)


def _ages(rules: LevelRules, behavior: BehaviorId) -> tuple[tuple[Level, int], ...]:
    own, duration = rules.own_level(behavior), rules.times.durations.get(behavior)
    if own is None:
        return ()
    if duration is None:
        return ((own, NEVER),)
    return tuple((level, duration.until(own, level) // _MICROSECOND) for level in RiskLevel.descending(own))


def read_findings(written: str) -> list[tuple[int, BehaviorId]]:
    """Read the findings of a run, in the order of time.

    Args:
        written: the items of a JSON array: of each finding the time and the behavior, in any order.

    >>> read_findings('7,"high_dlp",5,"imp_travel"')
    [(5, 'imp_travel'), (7, 'high_dlp')]
    """
    items: list[Any] = msgspec.json.decode(f"[{written}]")
    return sorted(zip(items[::2], items[1::2], strict=True))


def path_of(runs: Iterable[Run], ages: Ages, since: int, until: int, given: Sequence[Given] = ()) -> Path:
    """Return the levels that a user would have had from *since* to *until*.

    Args:
        runs: all findings of the user that are stored, also those before *since*.
        until: no finding is later.
        given: for each run the levels that rules give, by their times; empty: there are no rules.
    """
    walk = _Walk(ages, since, falls=ages.end or any(given))
    for place, run in enumerate(runs):
        walk.through(run, until, given[place] if given else ())
    return Path(highest=walk.highest, events=walk.events)


def _time_of(finding: tuple[int, BehaviorId]) -> int:
    return finding[0]


class _Walk:
    """Goes through the findings of a user, and keeps the level.

    Args:
        falls: whether the level can become lower without a reset.

    Attributes:
        highest, events: of the time since *since*.
    """

    def __init__(self, ages: Ages, since: int, *, falls: bool) -> None:
        self.highest: Level = 0
        self.events: dict[Level, int] = {}
        self._ages = ages
        self._since = since
        self._falls = falls
        self._level: Level = 0
        self._changed_at = -NEVER
        self._may_fall_at = NEVER
        self._latest: dict[BehaviorId, int] = {}
        self._given: Level = 0

    def through(self, run: Run, until: int, given: Given = ()) -> None:
        """Apply the findings of a run, the levels that rules give meanwhile, and the reset at its end."""
        self._latest, self._given = {}, 0
        end, start = min(run.ends_at, until), 0
        for at, level in given:
            if at <= end:
                stop = bisect_right(run.findings, at, key=_time_of)
                self._apply(run.findings[start:stop])
                self._give(at, level)
                start = stop
        self._apply(run.findings[start:] if start else run.findings)
        if self._may_fall_at <= end:
            self._fall(end)
        if end >= self._since:
            self.highest = max(self.highest, self._level)
        if run.ends_at <= until and self._level:
            self._latest, self._given = {}, 0
            self._change(0, run.ends_at)

    def _apply(self, findings: Sequence[tuple[int, BehaviorId]]) -> None:
        latest, ages = self._latest, self._ages.of_recorded
        for at, behavior in findings:  # a million times, so without calls
            if self._may_fall_at < at:
                self._fall(at - 1)  # a finding at the very time of a fall prevents it
            if behavior in ages:
                # A later finding of a behavior only postpones a fall. This is seen when the fall is due.
                latest[behavior] = at
                level = ages[behavior][0][0]
                if level > self._level:
                    self._change(level, at)

    def _give(self, at: int, level: Level) -> None:
        """Apply another level that rules give. They are evaluated after the findings of the same time."""
        if self._may_fall_at < at:
            self._fall(at - 1)
        self._given = level
        if level > self._level:
            self._change(level, at)
        else:
            self._may_fall_at = self._next_fall()
            self._fall(at)

    def _fall(self, at: int) -> None:
        """Apply the falls that are due up to the time *at*."""
        while self._may_fall_at <= at:
            due = self._may_fall_at
            level = self._counted_at(due)
            if level < self._level:
                self._change(level, due)
            else:
                self._may_fall_at = self._next_fall()

    def _change(self, level: Level, at: int) -> None:
        if at >= self._since:
            self.highest = max(self.highest, self._level, level)
            self.events[level] = self.events.get(level, 0) + 1
        self._level, self._changed_at = level, at
        self._may_fall_at = self._next_fall()

    def _counted_at(self, now: int) -> Level:
        """Return the highest level as which a finding counts, or that rules give."""
        highest = self._given
        for behavior, at in self._latest.items():
            for level, age in self._ages.of(behavior):
                if now - at < age:
                    highest = max(highest, level)
                    break
        return highest

    def _next_fall(self) -> int:
        """Return the time at which the level may become lower."""
        if not self._falls or not self._level or self._given >= self._level:
            return NEVER
        due = -NEVER
        for behavior, at in self._latest.items():
            for level, age in self._ages.of(behavior):
                if level < self._level:
                    break
                if age == NEVER:
                    return NEVER
                due = max(due, at + age)
        return max(due, self._changed_at + self._ages.between)
