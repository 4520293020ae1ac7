"""Compare two sets of rules on the stored findings of users, for trials."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from riskrelay.actions.computing import compute
from riskrelay.actions.giving_way import in_steps
from riskrelay.actions.trial_results import Example, Trial, keep
from riskrelay.actions.trial_rules import NOTHING_GIVEN, PastRules, RulesInPast
from riskrelay.core.email_addresses import email_key
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import CLOCKS_APART
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import UserExceptions
from riskrelay.core.risk.policy_rules import RuleId
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.trials import MICROSECOND, NEVER, Ages, Level, Path, Paths, Run, Shape, level_at
from riskrelay.ports import PastRun, PastUser, PastUsers, RuleEvaluator

_REMEMBERED = 1_000  # guessed: users have a few exceptions and behaviors in common
_SHAPES_REMEMBERED = 10_000  # guessed: some megabytes; most users share a few hundred

_read_times = msgspec.json.Decoder(dict[BehaviorId, int]).decode
_read_holding = msgspec.json.Decoder(dict[RuleId, int]).decode


_Found = tuple[PastUser, Sequence[PastRun]]
"""A user with the stored findings."""


class _Alike:
    """Users for whom each set of rules would have done the same.

    Attributes:
        before, after: their path under the stored and the proposed rules.
        revocations: how often rules would have revoked the sessions of each, under both.
    """

    __slots__ = ("after", "before", "revocations", "users")

    def __init__(self, before: Path, after: Path, revocations: tuple[int, int] = (0, 0)) -> None:
        self.users = 0
        self.before, self.after = before, after
        self.revocations = revocations

    @property
    def differ(self) -> bool:
        """Whether the rules would have done something else."""
        return self.before != self.after or self.revocations[0] != self.revocations[1]


class _Pair:
    """The paths under both sets of rules, of users with the same exceptions.

    Attributes:
        differing: the behaviors whose findings count differently.
        rising: the users whose levels only rise under both, by shape.
    """

    def __init__(self, before: Paths, after: Paths) -> None:
        self.before, self.after = before, after
        self.differing = after.ages.differing(before.ages)
        self.rising: dict[Shape, _Alike] = {}


class Comparing:
    """Compares two sets of rules, some users at a time."""

    def __init__(self, before: LevelRules, after: LevelRules, since: datetime, now: datetime) -> None:
        self._trial = Trial()
        self._since, self._until = _micros_of(since), _micros_of(now)
        self._stored, self._proposed = _Side(before, before), _Side(before, after)
        self._sides = (self._stored, self._proposed)
        self._has_rules = any(side.past for side in self._sides)
        self._pairs: dict[tuple[Ages, Ages], _Pair] = {}
        self._shapes = 0
        self._levels_now = _LevelsNow(after, self._until)
        self._now: Counter[tuple[Level, Level]] = Counter()

    async def add(
        self,
        page: PastUsers,
        groups: Mapping[str, frozenset[str]] | None,
        evaluator: RuleEvaluator,
        account_id: AccountId,
    ) -> None:
        """Add some users.

        Raises: Unavailable: rules cannot be evaluated now.
        """
        for one in (*self._sides, self._levels_now):
            one.use_groups(groups)
        # Rules are evaluated in other processes, for many users at once. Most users need nothing new.
        waiting = await compute(partial(self._add, [(user, page.runs.get(user.user_id, ())) for user in page.users]))
        while waiting:
            for side in self._sides:
                await side.past.evaluate(evaluator, account_id)
            waiting = await compute(partial(self._add, waiting))
        for side in self._sides:
            side.past.forget()
        if self._shapes > _SHAPES_REMEMBERED or len(self._pairs) > _REMEMBERED:
            self._settle()

    def finished(self) -> Trial:
        """Return the result."""
        self._settle()
        trial = self._trial
        for (was, would_be), users in self._now.items():
            trial.now_before[was] += users
            trial.now_after[would_be] += users
            trial.now_differing += users if was != would_be else 0
        trial.left_out = sorted(self._stored.past.left_out | self._proposed.past.left_out)
        return trial

    def _add(self, users: Iterable[_Found]) -> list[_Found]:
        """Add users. Return those for whom rules have to be evaluated first."""
        waiting: list[_Found] = []
        for found in in_steps(users):
            user, stored = found
            runs = _runs_of(user, stored, self._until) if stored else ()
            holding: Iterable[RuleId] | None = None
            if runs:
                ages = self._stored.ages(user), self._proposed.ages(user)
                given: tuple[PastRules | None, PastRules | None] = NOTHING_GIVEN, NOTHING_GIVEN
                if self._has_rules:
                    given = (
                        self._stored.given(runs, ages[0], self._since, self._until),
                        self._proposed.given(runs, ages[1], self._since, self._until),
                    )
                if given[0] is None or given[1] is None:
                    waiting.append(found)
                    continue
                self._add_past(user, runs, self._pair(*ages), (given[0], given[1]))
                if self._proposed.past and runs[-1].ends_at > self._until:
                    holding = given[1].holding
            if user.triggered:
                self._add_now(user, () if holding is None and self._proposed.past else holding)
        return waiting

    def _add_past(self, user: PastUser, runs: Sequence[Run], pair: _Pair, given: tuple[PastRules, PastRules]) -> None:
        """Add a user with findings.

        Args:
            given: what rules would have given under both sets.
        """
        stored, proposed = given
        for run in runs:
            self._trial.findings += len(run.times)
        run = runs[0]
        is_alone = len(runs) == 1 and stored is proposed is NOTHING_GIVEN
        if is_alone and pair.before.rises(run) and pair.after.rises(run):
            shape = pair.before.shape(run)
            alike = pair.rising.get(shape)
            if alike is None:
                alike = pair.rising[shape] = _Alike(pair.before.rising(shape), pair.after.rising(shape))
                self._shapes += 1
            alike.users += 1
        else:
            after = before = pair.before.of(runs, stored.given)
            if proposed != stored or not all(pair.differing.isdisjoint(run.behaviors) for run in runs):
                after = pair.after.of(runs, proposed.given)
            alike = _Alike(before, after, (stored.revocations, proposed.revocations))
            self._add_alike(alike, 1)
        if alike.differ:
            keep(self._trial.examples, _example(user, alike.before.highest, alike.after.highest))

    def _add_alike(self, alike: _Alike, users: int) -> None:
        self._trial.before.add(alike.before, alike.revocations[0], users)
        self._trial.after.add(alike.after, alike.revocations[1], users)
        if alike.differ:
            self._trial.differing += users

    def _settle(self) -> None:
        """Add the users who were only counted."""
        for pair in self._pairs.values():
            for alike in pair.rising.values():
                self._add_alike(alike, alike.users)
        self._pairs.clear()
        self._shapes = 0

    def _pair(self, stored: Ages, proposed: Ages) -> _Pair:
        pair = self._pairs.get((stored, proposed))
        if pair is None:
            paths = Paths(stored, self._since, self._until), Paths(proposed, self._since, self._until)
            pair = self._pairs[stored, proposed] = _Pair(*paths)
        return pair

    def _add_now(self, user: PastUser, holding: Iterable[RuleId] | None) -> None:
        before, after = user.level, self._levels_now.of(user, holding)
        self._now[before, after] += 1
        if before != after:
            keep(self._trial.now_examples, _example(user, before, after))


class _Rules:
    """Rules, with what they mean for users with the same exceptions computed once."""

    def __init__(self, rules: LevelRules, unrecorded: frozenset[BehaviorId]) -> None:
        self.rules = rules
        self._unrecorded = unrecorded
        self._usual = Ages(rules, unrecorded)
        self._covered: dict[UserExceptions, Ages] = {}

    def use_groups(self, groups: Mapping[str, frozenset[str]] | None) -> None:
        """Take the groups of the next users."""
        if groups is not None:
            self.rules = replace(self.rules, groups=groups)

    def ages(self, user: PastUser) -> Ages:
        """Return the ages for one user."""
        exceptions = self.rules.exceptions
        if not exceptions:
            return self._usual
        key = email_key(user.email)
        covering = exceptions.of_user(key, (self.rules.groups or {}).get(key, frozenset()))
        if not covering:
            return self._usual
        if covering not in self._covered:
            if len(self._covered) >= _REMEMBERED:
                self._covered.clear()
            self._covered[covering] = Ages(self.rules.for_user(key), self._unrecorded)
        return self._covered[covering]


class _Side(_Rules):
    """One set of rules, applied to the past."""

    def __init__(self, stored: LevelRules, rules: LevelRules) -> None:
        self.past = RulesInPast(rules)
        # Findings of a behavior that the proposal disables would not have been recorded.
        unrecorded = frozenset(
            one for one, setting in rules.behaviors.items() if stored.behaviors[one].enabled and not setting.enabled
        )
        super().__init__(self.past.rules, unrecorded)

    def given(self, runs: Sequence[Run], ages: Ages, since: int, until: int) -> PastRules | None:
        """Return what the account's rules would have given a user; None: they have to be evaluated first."""
        return self.past.given(runs, ages, since, until) if self.past else NOTHING_GIVEN


class _LevelsNow(_Rules):
    """The levels that users would have now under the proposed rules."""

    def __init__(self, rules: LevelRules, now: int) -> None:
        super().__init__(rules, frozenset())
        self._at = now
        self._lasting: dict[tuple[Ages, str], Level | None] = {}

    def of(self, user: PastUser, holding: Iterable[RuleId] | None) -> Level:
        """Return what `decided_again` decides, from integers.

        Args:
            holding: the account's rules that hold; None: those that are stored.
        """
        ages = self.ages(user)
        level = self._of_behaviors(user, ages)
        if holding is None:
            holding = () if user.holding is None else _read_holding(user.holding)
        if holding:
            level = max(level, int(self.rules.policies.level_of(list(holding)) or 0))
        return user.level if level < user.level and self._waits(user, ages) else level

    def _of_behaviors(self, user: PastUser, ages: Ages) -> Level:
        """Return the level from behaviors. If their findings do not expire, users with the same ones share it."""
        key = (ages, user.triggered)
        if key not in self._lasting:
            if len(self._lasting) >= _REMEMBERED:
                self._lasting.clear()
            triggered = [BehaviorId(one) for one in user.triggered.split(",")]
            lasts = ages.ending.isdisjoint(triggered)
            self._lasting[key] = max(ages.own.get(one, 0) for one in triggered) if lasts else None
        level = self._lasting[key]
        if level is None:
            times: Mapping[BehaviorId, int] = {} if user.triggered_at is None else _read_times(user.triggered_at)
            triggered = [BehaviorId(one) for one in user.triggered.split(",")]
            level = level_at(self._at, ages, {one: times.get(one, user.last_event_at) for one in triggered})
        return level

    def _waits(self, user: PastUser, ages: Ages) -> bool:
        changed_at = user.changed_at
        if changed_at is None or changed_at > self._at + CLOCKS_APART // MICROSECOND:
            return False
        return self._at < changed_at + ages.between


def _runs_of(user: PastUser, stored: Sequence[PastRun], until: int) -> list[Run]:
    runs: list[Run] = []
    ends_at = NEVER
    for one in sorted(stored, key=attrgetter("resets"), reverse=True) if len(stored) > 1 else stored:
        run = _run_of(one, until)
        if one.resets < user.resets and ends_at == NEVER and user.last_reset_at is not None:
            ends_at = user.last_reset_at
        if run.times:
            runs.append(run if ends_at == NEVER else run._replace(ends_at=ends_at))
            ends_at = run.times[0]  # an earlier reset was at this time or before; its own time is not stored
    return runs[::-1]


def _run_of(stored: PastRun, until: int) -> Run:
    """Return the findings up to a time, in the order of time, then of the behavior."""
    times: Sequence[int] = stored.times
    behaviors: Sequence[Any] = stored.behaviors.split(",")
    if sorted(set(times)) != times:  # the database usually returns them so
        pairs = sorted(zip(times, behaviors, strict=True))
        times, behaviors = [at for at, _ in pairs], [behavior for _, behavior in pairs]
    if times[-1] > until:
        kept = bisect_right(times, until)
        times, behaviors = times[:kept], behaviors[:kept]
    return Run(times, behaviors, NEVER)


def _example(user: PastUser, before: Level, after: Level) -> Example:
    return Example(user_id=user.user_id, email=user.email, before=before, after=after)


def _micros_of(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // MICROSECOND
