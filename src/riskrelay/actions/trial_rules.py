"""What the rules of an account would have given users in the past, for trials."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.looking import Looking, Sight
from riskrelay.core.risk.policy_rules import MAX_RULE_FINDINGS, Looked, Member, PolicyRules, RuleId
from riskrelay.core.risk.rule_inputs import RuleFinding, Verdict, plain_levels
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.trials import Given, Run
from riskrelay.ports import RuleEvaluator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_INPUTS = 100_000  # guessed: some ten megabytes; most users share a few inputs
_NO_ID = FindingId("")

Moments = Sequence[tuple[int, Sight]]
"""What rules see of a user between two resets, each time that they see something else."""


class PastRules(NamedTuple):
    """The levels that rules would have given a user.

    Attributes:
        given: for each run.
        revocations: how often rules would have revoked the user's sessions.
        looked: what they say at the end; None: nothing was found since the last reset.
    """

    given: Sequence[Given]
    revocations: int
    looked: Looked | None


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
        revocations, looked = 0, None
        for moments in seen:
            steps: list[tuple[int, int]] = []
            held: frozenset[RuleId] = frozenset()
            for at, sight in moments:
                looked = self._looking.looked(sight, self._verdicts, {}, ())
                begun = looked.holding.keys() - held
                revocations += at >= since and any(self.rules.policies.counting[one].revokes_sessions for one in begun)
                held = frozenset(looked.holding)
                level = int(self.rules.policies.level_of(held) or 0)
                if level != (steps[-1][1] if steps else 0):
                    steps.append((at, level))
            given.append(steps)
        return PastRules(given, revocations, looked)

    def forget(self) -> None:
        """Drop what was collected, if it is much."""
        if len(self._verdicts) > _MAX_INPUTS:
            self._begin()

    def _begin(self) -> None:
        self._looking = Looking(self.rules, {})
        self._verdicts: list[Sequence[Verdict]] = []

    def _seen(self, run: Run, rules: LevelRules, unrecorded: Collection[BehaviorId], end: int) -> Moments:
        findings = [RuleFinding(_moment(at), one, _NO_ID) for at, one in run.findings if one not in unrecorded]
        times = [(one.at - _EPOCH) // _MICROSECOND for one in findings]
        longest = rules.policies.longest // _MICROSECOND
        is_plain = plain_levels(rules) is not None
        moments: list[tuple[int, Sight]] = []
        first = last = 0
        for at in sorted({one for one in self._changes(times, findings, rules) if one <= end}):
            while last < len(times) and times[last] <= at:
                last += 1
            while first < last and times[first] <= at - longest:
                first += 1
            now = _moment(at)
            of_now = rules if is_plain else replace(rules, as_of=now)
            seen = findings[max(first, last - MAX_RULE_FINDINGS) : last]
            moments.append((at, self._looking.see(seen, of_now, now)))
        return moments

    def _changes(self, times: Sequence[int], findings: Sequence[RuleFinding], rules: LevelRules) -> Iterable[int]:
        """Yield the times at which a rule may see something else."""
        yield from times
        for within in {one.within // _MICROSECOND for one in rules.policies.counting.values()}:
            yield from (at + within for at in times)
        for at, one in zip(times, findings, strict=True):
            own, duration = rules.own_level(one.behavior), rules.times.durations.get(one.behavior)
            if own is not None and duration is not None:
                yield from (at + duration.until(own, level) // _MICROSECOND for level in type(own).descending(own))


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)
