"""Evaluate the rules of accounts for users that are due, and for all users at risk after a change of the rules.

A finding makes its user due in its own transaction. A process takes the account's lease, reads users with their
findings, evaluates the rules outside of any transaction, and writes only what has not changed meanwhile. What has
changed stays due, so a process that is killed, or comes too late, loses nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from msgspec.structs import replace as replace_members

from riskrelay.actions.applying import PART_ROWS, apply
from riskrelay.actions.computing import compute_for
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import LevelChange, Standing, decided_again
from riskrelay.core.risk.explaining import change_by_rules
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.looking import Looking, Sight
from riskrelay.core.risk.policy_rules import Looked, Member, RuleId, StopReason
from riskrelay.core.risk.rules import NO_TIMES, LevelRules
from riskrelay.ports import RULES_LEASE, Evaluated, RulesLeaseLost, RuleUser, Services, Transaction, Writes

T = TypeVar("T")

_WALKED_AT_ONCE = 500  # guessed: users of one step after a change of the rules
_UNAVAILABLE = timedelta(seconds=10)  # guessed: no process could evaluate; users are tried again after this time

Read = Callable[[Transaction, datetime], list[RuleUser]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Users as they were read.

    Attributes:
        now: the time at which findings count.
        standings: of users whose level may change though no rule begins or ends to hold, by id.
        sources: the names of sources by id, if a rule needs them.
    """

    rules: LevelRules
    now: datetime
    users: Sequence[RuleUser]
    standings: Mapping[UserId, Standing]
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moving:
    """A user whose standing changes."""

    user: RuleUser
    looked: Looked
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What follows from the verdicts.

    Attributes:
        settled: users for whom nothing changes, each with the time of the next look.
        stopped: rules that exceeded their limits.
    """

    seen: _Seen
    looking: Looking
    evaluated: Evaluated
    settled: Sequence[tuple[RuleUser, datetime | None]]
    moving: Sequence[_Moving]
    stopped: Mapping[RuleId, StopReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What a round left undone.

    Attributes:
        behind: users that were not written. Those that have changed are due, and not among them.
        is_full: whether some of them wait because enough users have moved in this second.
    """

    seen: _Seen
    behind: Collection[UserId]
    is_full: bool = False


class RuleRounds:
    """Evaluates the rules of accounts, as one of several processes.

    Args:
        per_second: the largest number of users per second that move, of all processes together.
    """

    def __init__(self, services: Services, per_second: int) -> None:
        self.owner = services.ids.uuid()
        self._services = services
        self._per_second = per_second
        self._renew_at: dict[AccountId, float] = {}

    async def look(self, account_id: AccountId, user_ids: Collection[UserId]) -> bool:
        """Evaluate the account's rules for users that are due.

        Returns: False: more users would move than may in this second.
        """
        if not await self._has_lease(account_id):
            return True
        plan = await self._planned(account_id, lambda tx, since: tx.rule_users.read(user_ids, since))
        return plan is None or not (await self._write(account_id, plan)).is_full

    async def walk(self, account_id: AccountId, place: str) -> bool:
        """Evaluate the account's rules for the next users at risk, after a change of the rules.

        Args:
            place: the last user that was walked to.

        Returns: False: more users would move than may in this second, or nothing can be evaluated now.
        """
        if not await self._has_lease(account_id):
            return True
        plan = await self._planned(account_id, lambda tx, since: tx.rule_users.page(place, since, _WALKED_AT_ONCE))
        if plan is not None and not plan.evaluated.is_available:
            return False
        left = None if plan is None else await self._write(account_id, plan)
        await self._fenced(account_id, partial(self._walk_on, place=place, left=left))
        return left is None or not left.is_full

    async def stop(self) -> None:
        """Give all leases back, so that other processes need not wait for their end."""
        accounts = list(self._renew_at)
        self._renew_at.clear()
        for account_id in accounts:
            await self._services.store.write(account_id, lambda tx: tx.rule_work.release(self.owner))

    def _walk_on(self, tx: Transaction, place: str, left: _Left | None) -> None:
        """Store how far the walk has come, unless it was begun again meanwhile.

        Raises: RulesLeaseLost.
        """
        if tx.rule_work.hold(self.owner) != place:
            return
        if left is None:  # there is no rule any more
            tx.rule_work.walked(None)
            return
        if not left.seen.rules.is_stored_as(tx.levels.rules()):
            return
        first = min(left.behind, default=None)
        done = [one.user_id for one in left.seen.users if first is None or one.user_id < first]
        if first is None and len(done) < _WALKED_AT_ONCE:
            tx.rules.remove_deleted()
            tx.rule_work.walked(None)
        elif done:
            tx.rule_work.walked(done[-1])

    async def _has_lease(self, account_id: AccountId) -> bool:
        """Take the account's lease, or renew it when half of it is over."""
        now = self._services.clock.monotonic()
        if self._renew_at.get(account_id, now) > now:
            return True
        self._renew_at.pop(account_id, None)
        if not await self._services.store.write(account_id, lambda tx: tx.rule_work.claim(self.owner)):
            return False
        self._renew_at[account_id] = now + RULES_LEASE.total_seconds() / 2
        return True

    async def _planned(self, account_id: AccountId, read: Read) -> _Plan | None:
        """Read users, and evaluate the rules for them.

        Returns: None: the account has no rules any more.
        """
        evaluator = self._services.rule_evaluator
        seen = await self._services.store.read(account_id, partial(_read, read=read))
        if seen is None:
            return None
        looking, sights = await compute_for(len(seen.users), partial(_sights, seen))
        groups = [group.expressions for group in looking.groups]
        evaluated = await evaluator.evaluate(groups, looking.inputs, account_id) if looking.inputs else _NOTHING
        if evaluated.is_available and not evaluated.stopped:
            self._services.quiet.learn(account_id, seen.rules, looking.quiet(sights, evaluated.verdicts))
        return await compute_for(len(seen.users), partial(_plan, seen, looking, sights, evaluated=evaluated))

    async def _write(self, account_id: AccountId, plan: _Plan) -> _Left:
        """Write what follows from the verdicts, as far as users may move in this second."""
        services, wanted = self._services, len(plan.moving)
        failures = {} if plan.stopped else plan.looking.failures(plan.evaluated.verdicts)

        def settle(tx: Transaction) -> Collection[UserId] | None:
            if not self._may_write(tx, plan.seen.rules):
                return None
            tx.rules.note_failures(failures, services.clock.now())
            for rule_id, reason in plan.stopped.items():
                tx.rules.stop(rule_id, reason)
            return tx.rule_users.settle(plan.settled)

        locked = await self._fenced(account_id, settle)
        if locked is None or plan.stopped:  # what has not been written stays due, and is evaluated again
            return _Left(seen=plan.seen, behind={one.user_id for one in plan.seen.users})
        services.metrics.count_rule_failures(sum(count for count, _ in failures.values()))
        if not wanted:
            return _Left(seen=plan.seen, behind=locked)
        granted = await services.store.write_installation(lambda tx: tx.due_levels.take_turn(wanted, self._per_second))
        missed = await self._move(account_id, plan, plan.moving[:granted])
        waiting = [one.user.user_id for one in plan.moving[granted:]]
        return _Left(seen=plan.seen, behind={*locked, *missed, *waiting}, is_full=bool(waiting))

    async def _move(self, account_id: AccountId, plan: _Plan, moving: Sequence[_Moving]) -> set[UserId]:
        """Write users whose standing changes, and queue the events that follow, in short transactions.

        Returns: the users that were not written, besides those that have changed.
        """
        streams = len(await self._services.store.read(account_id, lambda tx: tx.streams.taking_events()))
        at_once = max(PART_ROWS // max(streams, 1), 1)
        missed: set[UserId] = set()
        for start in range(0, len(moving), at_once):
            some = {one.user.user_id: one for one in moving[start : start + at_once]}

            def store(tx: Transaction, some: Mapping[UserId, _Moving] = some) -> tuple[set[UserId], list[WokenLane]]:
                if not self._may_write(tx, plan.seen.rules):
                    return set(some), []
                unlocked = tx.users.unlocked(some)
                same = [one for one in unlocked if tx.rule_users.version_of(one) == some[one.user_id].user.version]
                writes = self._moved(plan, [(some[old.user_id], old) for old in same])
                return some.keys() - {one.user_id for one in unlocked}, apply(tx, writes, self._services)

            written = await self._fenced(account_id, store)
            missed |= set(some) if written is None else written[0]
            if written is not None:
                self._services.wake(written[1])
        return missed

    def _moved(self, plan: _Plan, locked: Sequence[tuple[_Moving, Standing]]) -> Writes:
        """Return the changes of users that were locked as they were read."""
        now, rules = self._services.clock.now(), plan.seen.rules
        standings: list[Standing] = []
        changes: list[LevelChange] = []
        for one, old in locked:
            new = decided_again(old, rules, now, one.looked)
            standings.append(new)
            used = plan.looking.used(one.sight, plan.evaluated.verdicts)
            change = change_by_rules(old, new, rules, at=now, used=used)
            if change is not None:
                changes.append(change)
        return Writes(standings=standings, changes=changes)

    def _may_write(self, tx: Transaction, rules: LevelRules) -> bool:
        """Return whether the rules are still those that were evaluated, and keep them so until the commit.

        Raises: RulesLeaseLost.
        """
        if tx.large_writes.is_running():
            return False
        tx.rule_work.hold(self.owner)
        return rules.is_stored_as(tx.levels.rules())

    async def _fenced(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T | None:
        """Write under the lease. Return None if another process has it."""
        try:
            return await self._services.store.write(account_id, work)
        except RulesLeaseLost:
            self._renew_at.pop(account_id, None)
            return None


_NOTHING = Evaluated((), {})


def _read(tx: Transaction, read: Read) -> _Seen | None:
    rules = tx.levels.rules()
    now = rules.as_of
    if now is None or not rules.policies:
        return None
    users = read(tx, now - rules.policies.longest)
    rules = tx.levels.with_groups(rules, [one.email_key for one in users])
    can_change = rules.times != NO_TIMES or bool(rules.exceptions)
    versions = {one.user_id: one.version for one in users if can_change or one.holding}
    read_again = tx.users.unlocked(versions) if versions else []  # two statements: one may have changed in between
    standings = {one.user_id: one for one in read_again if tx.rule_users.version_of(one) == versions[one.user_id]}
    users = [one for one in users if one.user_id not in versions or one.user_id in standings]
    names_source = any(Member.SOURCE in rule.members for rule in rules.policies.counting.values())
    return _Seen(
        rules=rules,
        now=now,
        users=users,
        standings=standings,
        sources=tx.rule_users.sources() if names_source else {},
    )


def _sights(seen: _Seen) -> tuple[Looking, list[Sight]]:
    """Return the inputs to evaluate, and what the rules see of each user."""
    looking, rules = Looking(seen.rules, seen.sources), seen.rules
    if not rules.exceptions:
        return looking, [looking.see(one.findings, rules, seen.now) for one in seen.users]
    return looking, [looking.see(one.findings, rules.for_user(one.email_key), seen.now) for one in seen.users]


def _plan(seen: _Seen, looking: Looking, sights: Sequence[Sight], evaluated: Evaluated) -> _Plan:
    """Decide what follows from the verdicts for each user."""
    rules = {(g, p): rule.rule_id for g, group in enumerate(looking.groups) for p, rule in enumerate(group.rules)}
    stopped = {rules[place]: reason for place, reason in evaluated.stopped.items()}
    undecided = {one for one, rule in seen.rules.policies.counting.items() if rule.stopped is not None} | stopped.keys()
    if not evaluated.is_available:
        undecided |= set(rules.values())
    settled: list[tuple[RuleUser, datetime | None]] = []
    moving: list[_Moving] = []
    for user, sight in zip(seen.users, sights, strict=True):
        looked = looking.looked(sight, evaluated.verdicts, user.holding, undecided)
        if not evaluated.is_available and sight.asked:
            looked = replace_members(looked, next_look=seen.now + _UNAVAILABLE)
        standing = seen.standings.get(user.user_id)
        if standing is None:
            is_same, next_look = looked.holding == user.holding, looked.next_look
        else:
            after = decided_again(standing, seen.rules, seen.now, looked)
            next_look = after.next_change_at
            is_same = after == replace_members(standing, next_change_at=next_look)
        if is_same:
            settled.append((user, next_look))
        else:
            moving.append(_Moving(user=user, looked=looked, sight=sight))
    return _Plan(seen=seen, looking=looking, evaluated=evaluated, settled=settled, moving=moving, stopped=stopped)
