"""Compute the levels that a user would have had under other rules, from the stored findings.

A trial does this for a million findings, so times are integers: microseconds since 1970.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import LevelRules

NEVER = 1 << 62
MICROSECOND = timedelta(microseconds=1)
_LEVELS = (0, *map(int, RiskLevel))
_NONE: frozenset[BehaviorId] = frozenset()

Level = int
"""A risk level, or 0 for none."""


class Run(NamedTuple):
    """The findings of a user between two resets.

    Attributes:
        times, behaviors: of each finding, in the order of time, then of the behavior. There is at least one.
        ends_at: the time of the reset; NEVER: there was none since.
    """

    times: Sequence[int]
    behaviors: Sequence[BehaviorId]
    ends_at: int


Given = Sequence[tuple[int, Level]]
"""The times at which the level that rules give changes, in their order, each with the new level."""


class Path(NamedTuple):
    """The levels that a user had during a time.

    Attributes:
        highest: the highest of them.
        events: the number of changes to each level, none first.
    """

    highest: Level
    events: tuple[int, ...]


class Ages:
    """How long a finding of each behavior counts as each level, under the rules for one user.

    Args:
        rules: the rules for the user (`LevelRules.for_user`).

    Attributes:
        unrecorded: the behaviors whose findings would not have been recorded.
        ending: the behaviors whose findings count for a limited time only.
        own: the level of a new finding, of behaviors whose findings count.
        reaches: of these behaviors, for each level the age up to which a finding counts at least so.
    """

    def __init__(self, rules: LevelRules, unrecorded: Collection[BehaviorId] = ()) -> None:
        self.unrecorded = frozenset(unrecorded)
        self.between = rules.times.between_events // MICROSECOND
        counted = {one: _ages(rules, one) for one in rules.behaviors if one not in unrecorded}
        self._ages = {one: ages for one, ages in counted.items() if ages}
        self.ending = frozenset(one for one, ages in self._ages.items() if any(age != NEVER for _, age in ages))
        self.own: Mapping[BehaviorId, Level] = {one: ages[0][0] for one, ages in self._ages.items()}
        self.reaches = {one: _reach(ages) for one, ages in self._ages.items()}

    def of(self, behavior: BehaviorId) -> Sequence[tuple[Level, int]]:
        """Return the levels as which a finding counts, the highest first, each with the age at which that ends."""
        return self._ages.get(behavior, ())

    def level_at(self, behavior: BehaviorId, age: int) -> Level:
        """Return the level as which a finding of that age counts."""
        return next((level for level, end in self.of(behavior) if age < end), 0)

    def differing(self, other: "Ages") -> frozenset[BehaviorId]:
        """Return the behaviors whose findings count differently under the other ages."""
        counted = self._ages.keys() | other._ages.keys()
        if self.between != other.between:
            return frozenset(counted)
        return frozenset(one for one in counted if self.of(one) != other.of(one))


def _ages(rules: LevelRules, behavior: BehaviorId) -> tuple[tuple[Level, int], ...]:
    own, duration = rules.own_level(behavior), rules.times.durations.get(behavior)
    if own is None:
        return ()
    if duration is None:
        return ((int(own), NEVER),)
    return tuple((int(level), duration.until(own, level) // MICROSECOND) for level in RiskLevel.descending(own))


def _reach(ages: Sequence[tuple[Level, int]]) -> tuple[int, ...]:
    """Return for each level, none first, the age up to which a finding counts at least so; -NEVER: it never does."""
    return tuple(max((age for level, age in ages if level >= wanted), default=-NEVER) for wanted in _LEVELS)


Shape = tuple[frozenset[BehaviorId], tuple[BehaviorId, ...]]
"""The behaviors from before the time that counts, and those since, each once, by their first finding."""


class Paths:
    """The paths of users for whom findings count alike.

    Args:
        since, until: the time that counts. No finding is later.
    """

    def __init__(self, ages: Ages, since: int, until: int) -> None:
        self.ages = ages
        self._since, self._until = since, until

    def rises(self, run: Run) -> bool:
        """Return whether the level only rises during *run*: no reset ends it, and no finding expires."""
        return run.ends_at > self._until and self.ages.ending.isdisjoint(run.behaviors)

    def shape(self, run: Run) -> Shape:
        """Return the behaviors that determine the path, for a user whose level only rises."""
        first = bisect_left(run.times, self._since) if run.times[0] < self._since else 0
        if first:
            return frozenset(run.behaviors[:first]), tuple(dict.fromkeys(run.behaviors[first:]))
        return _NONE, tuple(dict.fromkeys(run.behaviors))

    def rising(self, shape: Shape) -> Path:
        """Return the path of users with that shape, whose level only rises."""
        own = self.ages.own
        highest, events = max((own.get(one, 0) for one in shape[0]), default=0), [0] * len(_LEVELS)
        for behavior in shape[1]:
            level = own.get(behavior, 0)
            if level > highest:
                highest = level
                events[level] += 1
        return Path(highest, tuple(events))

    def of(self, runs: Sequence[Run], given: Sequence[Given] = ()) -> Path:
        """Return the levels that a user would have had.

        Args:
            runs: all findings of the user that are stored, also those from before the time that counts.
            given: for each run the levels that rules give, by their times; empty: there are none.
        """
        if len(runs) == 1 and not given and self.rises(runs[0]):
            return self.rising(self.shape(runs[0]))
        walk = _Walk(self.ages, self._since)
        for place, run in enumerate(runs):
            walk.through(run, self._until, given[place] if given else ())
        return Path(walk.highest, tuple(walk.events))


class _Walk:
    """Goes through the findings of a user, and keeps the level.

    Attributes:
        highest, events: of the time since *since*, as in a path.
    """

    def __init__(self, ages: Ages, since: int) -> None:
        self.highest: Level = 0
        self.events = [0] * len(_LEVELS)
        self._reaches = ages.reaches
        self._between = ages.between
        self._since = since
        self._level: Level = 0
        self._changed_at = -NEVER
        self._may_fall_at = NEVER
        # For each level the time until which findings count at least so.
        self._ends = [-NEVER] * len(_LEVELS)
        self._given: Level = 0

    def through(self, run: Run, until: int, given: Given = ()) -> None:
        """Apply the findings of a run, the levels that rules give meanwhile, and the reset at its end."""
        self._forget()
        end, start = min(run.ends_at, until), 0
        for at, level in given:
            if at <= end:
                stop = bisect_right(run.times, at)
                self._apply(run.times[start:stop], run.behaviors[start:stop])
                self._give(at, level)
                start = stop
        if start:
            self._apply(run.times[start:], run.behaviors[start:])
        else:
            self._apply(run.times, run.behaviors)
        if self._may_fall_at <= end:
            self._fall(end)
        if end >= self._since:
            self.highest = max(self.highest, self._level)
        if run.ends_at <= until and self._level:
            self._forget()
            self._change(0, run.ends_at)

    def _forget(self) -> None:
        self._ends, self._given = [-NEVER] * len(_LEVELS), 0

    def _apply(self, times: Iterable[int], behaviors: Iterable[BehaviorId]) -> None:
        ends, reaches = self._ends, self._reaches
        for at, behavior in zip(times, behaviors, strict=True):  # a million times, so without calls
            if self._may_fall_at < at:
                self._fall(at - 1)  # a finding at the very time of a fall prevents it
            reach = reaches.get(behavior)
            if reach is not None:
                # That a level ends later is only seen when its fall is due.
                _, low, medium, high = reach
                own: Level = 1
                if at + low > ends[1]:
                    ends[1] = at + low
                if medium >= 0:
                    own = 2
                    if at + medium > ends[2]:
                        ends[2] = at + medium
                    if high >= 0:
                        own = 3
                        if at + high > ends[3]:
                            ends[3] = at + high
                if own > self._level:
                    self._change(own, at)

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
            level = self._level
            while level > self._given and self._ends[level] <= due:
                level -= 1
            if level < self._level:
                self._change(level, due)
            else:
                self._may_fall_at = self._next_fall()

    def _change(self, level: Level, at: int) -> None:
        if at >= self._since:
            higher = level if level > self._level else self._level
            if higher > self.highest:
                self.highest = higher
            self.events[level] += 1
        self._level, self._changed_at = level, at
        self._may_fall_at = self._next_fall()

    def _next_fall(self) -> int:
        """Return the time at which the level may become lower."""
        if self._given >= self._level:  # also without a level
            return NEVER
        end, free = self._ends[self._level], self._changed_at + self._between
        return end if end > free else free  # a function call would take as long as all else here


def level_at(now: int, ages: Ages, latest: Mapping[BehaviorId, int | None]) -> Level:
    """Return the highest level as which a behavior counts.

    Args:
        latest: the time of the user's latest finding of each triggered behavior; None: it is not known, so the behavior
            does not expire.
    """
    return max(
        (ages.own.get(one, 0) if at is None else ages.level_at(one, now - at) for one, at in latest.items()), default=0
    )
