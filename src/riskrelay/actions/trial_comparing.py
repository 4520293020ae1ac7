"""Compare two sets of rules on the stored findings of users, for trials."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from msgspec import Struct, field

from riskrelay.actions.computing import compute
from riskrelay.actions.trial_rules import Moments, PastRules, RulesInPast
from riskrelay.core.email_addresses import user_key
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import decided_again
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import UserExceptions
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.policy_rules import Looked
from riskrelay.core.risk.rule_inputs import plain_levels
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.trials import NEVER, Ages, Level, Path, Run, path_of, read_findings
from riskrelay.ports import PastUser, RuleEvaluator

MAX_EXAMPLES = 20  # guessed: more than a person reads
_AGES_REMEMBERED = 1_000  # guessed: users have a few exceptions in common
_EPOCH_MICROSECONDS = timedelta(microseconds=1)
_NO_RULES = PastRules((), 0, frozenset())


class Effect(Struct, kw_only=True):
    """Numbers under one set of rules.

    Attributes:
        users: the number of users by the highest level that they had; 0 is none.
        events: the number of level changes, by the new level.
        revocations: how often rules would have revoked a user's sessions.
    """

    users: Counter[Level] = field(default_factory=Counter)
    events: Counter[Level] = field(default_factory=Counter)
    revocations: int = 0

    def add(self, path: Path, revocations: int) -> None:
        """Add one user."""
        self.users[path.highest] += 1
        for level, count in path.events.items():
            self.events[level] += count
        self.revocations += revocations


class Example(Struct, frozen=True, kw_only=True):
    """A user for whom something differs.

    Attributes:
        before, after: the highest level under the stored and the proposed rules.
    """

    user_id: UserId
    email: str
    before: Level
    after: Level


class Trial(Struct, kw_only=True):
    """The result of a trial.

    Attributes:
        before, after: the last days under the stored and under the proposed rules.
        examples: users whose levels or events would have differed; MAX_EXAMPLES at most.
        now_before, now_after: the number of users by their level now, and if the proposal was stored.
        now_examples: users whose level would change now; MAX_EXAMPLES at most.
        left_out: the names of rules that were left out: they are stopped, or name a member that a trial does not read.
    """

    findings: int = 0
    differing: int = 0
    before: Effect = field(default_factory=Effect)
    after: Effect = field(default_factory=Effect)
    examples: list[Example] = field(default_factory=list)
    now_before: Counter[Level] = field(default_factory=Counter)
    now_after: Counter[Level] = field(default_factory=Counter)
    now_differing: int = 0
    now_examples: list[Example] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Comparing:
    """Compares two sets of rules, some users at a time."""

    def __init__(self, before: LevelRules, after: LevelRules, since: datetime, now: datetime) -> None:
        self.trial = Trial()
        self._stored, self._proposed = _Side(before, before), _Side(before, after)
        self._sides = (self._stored, self._proposed)
        self._has_rules = any(side.past for side in self._sides)
        self._differing = self._proposed.differing(self._stored)
        self._levels_now = _LevelsNow(after, now)
        self._since, self._until, self._now = _micros_of(since), _micros_of(now), now

    async def add(
        self,
        users: Sequence[PastUser],
        groups: Mapping[str, frozenset[str]] | None,
        evaluator: RuleEvaluator,
        account_id: AccountId,
    ) -> None:
        """Add some users.

        Raises: Unavailable: rules cannot be evaluated now.
        """
        for one in (*self._sides, self._levels_now):
            one.use_groups(groups)
        if not self._has_rules:
            await compute(partial(self._add_without_rules, users))
            return
        # Rules are evaluated in other processes, for many users at once: between two walks through the users.
        seen: list[_Seen] = await compute(partial(self._see, users))
        for side in self._sides:
            await side.past.evaluate(evaluator, account_id)
        await compute(partial(self._add_seen, seen))

    def finished(self) -> Trial:
        """Return the result."""
        self.trial.left_out = sorted(self._stored.past.left_out | self._proposed.past.left_out)
        return self.trial

    def _add_without_rules(self, users: Iterable[PastUser]) -> None:
        for user in users:
            runs = _runs_of(user, self._until)
            if runs:
                self._add_past(user, runs)
            if user.triggered:
                self._add_now(user, None)

    def _see(self, users: Iterable[PastUser]) -> list["_Seen"]:
        """Read the findings of users, and collect what rules see of them."""
        seen: list[_Seen] = []
        for user in users:
            runs = _runs_of(user, self._until)
            moments = [side.see(runs, user, self._until) for side in self._sides]
            seen.append(_Seen(user, runs, moments))
        return seen

    def _add_seen(self, seen: Iterable["_Seen"]) -> None:
        for one in seen:
            given = [side.past.given(past, self._since) for side, past in zip(self._sides, one.moments, strict=True)]
            if one.runs:
                self._add_past(one.user, one.runs, *given)
            if one.user.triggered:
                is_current = bool(one.runs) and one.runs[-1].ends_at > self._until
                holding = given[1].holding if is_current else ()
                looked = Looked(holding=dict.fromkeys(holding, self._now), next_look=None)
                self._add_now(one.user, looked if self._proposed.past else None)
        for side in self._sides:
            side.past.forget()

    def _add_past(
        self, user: PastUser, runs: Sequence[Run], stored: PastRules = _NO_RULES, proposed: PastRules = _NO_RULES
    ) -> None:
        trial = self.trial
        trial.findings += sum([len(run.findings) for run in runs])
        ages = self._stored.ages(user), self._proposed.ages(user)
        after = before = path_of(runs, ages[0], self._since, self._until, given=stored.given)
        if not self._is_same(runs, *ages) or list(stored.given) != list(proposed.given):
            after = path_of(runs, ages[1], self._since, self._until, given=proposed.given)
        trial.before.add(before, stored.revocations)
        trial.after.add(after, proposed.revocations)
        if (before is not after and before != after) or stored.revocations != proposed.revocations:
            trial.differing += 1
            _keep(trial.examples, user, before.highest, after.highest)

    def _is_same(self, runs: Iterable[Run], stored: Ages, proposed: Ages) -> bool:
        """Return whether a user's findings count alike on both sides."""
        if self._differing is not None and not self._differing:
            return True
        behaviors = {behavior for run in runs for _, behavior in run.findings}
        if self._differing is not None:
            return self._differing.isdisjoint(behaviors)
        return proposed is stored or proposed.agrees(stored, behaviors)

    def _add_now(self, user: PastUser, looked: Looked | None) -> None:
        before, after = user.level or 0, self._levels_now.of(user, looked)
        self.trial.now_before[before] += 1
        self.trial.now_after[after] += 1
        if before != after:
            self.trial.now_differing += 1
            _keep(self.trial.now_examples, user, before, after)


class _Seen(NamedTuple):
    """A user as it was read.

    Attributes:
        moments: what rules see, for each side.
    """

    user: PastUser
    runs: Sequence[Run]
    moments: Sequence[Sequence[Moments]]


class _Side:
    """One set of rules, with the ages computed once for users with the same exceptions."""

    def __init__(self, stored: LevelRules, rules: LevelRules) -> None:
        self.past = RulesInPast(rules)
        self._rules = self.past.rules
        # Findings of a behavior that the proposal disables would not have been recorded.
        self._unrecorded = frozenset(
            one for one, setting in rules.behaviors.items() if stored.behaviors[one].enabled and not setting.enabled
        )
        self._usual = Ages(rules, self._unrecorded)
        self._ages: dict[UserExceptions, Ages] = {}

    def use_groups(self, groups: Mapping[str, frozenset[str]] | None) -> None:
        """Take the groups of the next users."""
        self._rules = replace(self._rules, groups=groups)

    def ages(self, user: PastUser) -> Ages:
        """Return the ages for one user."""
        covering = (rules := self._of_user(user)).covering
        if covering is None:
            return self._usual
        if covering not in self._ages:
            if len(self._ages) >= _AGES_REMEMBERED:
                self._ages.clear()
            self._ages[covering] = Ages(rules, self._unrecorded)
        return self._ages[covering]

    def differing(self, other: "_Side") -> frozenset[BehaviorId] | None:
        """Return the behaviors whose findings count otherwise; None: that depends on the user."""
        behaviors = self._rules.behaviors
        if self._rules.exceptions or other._rules.exceptions or not self._usual.agrees(other._usual, ()):
            return None
        return frozenset(one for one in behaviors if not self._usual.agrees(other._usual, [one]))

    def see(self, runs: Sequence[Run], user: PastUser, until: int) -> Sequence[Moments]:
        """Collect what the rules see of one user."""
        return self.past.see(runs, self._of_user(user), self._unrecorded, until) if self.past else ()

    def _of_user(self, user: PastUser) -> LevelRules:
        return self._rules.for_user(user_key(user.email)) if self._rules.exceptions else self._rules


class _LevelsNow:
    """The levels that users would have now under the proposed rules."""

    def __init__(self, rules: LevelRules, now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._plain = None if rules.policies.counting else plain_levels(rules)

    def use_groups(self, groups: Mapping[str, frozenset[str]] | None) -> None:
        """Take the groups of the next users."""
        self._rules = replace(self._rules, groups=groups)

    def of(self, user: PastUser, looked: Looked | None) -> Level:
        """Return the level of one user.

        Args:
            looked: what the account's rules say; None: there are none.
        """
        # Most users keep their level. To build the standing of each takes longer than all else.
        if self._plain is not None and user.level == max([self._plain[one] for one in user.triggered], default=None):
            return user.level or 0
        return decided_again(user.standing(), self._rules, self._now, looked).level or 0


def _runs_of(user: PastUser, until: int) -> list[Run]:
    runs: list[Run] = []
    ends_at = NEVER
    for resets, written in reversed(user.runs):
        findings = read_findings(written)
        if findings[-1][0] > until:
            findings = [one for one in findings if one[0] <= until]
        if resets < user.resets and ends_at == NEVER and user.last_reset_at is not None:
            ends_at = _micros_of(user.last_reset_at)
        if findings:
            runs.append(Run(findings, ends_at))
            ends_at = findings[0][0]  # an earlier reset was at this time or before; its own time is not stored
    return runs[::-1]


def _keep(examples: list[Example], user: PastUser, before: Level, after: Level) -> None:
    if len(examples) < MAX_EXAMPLES:
        examples.append(Example(user_id=user.user_id, email=user.email, before=before, after=after))


def _micros_of(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // _EPOCH_MICROSECONDS
