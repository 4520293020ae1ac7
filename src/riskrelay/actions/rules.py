"""Add, change and delete the rules of an account. The chores evaluate them for the users at risk."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Self, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from riskrelay.actions.large_writes import write_in_parts
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import PolicyRule, RuleId
from riskrelay.ports import Services, Transaction, Writes

T = TypeVar("T")


class WantedRule(Struct, frozen=True, kw_only=True):
    """The rule that a client requests. The members mean the same as those of `PolicyRule`."""

    name: str
    description: str | None
    enabled: bool
    within: timedelta
    when: str
    level: RiskLevel | None
    revokes_sessions: bool

    @classmethod
    def of(cls, rule: PolicyRule) -> Self:
        """Return the members that a client can set."""
        return cls(**{name: getattr(rule, name) for name in cls.__struct_fields__})

    def stored_as(self, rule_id: RuleId, created_at: datetime) -> PolicyRule:
        """Return the same rule as it is stored."""
        return PolicyRule(rule_id=rule_id, created_at=created_at, **asdict(self))


async def add_rule(services: Services, account_id: AccountId, actor: Actor, wanted: WantedRule) -> PolicyRule:
    """Add a rule. The users at risk are evaluated soon, and receivers are notified.

    Adding a rule again with the same members changes nothing, so that a client can repeat its request.

    Returns: the rule, or the stored one with the same members.
    Raises: Invalid: the expression does not compile (pointer /when), the rule has no effect (pointer /level), or the
        account has too many rules.
    """
    await require_valid(services, account_id, wanted)
    now = services.clock.now()
    added = wanted.stored_as(RuleId(services.ids.ordered_uuid()), now)
    entry = services.audit_entry(actor, Verb.CREATED, Kind.RULE, added.rule_id, at=now)

    def store(tx: Transaction) -> PolicyRule:
        stored = [rule for rule, _ in tx.rules.all()]
        same = next((rule for rule in stored if WantedRule.of(rule) == wanted), None)
        if same is not None:
            return same
        refuse_above(services.quotas.rules, len(stored), "rules", "delete one that is disabled")
        tx.rules.add(added)
        tx.rule_work.begin_walk()
        tx.audit.record(entry)
        return added

    return await _change(services, account_id, store)


async def change_rule(
    services: Services, account_id: AccountId, actor: Actor, rule_id: RuleId, wanted: WantedRule
) -> PolicyRule:
    """Overwrite a rule, and evaluate it again if the service had stopped it. The users at risk are evaluated soon.

    Raises:
        Invalid: as `add_rule`.
        NotFound: no such rule in this account.
    """
    await require_valid(services, account_id, wanted)
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.RULE, rule_id)

    def store(tx: Transaction) -> PolicyRule:
        before = found(tx.rules.get(rule_id))
        changed = replace(before, **asdict(wanted), stopped=None)
        if changed != before:
            tx.rules.update(changed)
            if replace(changed, name=before.name, description=before.description) != before:
                tx.rule_work.begin_walk()
            tx.audit.record(entry)
        return changed

    return await _change(services, account_id, store)


async def delete_rule(services: Services, account_id: AccountId, actor: Actor, rule_id: RuleId) -> None:
    """Delete a rule. Levels that come from it are lowered within seconds.

    Raises: NotFound: no such rule in this account.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.RULE, rule_id)

    def store(tx: Transaction) -> None:
        tx.rules.update(replace(found(tx.rules.get(rule_id)), is_deleted=True))
        tx.rule_work.begin_walk()
        tx.audit.record(entry)

    await _change(services, account_id, store)


async def require_valid(services: Services, account_id: AccountId, wanted: WantedRule) -> None:
    """Refuse a rule without an effect, or whose expression does not compile.

    Raises: Invalid.
    """
    if wanted.level is None and not wanted.revokes_sessions:
        message = "is required unless session_revoked is true: a rule needs an effect"
        raise Invalid([Fault(FaultKind.REQUIRED, "/level", message)])
    problem = await services.rule_evaluator.problem(wanted.when, account_id)
    if problem is not None:
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/when", problem)])


async def _change(services: Services, account_id: AccountId, store: Callable[[Transaction], T]) -> T:
    """Run *store* while nothing changes users of the account.

    A transaction that has read the rules before does not make its users due, so it has to end first.
    """
    return await write_in_parts(services, account_id, _no_rows, store)


async def _no_rows() -> AsyncIterator[Writes]:
    """Yield nothing: a change of the rules writes no row of a user."""
    nothing: tuple[Writes, ...] = ()
    for writes in nothing:
        yield writes
