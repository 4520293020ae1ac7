"""Try other rules on the stored findings, without storing anything."""

from asyncio import gather
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from msgspec import Struct

from riskrelay.actions.computing import compute
from riskrelay.actions.trial_comparing import Comparing
from riskrelay.actions.trial_results import Trial
from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import RateLimited, Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing, decided_again
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.exceptions import ExceptionId, Exceptions, RiskException
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.policy_rules import PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rules import LevelRules, LevelTimes
from riskrelay.core.risk.trials import Level
from riskrelay.ports import PastUsers, Services, Transaction

MAX_DAYS = 400  # guessed: as long as findings are kept
_USERS_AT_ONCE = 500  # guessed: some milliseconds
_FINDINGS_AT_ONCE = 5_000  # guessed: some milliseconds
_SECONDS = 300.0  # chosen: some ten million findings on a machine that does nothing else
_RETRY_SECONDS = 5

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
    comparing = Comparing(before, after, now - timedelta(days=days), now)
    evaluator = services.rule_evaluator
    last = UserId("")

    def read(tx: Transaction) -> tuple[PastUsers | None, Mapping[str, frozenset[str]] | None]:
        page = tx.trials.users(last, _USERS_AT_ONCE, _FINDINGS_AT_ONCE)
        naming = [rules for rules in (before, after) if rules.exceptions.name_groups]
        if not naming or page is None:
            return page, None
        return page, tx.levels.with_groups(naming[0], [email_key(one.email) for one in page.users]).groups

    page, groups = await services.store.read(account_id, read)
    while page is not None:
        last = page.last
        # The next users are read while these are computed: the database does not need the interpreter.
        (page, groups), _ = await gather(
            services.store.read(account_id, read), comparing.add(page, groups, evaluator, account_id)
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
