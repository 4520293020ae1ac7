"""What the rules of an account would have given users in the past, for trials."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.looking import Looking
from riskrelay.core.risk.policy_rules import MAX_RULE_FINDINGS, Member, PolicyRules, RuleId
from riskrelay.core.risk.rule_inputs import RuleFinding, Verdict
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.trials import Given, Run
from riskrelay.ports import RuleEvaluator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_INPUTS = 100_000  # guessed: some ten megabytes; most users share a few inputs
_NO_ID = FindingId("")
_NOTHING: frozenset[RuleId] = frozenset()

Asked = tuple[tuple[int, int], ...]
"""What rules see at one time: for each group of rules that sees findings its number, and the place of its input."""

Moments = Sequence[tuple[int, Asked]]
"""What rules see of a user between two resets, each time that they see something else."""


class PastRules(NamedTuple):
    """The levels that rules would have given a user.

    Attributes:
        given: for each run.
        revocations: how often rules would have revoked the user's sessions.
        holding: those that hold at the end.
    """

    given: Sequence[Given]
    revocations: int
    holding: frozenset[RuleId]


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
        self._is_plain = not rules.times.durations and not any(one.members for one in fitting)
        self._begin()

    def __bool__(self) -> bool:
        return bool(self.rules.policies.counting)

    def see(
        self, runs: Iterable[Run], rules: LevelRules, unrecorded: Collection[BehaviorId], until: int
    ) -> list[Moments]:
        """Collect the inputs of a user: one for each time at which the rules see something else.

        Args:
            rules: those of this side for this user.
        """
        return [self._seen(run, rules, unrecorded, min(run.ends_at, until)) for run in runs]

    async def evaluate(self, evaluator: RuleEvaluator, account_id: AccountId) -> None:
        """Evaluate the inputs that were collected since the last call.

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

    def given(self, seen: Sequence[Moments], since: int) -> PastRules:
        """Return what the verdicts mean for a user.

        Args:
            seen: from `see`.
        """
        given: list[Given] = []
        revocations, held = 0, _NOTHING
        for moments in seen:
            steps: list[tuple[int, int]] = []
            held = _NOTHING
            for at, asked in moments:
                holding = self._holding(asked)
                if holding is held or holding == held:
                    continue
                revokes = any(self.rules.policies.counting[one].revokes_sessions for one in holding - held)
                revocations += at >= since and revokes
                held = holding
                level = int(self.rules.policies.level_of(held) or 0)
                if level != (steps[-1][1] if steps else 0):
                    steps.append((at, level))
            given.append(steps)
        return PastRules(given, revocations, held)

    def forget(self) -> None:
        """Drop what was collected, if it is much."""
        if len(self._verdicts) > _MAX_INPUTS:
            self._begin()

    def _begin(self) -> None:
        self._looking = Looking(self.rules, {})
        self._verdicts: list[Sequence[Verdict]] = []
        self._held: dict[Asked, frozenset[RuleId]] = {}
        self._known: dict[tuple[tuple[BehaviorId, ...], ...], Asked] = {}

    def _holding(self, asked: Asked) -> frozenset[RuleId]:
        """Return the rules that hold when they see these inputs."""
        held = self._held.get(asked)
        if held is None:
            held = self._held[asked] = frozenset(
                self._looking.groups[group].rules[verdict.place].rule_id
                for group, place in asked
                for verdict in self._verdicts[place]
                if verdict.failure is None
            )
        return held

    def _seen(self, run: Run, rules: LevelRules, unrecorded: Collection[BehaviorId], end: int) -> Moments:
        findings = [one for one in run.findings if one[1] not in unrecorded] if unrecorded else run.findings
        times = [at for at, _ in findings]
        windows = [_Window(times, group.within // _MICROSECOND) for group in self._looking.groups]
        # Then an input depends on the behaviors alone, so most moments of most users have one that is known.
        is_plain = self._is_plain and rules.covering is None
        behaviors = tuple([behavior for _, behavior in findings])
        moments: list[tuple[int, Asked]] = []
        for at in sorted({one for one in self._changes(times, findings, rules) if one <= end}):
            places = [window.at(at) for window in windows]
            key = tuple([behaviors[first:last] for first, last in places])
            asked = self._known.get(key) if is_plain else None
            if asked is None:
                first, last = min(first for first, _ in places), max(last for _, last in places)
                asked = self._asked(findings[first:last], rules, at)
                if is_plain:
                    self._known[key] = asked
            if not moments or asked != moments[-1][1]:
                moments.append((at, asked))
        return moments

    def _asked(self, findings: Iterable[tuple[int, BehaviorId]], rules: LevelRules, at: int) -> Asked:
        now = _moment(at)
        seen = [RuleFinding(_moment(when), behavior, _NO_ID) for when, behavior in findings]
        sight = self._looking.see(seen, rules if self._is_plain else replace(rules, as_of=now), now)
        return tuple([(group, place) for group, place, _ in sight.asked])

    def _changes(
        self, times: Sequence[int], findings: Iterable[tuple[int, BehaviorId]], rules: LevelRules
    ) -> Iterable[int]:
        """Yield the times at which a rule may see something else."""
        yield from times
        for within in {group.within // _MICROSECOND for group in self._looking.groups}:
            yield from [at + within for at in times]
        for at, one in findings if rules.times.durations else ():
            own, duration = rules.own_level(one), rules.times.durations.get(one)
            if own is not None and duration is not None:
                yield from (at + duration.until(own, level) // _MICROSECOND for level in type(own).descending(own))


class _Window:
    """The places of the findings that a group of rules sees, as time goes on.

    Args:
        times: of the findings, in their order.
        within: for how long a finding is seen.
    """

    def __init__(self, times: Sequence[int], within: int) -> None:
        self._times = times
        self._within = within
        self._first = self._last = 0

    def at(self, now: int) -> tuple[int, int]:
        """Return the places of the first finding and after the last one. No call has an earlier time."""
        times, first, last = self._times, self._first, self._last
        while last < len(times) and times[last] <= now:
            last += 1
        while first < last and times[first] <= now - self._within:
            first += 1
        self._first, self._last = first, last
        return max(first, last - MAX_RULE_FINDINGS), last


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
