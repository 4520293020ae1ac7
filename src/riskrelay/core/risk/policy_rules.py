"""Rules of an account: combinations of findings that give a level, or revoke the user's sessions."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from riskrelay.core.risk.levels import RiskLevel

RuleId = NewType("RuleId", str)

MAX_NAME_CHARACTERS = 100  # guessed: a few words
MAX_DESCRIPTION_CHARACTERS = 500  # guessed: some sentences
MAX_EXPRESSION_CHARACTERS = 2_000  # guessed: the examples have less than 200
MIN_WITHIN = timedelta(minutes=1)
MAX_WITHIN = timedelta(days=90)  # guessed: a quarter
MAX_RULE_FINDINGS = 200  # guessed: the latest; more than a rule compares, and a hundred users are read at once

_WORD = re.compile(r"[A-Za-z_]+")


class Member(StrEnum):
    """A member of a finding that only the expressions get that name it.

    Without them, the findings of most users look the same, so one evaluation serves many users.
    """

    ID = "id"
    TIME = "time"
    SOURCE = "source"


class StopReason(StrEnum):
    """Why the service has stopped to evaluate a rule."""

    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"


class PolicyRule(Struct, frozen=True, kw_only=True):
    """A rule.

    Attributes:
        name: for people; the reasons of level changes have it.
        within: only findings that occurred within this time count. The rule never holds without one.
        when: a JSONata expression over these findings. It gives true, or the findings that it used.
        level: the user has at least this level while the rule holds; None: it gives no level.
        revokes_sessions: whether CAEP's session-revoked is sent when the rule begins to hold.
        stopped: why it is not evaluated any more, until a person changes or enables it; None: it is evaluated.
        is_deleted: whether it was deleted, and is only kept until no user's level rests on it.
    """

    rule_id: RuleId
    name: str
    description: str | None
    enabled: bool
    within: timedelta
    when: str
    level: RiskLevel | None
    revokes_sessions: bool
    created_at: datetime
    stopped: StopReason | None = None
    is_deleted: bool = False

    @property
    def counts(self) -> bool:
        """Whether the rule can hold."""
        return self.enabled and not self.is_deleted

    @property
    def members(self) -> frozenset[Member]:
        """The members that the expression names."""
        return members_in(self.when)


class NamedRule(Struct, frozen=True, array_like=True):
    """A rule with its name at the time of a level change."""

    rule_id: RuleId
    name: str


class Looked(Struct, frozen=True, kw_only=True, gc=False):
    """What the rules of an account say about a user.

    Attributes:
        holding: the rules that hold, each with the time since which it does.
        next_look: the time at which they have to see the user's findings again; None: no later than the next finding.
    """

    holding: Mapping[RuleId, datetime]
    next_look: datetime | None


class PolicyRules:
    """The rules of an account, including disabled ones, and deleted ones on which a level may still rest."""

    __slots__ = ("_all", "counting", "longest")

    def __init__(self, stored: Iterable[PolicyRule]) -> None:
        self._all: Mapping[RuleId, PolicyRule] = {one.rule_id: one for one in stored}
        self.counting: Mapping[RuleId, PolicyRule] = {one: rule for one, rule in self._all.items() if rule.counts}
        self.longest = max((rule.within for rule in self.counting.values()), default=timedelta(0))

    def __bool__(self) -> bool:
        return bool(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyRules) and self._all == other._all

    def __hash__(self) -> int:
        return hash(tuple(self._all.values()))

    def level_of(self, holding: Collection[RuleId]) -> RiskLevel | None:
        """Return the highest level that rules give while *holding* hold; None: they give none."""
        levels = (self.counting[one].level for one in holding if one in self.counting)
        return max((level for level in levels if level is not None), default=None)

    def giving(self, level: RiskLevel | None, holding: Collection[RuleId]) -> list[RuleId]:
        """Return those of *holding* that give that level, in the order of their ids."""
        giving = [one for one in holding if one in self.counting and self.counting[one].level == level]
        return [] if level is None else sorted(giving)

    def name_of(self, rule_id: RuleId) -> str:
        """Return the name for people; of an unknown rule its id."""
        return self._all[rule_id].name if rule_id in self._all else rule_id

    def names_of(self, rule_ids: Iterable[RuleId]) -> str:
        """Name rules for people.

        Returns: such as 'rule "Three lows"'; empty when there are none.
        """
        names = sorted(self.name_of(one) for one in rule_ids)
        quoted = ", ".join(f'"{name}"' for name in names)
        return f"{'rule' if len(names) == 1 else 'rules'} {quoted}" if names else ""


NO_RULES = PolicyRules(())
"""The rules of a new account."""


def members_in(when: str) -> frozenset[Member]:
    """Return the members that an expression names.

    >>> sorted(members_in('$count(findings[source="Okta"]) > 1'))
    [<Member.SOURCE: 'source'>]
    """
    words = set(_WORD.findall(when))
    return frozenset(member for member in Member if member.value in words)


def rule_name_problem(name: str) -> str | None:
    """Return why *name* cannot be the name of a rule; None: it can."""
    if 1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name == name.strip() and '"' not in name:
        return None
    return (
        f"must have 1 to {MAX_NAME_CHARACTERS} printable characters without double quotes, and no space at its "
        "beginning or its end"
    )


def rule_description_problem(description: str) -> str | None:
    """Return why *description* cannot be the description of a rule; None: it can."""
    if len(description) <= MAX_DESCRIPTION_CHARACTERS and description.isprintable():
        return None
    return f"must be one line of at most {MAX_DESCRIPTION_CHARACTERS:,} printable characters"


def expression_problem(when: str) -> str | None:
    """Return why *when* cannot be an expression, before it is compiled; None: it can."""
    if not when.strip() or len(when) > MAX_EXPRESSION_CHARACTERS:
        return f"must have 1 to {MAX_EXPRESSION_CHARACTERS:,} characters"
    return "must not have control characters" if "\x00" in when else None


def within_problem(within: timedelta) -> str | None:
    """Return why *within* cannot be the time within which findings count; None: it can."""
    if MIN_WITHIN <= within <= MAX_WITHIN:
        return None
    return f"must be {MIN_WITHIN // timedelta(seconds=1)} to {MAX_WITHIN // timedelta(seconds=1):,} seconds"
