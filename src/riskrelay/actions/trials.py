"""Try other rules on the stored findings, without storing anything."""

from asyncio import gather
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from msgspec import Struct, field

from riskrelay.actions.computing import compute
from riskrelay.actions.trial_rules import Moments, PastRules, RulesInPast
from riskrelay.core.errors import RateLimited, Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing, decided_again
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.exceptions import ExceptionId, Exceptions, RiskException
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.policy_rules import Looked, PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rules import LevelRules, LevelTimes
from riskrelay.core.risk.trials import NEVER, Ages, Level, Run, path_of, read_findings
from riskrelay.ports import PastUser, RuleEvaluator, Services, Transaction

MAX_DAYS = 400  # guessed: as long as findings are kept
MAX_EXAMPLES = 20  # guessed: more than a person reads
_USERS_AT_ONCE = 500  # guessed: some milliseconds
_FINDINGS_AT_ONCE = 5_000  # guessed: some milliseconds
_SECONDS = 300.0  # chosen: some ten million findings on a machine that does nothing else
_RETRY_SECONDS = 5
_EPOCH_MICROSECONDS = timedelta(microseconds=1)

_running: set[AccountId] = set()


class Proposal(Struct, frozen=True, kw_only=True):
    """Changed rules. Members that are None or empty change nothing.

    Attributes:
        behaviors: changed settings of behaviors.
        added: exceptions that would be added; they count for the whole time.
        removed: exceptions that would be deleted.
        rules_added, rules_removed: rules that would be added and deleted.
    """

    behaviors: Mapping[BehaviorId, BehaviorSetting] = {}
    times: LevelTimes | None = None
    added: Sequence[RiskException] = ()
    removed: Collection[ExceptionId] = ()
    rules_added: Sequence[PolicyRule] = ()
    rules_removed: Collection[RuleId] = ()


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


async def try_rules(services: Services, account_id: AccountId, proposal: Proposal, days: int) -> Trial:
    """Compute what *proposal* would have done with the stored findings of the last days, and what it would do now.

    Users are read in slices, each in a short transaction, and computed off the event loop. Findings of disabled
    behaviors are not stored, so enabling a behavior changes nothing here.

    Raises:
        RateLimited: a trial of this account runs already in this process.
        Unavailable: it took too long.
    """
    if account_id in _running:
        raise RateLimited(_RETRY_SECONDS)
    _running.add(account_id)
    try:
        return await _try(services, account_id, proposal, days)
    finally:
        _running.discard(account_id)


async def _try(services: Services, account_id: AccountId, proposal: Proposal, days: int) -> Trial:
    now, until = services.clock.now(), services.clock.monotonic() + _SECONDS
    stored, exceptions = await services.store.read(account_id, lambda tx: (tx.levels.rules(), tx.exceptions.all()))
    before = replace(stored, as_of=now)
    after = _proposed(before, exceptions, proposal)
    comparing = _Comparing(before, after, now - timedelta(days=days), now)
    evaluator = services.rule_evaluator
    last = UserId("")

    def read(tx: Transaction) -> tuple[list[PastUser], Mapping[str, frozenset[str]] | None]:
        users = tx.trials.users(last, _USERS_AT_ONCE, _FINDINGS_AT_ONCE)
        keys = [one.standing.email_key for one in users]
        groups = [tx.levels.with_groups(rules, keys).groups for rules in (before, after)]
        return users, groups[0] if groups[0] is not None else groups[1]

    users, groups = await services.store.read(account_id, read)
    while users:
        last = users[-1].standing.user_id
        # The next users are read while these are computed: the database does not need the interpreter.
        (users, groups), _ = await gather(
            services.store.read(account_id, read), comparing.add(users, groups, evaluator, account_id)
        )
        if services.clock.monotonic() > until:
            raise Unavailable("the account has too many findings for a trial", UnavailableCause.TOO_SLOW)
    return comparing.finished()


async def moves_now(
    services: Services, account_id: AccountId, behaviors: Mapping[BehaviorId, BehaviorSetting]
) -> Counter[tuple[Level, Level]]:
    """Count the users whose level would change now if the settings of *behaviors* were stored.

    Durations, exceptions, rules that hold and the shortest time between two events count. Only users that triggered one
    of the behaviors are read, in slices.

    Returns: the number of users by their level before and after; 0 is none.
    """
    moves: Counter[tuple[Level, Level]] = Counter()
    stored = await services.store.read(account_id, lambda tx: tx.levels.rules())
    now = services.clock.now()
    rules = replace(stored, behaviors={**stored.behaviors, **behaviors})
    last = UserId("")

    def read(tx: Transaction) -> tuple[list[Standing], LevelRules]:
        users = tx.trials.triggered(behaviors, last, _USERS_AT_ONCE)
        return users, tx.levels.with_groups(rules, [one.email_key for one in users])

    def add(users: Sequence[Standing], of_these: LevelRules) -> None:
        for one in users:
            after = decided_again(one, of_these, now).level
            if after != one.level:
                moves[one.level or 0, after or 0] += 1

    users, of_these = await services.store.read(account_id, read)
    while users:
        last = users[-1].user_id
        (users, of_these), _ = await gather(
            services.store.read(account_id, read), compute(partial(add, users, of_these))
        )
    return moves


def _proposed(before: LevelRules, exceptions: Sequence[RiskException], proposal: Proposal) -> LevelRules:
    kept = [one for one in exceptions if one.exception_id not in proposal.removed]
    rules_kept = [rule for one, rule in before.policies.counting.items() if one not in proposal.rules_removed]
    return replace(
        before,
        behaviors={**before.behaviors, **proposal.behaviors},
        times=before.times if proposal.times is None else proposal.times,
        exceptions=Exceptions([*kept, *proposal.added], before.as_of),
        policies=PolicyRules([*rules_kept, *proposal.rules_added]),
    )


class _Comparing:
    """Compares two sets of rules, some users at a time."""

    def __init__(self, before: LevelRules, after: LevelRules, since: datetime, now: datetime) -> None:
        self.trial = Trial()
        self._sides = [_Side(before, before), _Side(before, after)]
        self._after = after
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
        for side in self._sides:
            side.groups = groups
        seen: list[_Seen] = await compute(partial(self._see, users))
        for side in self._sides:
            await side.past.evaluate(evaluator, account_id)
        await compute(partial(self._add, seen, replace(self._after, groups=groups)))

    def finished(self) -> Trial:
        """Return the result."""
        self.trial.left_out = sorted(self._sides[0].past.left_out | self._sides[1].past.left_out)
        return self.trial

    def _see(self, users: Sequence[PastUser]) -> list["_Seen"]:
        """Read the findings of users, and collect what rules see of them."""
        seen: list[_Seen] = []
        for user in users:
            runs = _runs_of(user, self._until)
            moments = [side.see(runs, user.standing, self._until) for side in self._sides]
            seen.append(_Seen(user.standing, runs, moments))
        return seen

    def _add(self, seen: Sequence["_Seen"], after: LevelRules) -> None:
        for one in seen:
            given = [side.past.given(past, self._since) for side, past in zip(self._sides, one.moments, strict=True)]
            self._add_past(one, given)
            if one.standing.triggered:
                is_current = bool(one.runs) and one.runs[-1].ends_at > self._until
                nothing = Looked(holding={}, next_look=None)
                looked = (given[1].looked if is_current else None) or nothing
                self._add_now(one.standing, after, looked if self._sides[1].past else None)
        for side in self._sides:
            side.past.forget()

    def _add_past(self, seen: "_Seen", given: Sequence[PastRules]) -> None:
        runs, standing = seen.runs, seen.standing
        if not runs:
            return
        trial = self.trial
        trial.findings += sum(len(run.findings) for run in runs)
        stored, proposed = [side.ages(standing) for side in self._sides]
        before = path_of(runs, stored, self._since, self._until, given=given[0].given)
        is_same = proposed.agrees(stored, {behavior for run in runs for _, behavior in run.findings})
        is_same = is_same and list(given[0].given) == list(given[1].given)
        after = before if is_same else path_of(runs, proposed, self._since, self._until, given=given[1].given)
        for effect, path, past in ((trial.before, before, given[0]), (trial.after, after, given[1])):
            effect.users[path.highest] += 1
            effect.events.update(path.events)
            effect.revocations += past.revocations
        if before != after or given[0].revocations != given[1].revocations:
            trial.differing += 1
            _keep(trial.examples, standing, before.highest, after.highest)

    def _add_now(self, standing: Standing, rules: LevelRules, looked: Looked | None) -> None:
        before, after = standing.level or 0, decided_again(standing, rules, self._now, looked).level or 0
        self.trial.now_before[before] += 1
        self.trial.now_after[after] += 1
        if before != after:
            self.trial.now_differing += 1
            _keep(self.trial.now_examples, standing, before, after)


class _Seen(NamedTuple):
    """A user as it was read.

    Attributes:
        moments: what rules see, for each side.
    """

    standing: Standing
    runs: Sequence[Run]
    moments: Sequence[Sequence[Moments]]


class _Side:
    """One set of rules, with the ages of users without exceptions computed once."""

    def __init__(self, stored: LevelRules, rules: LevelRules) -> None:
        self.groups: Mapping[str, frozenset[str]] | None = None
        self.past = RulesInPast(rules)
        self._rules = self.past.rules
        # Findings of a behavior that the proposal disables would not have been recorded.
        self._unrecorded = frozenset(
            one for one, setting in rules.behaviors.items() if stored.behaviors[one].enabled and not setting.enabled
        )
        self._usual = Ages(rules, self._unrecorded)

    def ages(self, standing: Standing) -> Ages:
        """Return the ages for one user."""
        rules = self._of_user(standing)
        return self._usual if rules.covering is None else Ages(rules, self._unrecorded)

    def see(self, runs: Sequence[Run], standing: Standing, until: int) -> Sequence[Moments]:
        """Collect what the rules see of one user."""
        return self.past.see(runs, self._of_user(standing), self._unrecorded, until) if self.past else ()

    def _of_user(self, standing: Standing) -> LevelRules:
        if not self._rules.exceptions:
            return self._rules
        return replace(self._rules, groups=self.groups).for_user(standing.email_key)


def _runs_of(user: PastUser, until: int) -> list[Run]:
    runs: list[Run] = []
    ends_at = NEVER
    for resets, written in reversed(user.runs):
        findings = [one for one in read_findings(written) if one[0] <= until]
        if resets < user.standing.resets and ends_at == NEVER and user.standing.last_reset_at is not None:
            ends_at = _micros_of(user.standing.last_reset_at)
        if findings:
            runs.append(Run(findings, ends_at))
            ends_at = findings[0][0]  # an earlier reset was at this time or before; its own time is not stored
    return runs[::-1]


def _keep(examples: list[Example], standing: Standing, before: Level, after: Level) -> None:
    if len(examples) < MAX_EXAMPLES:
        examples.append(Example(user_id=standing.user_id, email=standing.email, before=before, after=after))


def _micros_of(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // _EPOCH_MICROSECONDS
