"""What the rules of an account would have given users in the past, for trials."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.looking import Looking
from riskrelay.core.risk.policy_rules import MAX_RULE_FINDINGS, Member, PolicyRules, RuleId
from riskrelay.core.risk.rule_inputs import CountedFinding, Verdict
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.trials import MICROSECOND, Ages, Given, Run
from riskrelay.ports import RuleEvaluator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_INPUTS = 100_000  # guessed: some ten megabytes; most users share a few inputs
_MAX_SILENT = 5  # guessed: longer sequences of behaviors seldom repeat
_NO_ID = FindingId("")

Holding = frozenset[RuleId]
"""The rules that hold at one time."""

_NOTHING: Holding = frozenset()

Held = Sequence[tuple[int, Holding]]
"""The rules that hold for a user between two resets, each time that they may change."""

Sight = tuple[Any, ...]
"""What a group of rules sees at one time. The same sight gives the same input.

Of each finding the behavior; the level too, if findings expire; and the time, if a rule names it.
"""


class PastRules(NamedTuple):
    """The levels that rules would have given a user.

    Attributes:
        given: for each run; empty: none at any time.
        revocations: how often rules would have revoked the user's sessions.
        holding: those that hold at the end.
    """

    given: Sequence[Given]
    revocations: int
    holding: Holding


NOTHING_GIVEN = PastRules((), 0, _NOTHING)
"""Of a user for whom no rule would have held."""


class RulesInPast:
    """The rules of one side of a trial. Findings have neither id nor source here, so rules that name them are left out.

    Attributes:
        left_out: the names of rules that are not evaluated.
    """

    def __init__(self, rules: LevelRules) -> None:
        counting = rules.policies.counting.values()
        fitting = [one for one in counting if not one.members & {Member.ID, Member.SOURCE} and one.stopped is None]
        self.left_out = {one.name for one in counting if one not in fitting}
        self.rules = replace(rules, policies=PolicyRules(fitting))
        self._begin()

    def __bool__(self) -> bool:
        return bool(self.rules.policies.counting)

    def given(self, runs: Iterable[Run], ages: Ages, since: int, until: int) -> PastRules | None:
        """Return what the rules would have given a user.

        Args:
            ages: those of this side for this user.

        Returns: None: something that the rules see was not evaluated yet. It is collected for `evaluate`.
        """
        held = [self._held(run, ages, min(run.ends_at, until)) for run in runs]
        return None if None in held else self._given([one for one in held if one is not None], since)

    async def evaluate(self, evaluator: RuleEvaluator, account_id: AccountId) -> None:
        """Evaluate what was collected since the last call.

        Raises: Unavailable.
        """
        fresh = self._looking.inputs[len(self._verdicts) :]
        if fresh:
            groups = [group.expressions for group in self._looking.groups]
            evaluated = await evaluator.evaluate(groups, fresh, account_id)
            if not evaluated.is_available:
                raise Unavailable("rules cannot be evaluated now")
            self.left_out |= {self._looking.groups[g].rules[place].name for g, place in evaluated.stopped}
            self._verdicts += evaluated.verdicts
        for group in self._groups:
            group.learn(self._verdicts)

    def forget(self) -> None:
        """Drop what is remembered, if it is much."""
        if sum(group.remembered for group in self._groups) > _MAX_INPUTS:
            self._begin()

    def _begin(self) -> None:
        self._looking = Looking(self.rules, {})
        self._verdicts: list[Sequence[Verdict]] = []
        self._groups = [_PastGroup(number, self._looking) for number in range(len(self._looking.groups))]

    def _given(self, held: Sequence[Held], since: int) -> PastRules:
        """Return what it means for a user that rules hold."""
        if not any(held):
            return NOTHING_GIVEN
        given: list[Given] = []
        revocations, before = 0, _NOTHING
        for run in held:
            steps: list[tuple[int, int]] = []
            before = _NOTHING
            for at, holding in run:
                if holding == before:
                    continue
                revokes = any(self.rules.policies.counting[one].revokes_sessions for one in holding - before)
                revocations += at >= since and revokes
                before = holding
                level = int(self.rules.policies.level_of(holding) or 0)
                if level != (steps[-1][1] if steps else 0):
                    steps.append((at, level))
            given.append(steps)
        return PastRules(given if any(given) else (), revocations, before)

    def _held(self, run: Run, ages: Ages, end: int) -> Held | None:
        """Return the rules that hold in a run up to a time; None: some have to be evaluated first."""
        times, behaviors = run.times, run.behaviors
        if not ages.unrecorded.isdisjoint(behaviors):
            kept = [place for place, one in enumerate(behaviors) if one not in ages.unrecorded]
            times, behaviors = [times[place] for place in kept], [behaviors[place] for place in kept]
        found: list[Held] = []
        is_known = True
        for group in self._groups:
            held = group.held(times, behaviors, ages)
            if held is None:
                is_known = False
            elif held:
                found.append([one for one in held if one[0] <= end])
        return _merged(found) if is_known else None


class _Known:
    """What is known about the sights of users for whom findings count alike.

    Attributes:
        holding: the rules that hold for each sight.
        silent: the behaviors of findings near each other for which no rule holds, at whatever times they are.
        alone: the behaviors of single findings among these.
    """

    __slots__ = ("alone", "holding", "silent")

    def __init__(self) -> None:
        self.holding: dict[Sight, Holding] = {}
        self.silent: set[Sight] = set()
        self.alone: set[BehaviorId] = set()

    def note_silent(self, behaviors: tuple[BehaviorId, ...]) -> bool:
        """Remember behaviors if no rule holds for any part of them: whatever the times are, rules see a part.

        Returns: whether they are remembered.
        """
        if len(behaviors) > _MAX_SILENT:
            return False
        ends = range(1, len(behaviors) + 1)
        if any(self.holding.get(behaviors[first:end]) != _NOTHING for end in ends for first in range(end)):
            return False
        self.silent.add(behaviors)
        if len(behaviors) == 1:
            self.alone.add(behaviors[0])
        return True


class _PastGroup:
    """Rules that see the same findings.

    Attributes:
        remembered: the number of sights for which it is known which rules hold, and of silent behaviors.
    """

    def __init__(self, number: int, looking: Looking) -> None:
        self.remembered = 0
        self._number = number
        self._looking = looking
        self._group = looking.groups[number]
        self._within = self._group.within // MICROSECOND
        self._names_time = Member.TIME in self._group.members
        self._known: dict[Ages, _Known] = {}
        self._asked: list[tuple[_Known, Sight, int | None]] = []

    def held(self, times: Sequence[int], behaviors: Sequence[BehaviorId], ages: Ages) -> Held | None:
        """Return the rules that hold; None: some have to be evaluated first.

        Args:
            times, behaviors: of the findings of a user between two resets.
        """
        if not times:
            return ()
        known = self._known.get(ages)
        if known is None:
            known = self._known[ages] = _Known()
        count, within = len(times), self._within
        # Rules never see a finding together with one that is farther away than their time. Most findings are alone.
        starts = [place for place in range(1, count) if times[place] - times[place - 1] > within]
        is_plain = not self._names_time and ages.ending.isdisjoint(behaviors)
        if is_plain and len(starts) == count - 1 and known.alone.issuperset(behaviors):
            return ()
        steps: list[tuple[int, Holding]] = []
        asked, start = len(self._asked), 0
        for place in (*starts, count):
            near = tuple(behaviors[start:place])
            if not is_plain or near not in known.silent:
                before = len(self._asked)
                steps += self._steps(known, times[start:place], near, ages, is_plain=is_plain)
                if is_plain and len(self._asked) == before:
                    self.remembered += known.note_silent(near)
            start = place
        return None if len(self._asked) > asked else steps

    def learn(self, verdicts: Sequence[Sequence[Verdict]]) -> None:
        """Remember which rules hold, once what was asked is evaluated."""
        for known, sight, place in self._asked:
            known.holding[sight] = _NOTHING if place is None else self._holding(verdicts[place])
        self.remembered += len(self._asked)
        self._asked.clear()

    def _holding(self, verdicts: Iterable[Verdict]) -> Holding:
        return frozenset(self._group.rules[one.place].rule_id for one in verdicts if one.failure is None)

    def _steps(
        self, known: _Known, times: Sequence[int], behaviors: Sequence[BehaviorId], ages: Ages, *, is_plain: bool
    ) -> list[tuple[int, Holding]]:
        """Return the rules that hold for findings near each other, each time that the rules see something else."""
        steps: list[tuple[int, Holding]] = []
        within, count = self._within, len(times)
        moments = {*times, *[at + within for at in times]}
        if not is_plain:
            ends = {at + age for at, one in zip(times, behaviors, strict=True) for _, age in ages.of(one)}
            moments |= {one for one in ends if one < times[-1] + within}  # later, nothing is seen
        first = last = 0
        for at in sorted(moments):
            while last < count and times[last] <= at:
                last += 1
            while first < last and times[first] <= at - within:
                first += 1
            seen = slice(max(first, last - MAX_RULE_FINDINGS), last)
            sight: Sight = tuple(behaviors[seen])
            if not is_plain:
                sight = self._sight(times[seen], behaviors[seen], ages, at)
            holding = known.holding.get(sight) if sight else _NOTHING
            if holding is None:
                self._ask(known, sight, ages, is_plain=is_plain)
            elif holding or steps:
                steps.append((at, holding))
        return steps

    def _sight(self, times: Iterable[int], behaviors: Iterable[BehaviorId], ages: Ages, now: int) -> Sight:
        """Return what the rules see if findings expire, or if a rule names their times."""
        counted = [(one, ages.level_at(one, now - at), at) for at, one in zip(times, behaviors, strict=True)]
        if self._names_time:
            return tuple([one for one in counted if one[1]])
        return tuple([one[:2] for one in counted if one[1]])

    def _ask(self, known: _Known, sight: Sight, ages: Ages, *, is_plain: bool) -> None:
        """Collect a sight for the next evaluation."""
        counted = [(one, ages.own.get(one, 0), 0) if is_plain else (*one, 0)[:3] for one in sight]
        seen = [
            CountedFinding(at=_moment(at), behavior=one, finding_id=_NO_ID, level=RiskLevel(level), until=None)
            for one, level, at in counted
            if level
        ]
        self._asked.append((known, sight, self._looking.ask(self._number, seen) if seen else None))


def _merged(found: Sequence[Held]) -> Held:
    """Return the rules that hold, from those of each group."""
    if len(found) < 2:
        return found[0] if found else ()
    steps = sorted([(at, number, holding) for number, held in enumerate(found) for at, holding in held])
    now = [_NOTHING] * len(found)
    merged: list[tuple[int, Holding]] = []
    for at, some in groupby(steps, key=itemgetter(0)):
        for _, number, holding in some:
            now[number] = holding
        merged.append((at, _NOTHING.union(*now)))
    return merged


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
