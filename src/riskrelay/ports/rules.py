"""The account's rules, their evaluation, and the users for whom they are evaluated."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from msgspec import Struct

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.policy_rules import PolicyRule, RuleId, StopReason
from riskrelay.core.risk.rule_inputs import RuleFinding, Verdict

RULES_LEASE = timedelta(seconds=10)
"""How long a process that shows no sign of life keeps the rules of an account. Chosen: rules wait so long after it
was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailures:
    """The failures of a rule since it was changed.

    Attributes:
        count: how many evaluations failed.
        at, failure: of the last one; None: none has failed.
    """

    count: int
    at: datetime | None
    failure: str | None


Version = tuple[int | None, int, int]
"""The number of microseconds until a user is due, the number of findings, and of resets. All changes that rules have to
see change the first one (`core.risk.rule_inputs.look_soon`)."""


class RuleUser(Struct, frozen=True, kw_only=True, gc=False):
    """What is read of a user for rules.

    Attributes:
        version: it shows later whether the user has changed.
        findings: the latest ones within the time that was asked for, since the last reset.
    """

    user_id: UserId
    email_key: str
    version: Version
    holding: Mapping[RuleId, datetime]
    findings: Sequence[RuleFinding]


class Rules(Protocol):
    """The account's rules."""

    def add(self, rule: PolicyRule) -> None:
        """Store a new rule."""

    def update(self, rule: PolicyRule) -> None:
        """Overwrite all members of a rule besides its id and the time of its creation, and forget its failures."""

    def remove_deleted(self) -> None:
        """Remove the rules that were deleted: no user's level rests on them any more."""

    def get(self, rule_id: RuleId) -> PolicyRule | None:
        """Return the rule with that id. A writing transaction locks it. A deleted one is not found."""

    def all(self) -> list[tuple[PolicyRule, RuleFailures]]:
        """Return all rules that are not deleted, oldest first, with their failures. A quota bounds their number."""

    def count(self) -> int:
        """Return the number of rules that are not deleted."""

    def note_failures(self, failures: Mapping[RuleId, tuple[int, str]], at: datetime) -> None:
        """Add failures: their number and the last one in words, by rule."""

    def stop(self, rule_id: RuleId, reason: StopReason) -> None:
        """Let a rule be evaluated no more, until it is changed."""


class RuleWork(Protocol):
    """Which process evaluates the account's rules, and how far it has gone through the users after a change."""

    def begin_walk(self) -> None:
        """Let all users at risk be evaluated again. It waits for a transaction that has called `hold`."""

    def claim(self, owner: str) -> bool:
        """Take or renew the account's lease for RULES_LEASE. Return whether *owner* has it."""

    def hold(self, owner: str) -> str | None:
        """Keep the account's rules as they are until this transaction ends.

        Returns: the last user that was walked to; None: all users were.
        Raises: RulesLeaseLost: another process evaluates the account's rules.
        """

    def walked(self, user_id: UserId | None) -> None:
        """Store the last user that was walked to; None: all were."""

    def release(self, owner: str) -> None:
        """Give the lease back, if *owner* has it."""


class RulesLeaseLost(Exception):
    """Another process evaluates the account's rules."""


class RuleUsers(Protocol):
    """The account's users, as rules see them."""

    def version_of(self, standing: Standing) -> Version:
        """Return the version of a user that is stored so."""

    def read(self, user_ids: Collection[UserId], since: datetime) -> list[RuleUser]:
        """Return users with their findings that occurred after *since*."""

    def page(self, after: str, since: datetime, limit: int) -> list[RuleUser]:
        """Return the first *limit* users at risk with an id greater than *after*, in the order of their ids."""

    def settle(self, looked: Sequence[tuple[RuleUser, datetime | None]]) -> Collection[UserId]:
        """Store when the rules have to see users again, for whom nothing else has changed.

        Users whose version has changed since they were read, or that another transaction has locked, are left out.

        Args:
            looked: the users as they were read, each with the time.

        Returns: the users that another transaction has locked.
        """

    def sources(self) -> Mapping[str, str]:
        """Return the names of the account's sources, by id."""


class Evaluated(NamedTuple):
    """The result of an evaluation.

    Attributes:
        verdicts: of each input, in order: the rules that hold or failed, by their place in the input's group.
        stopped: the rules that exceeded their limits, as (group, place). None of the verdicts has them.
        is_available: False: nothing could be evaluated now, and all verdicts are empty.
    """

    verdicts: Sequence[Sequence[Verdict]]
    stopped: Mapping[tuple[int, int], StopReason]
    is_available: bool = True


class RuleEvaluator(Protocol):
    """Evaluates expressions of rules outside this process, bounded in time and memory."""

    async def problem(self, when: str, owner: AccountId) -> str | None:
        """Return why a text cannot be the expression of a rule; None: it can."""

    async def evaluate(
        self, groups: Sequence[Sequence[str]], inputs: Sequence[tuple[int, str]], owner: AccountId
    ) -> Evaluated:
        """Evaluate groups of expressions.

        Args:
            groups: expressions that get the same inputs.
            inputs: each with the place of its group.
        """

    def close(self) -> None:
        """End the processes."""


class NoRuleEvaluator:
    """Implements RuleEvaluator for processes that evaluate no rules."""

    async def problem(self, when: str, owner: AccountId) -> str | None:
        return "this process evaluates no rules"

    async def evaluate(
        self, groups: Sequence[Sequence[str]], inputs: Sequence[tuple[int, str]], owner: AccountId
    ) -> Evaluated:
        return Evaluated([()] * len(inputs), {}, is_available=False)

    def close(self) -> None:
        """Nothing runs."""
