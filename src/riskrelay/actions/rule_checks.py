"""Check the expression of a rule with the findings of a user, or with samples. Nothing is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserRef
from riskrelay.core.risk.looking import Looking
from riskrelay.core.risk.policy_rules import PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rule_inputs import CountedFinding, RuleFinding
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Services, Transaction

_CHECKED = RuleId("checked")


class SampleFinding(NamedTuple):
    """A finding to check an expression with."""

    behavior: BehaviorId
    ago: timedelta
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCheck:
    """The result of a check.

    Attributes:
        failure: why the expression could not be evaluated; None: it was.
        seen: the findings that count within the time of the rule, by their time.
        used: those that the expression used, if the rule holds; ten at most.
    """

    holds: bool
    failure: str | None
    seen: Sequence[CountedFinding]
    used: Sequence[CountedFinding]


async def check_rule(
    services: Services,
    account_id: AccountId,
    when: str,
    within: timedelta,
    *,
    email: str | None,
    samples: Sequence[SampleFinding] | None,
) -> RuleCheck:
    """Evaluate an expression.

    Args:
        email: of a user of the account, whose findings since the last reset it sees; None: it sees *samples*.

    Raises: NotFound: no such user in this account.
    """
    evaluator = services.rule_evaluator
    problem = await evaluator.problem(when, account_id)
    rule = _rule(when, within, services.clock.now())

    def read(tx: Transaction) -> tuple[LevelRules, Sequence[RuleFinding], Mapping[str, str]]:
        stored = tx.levels.rules()
        now = stored.as_of or services.clock.now()
        rules = replace(stored, as_of=now, policies=PolicyRules([rule]))
        if email is None:
            return rules, _findings(samples or (), now), _sources(samples or ())
        user = next(iter(tx.users.find([UserRef(email)]).values()), None)
        if user is None:
            raise NotFound
        rules = tx.levels.with_groups(rules, [user.email_key]).for_user(user.email_key)
        (read,) = tx.rule_users.read([user.user_id], now - within)
        return rules, read.findings, tx.rule_users.sources()

    rules, findings, sources = await services.store.read(account_id, read)
    looking = Looking(rules, sources)
    sight = looking.see(findings, rules, rules.as_of or services.clock.now())
    seen = sight.asked[0][2] if sight.asked else ()
    if problem is not None or not looking.inputs:
        return RuleCheck(holds=False, failure=problem, seen=seen, used=())
    evaluated = await evaluator.evaluate([[when]], looking.inputs, account_id)
    if evaluated.stopped or not evaluated.is_available:
        failure = next(iter(evaluated.stopped.values()), "the expression cannot be evaluated now")
        return RuleCheck(holds=False, failure=str(failure), seen=seen, used=())
    used = looking.used(sight, evaluated.verdicts)
    ids = {finding_id for _, finding_id in used.get(_CHECKED, ())}
    failures = looking.failures(evaluated.verdicts)
    return RuleCheck(
        holds=_CHECKED in used,
        failure=failures[_CHECKED][1] if _CHECKED in failures else None,
        seen=seen,
        used=[one for one in seen if one.finding_id in ids],
    )


def _findings(samples: Sequence[SampleFinding], now: datetime) -> list[RuleFinding]:
    # The id of a finding begins with that of its source; here, the place of a sample is the id of its source.
    return [RuleFinding(now - one.ago, one.behavior, FindingId(f"{n}:sample")) for n, one in enumerate(samples)]


def _sources(samples: Sequence[SampleFinding]) -> dict[str, str]:
    return {str(n): one.source for n, one in enumerate(samples) if one.source is not None}


def _rule(when: str, within: timedelta, now: datetime) -> PolicyRule:
    return PolicyRule(
        rule_id=_CHECKED,
        name="",
        description=None,
        enabled=True,
        within=within,
        when=when,
        level=None,
        revokes_sessions=False,
        created_at=now,
    )
