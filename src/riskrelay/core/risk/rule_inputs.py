"""What the rules of an account see of a user's findings, and when they have to see them again.

The input of an expression depends only on the findings and the time: not on the order in which they were recorded.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import Member, PolicyRule, RuleId
from riskrelay.core.risk.rules import LevelRules

_TICK = timedelta(microseconds=1)

_encode = msgspec.json.Encoder().encode


# Records of a thousand users live for a moment. Without gc=False, the garbage collector looks through all objects of
# the process several times for each batch (measured: a tenth of the time of a batch).


class RuleFinding(msgspec.Struct, frozen=True, order=True, gc=False):
    """A finding of a user, as it is read for rules. They are in the order of time, then of behavior and id."""

    at: datetime
    behavior: BehaviorId
    finding_id: FindingId


class CountedFinding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A finding that counts now.

    Attributes:
        until: the time at which it counts as a lower level or no longer; None: there is none.
    """

    at: datetime
    behavior: BehaviorId
    finding_id: FindingId
    level: RiskLevel
    until: datetime | None


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What one expression says about one input. Expressions that give nothing have no verdict.

    Attributes:
        place: the place of the expression in its group.
        used: the numbers of the findings that it gives; empty: it gives true, for all of the input.
        failure: why it failed; None: the rule holds.
    """

    place: int
    used: tuple[int, ...] = ()
    failure: str | None = None


class RuleGroup(NamedTuple):
    """Rules that see the same findings with the same members, so that one input serves all of them."""

    within: timedelta
    members: frozenset[Member]
    rules: tuple[PolicyRule, ...]

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expressions of the rules, in their order."""
        return tuple(rule.when for rule in self.rules)


def groups_of(rules: Iterable[PolicyRule]) -> list[RuleGroup]:
    """Group rules that are evaluated by their inputs. Rules that are disabled, deleted or stopped are left out."""
    grouped: dict[tuple[timedelta, frozenset[Member]], list[PolicyRule]] = defaultdict(list)
    for rule in rules:
        if rule.counts and rule.stopped is None:
            grouped[rule.within, rule.members].append(rule)
    return [RuleGroup(within, members, tuple(some)) for (within, members), some in grouped.items()]


def counted(findings: Sequence[RuleFinding], rules: LevelRules) -> list[CountedFinding]:
    """Return the findings that count now, by their time; findings of the same time by behavior and id.

    Args:
        findings: of one user since the last reset, in any order.
        rules: the rules for this user (`LevelRules.for_user`).
    """
    counting: list[CountedFinding] = []
    for one in sorted(findings) if len(findings) > 1 else findings:
        at, behavior, finding_id = one.at, one.behavior, one.finding_id
        if behavior not in rules.behaviors:
            continue
        level = rules.level(behavior, at)
        if level is not None:
            until = rules.until(behavior, at, level)
            counting.append(CountedFinding(at=at, behavior=behavior, finding_id=finding_id, level=level, until=until))
    return counting


def plain_levels(rules: LevelRules) -> Mapping[BehaviorId, RiskLevel] | None:
    """Return the level of each behavior, if findings of all users count so without end; None: they do not."""
    if rules.times.durations or rules.exceptions or rules.covering is not None:
        return None
    return {behavior: setting.risk_level for behavior, setting in rules.behaviors.items()}


def counted_plainly(
    findings: Sequence[RuleFinding], levels: Mapping[BehaviorId, RiskLevel]
) -> Sequence[CountedFinding]:
    """Return what `counted` returns, if findings count without end.

    Args:
        levels: from `plain_levels`.
    """
    ordered = sorted(findings) if len(findings) > 1 else findings
    return [
        CountedFinding(
            at=one.at, behavior=one.behavior, finding_id=one.finding_id, level=levels[one.behavior], until=None
        )
        for one in ordered
        if one.behavior in levels
    ]


def first_seen(group: RuleGroup, findings: Sequence[CountedFinding], now: datetime) -> int:
    """Return the place of the first finding that the rules of a group see: they see it and the later ones.

    Args:
        findings: from `counted`.
    """
    since, first = now - group.within, 0
    while first < len(findings) and findings[first].at <= since:
        first += 1
    return first


def input_of(members: frozenset[Member], seen: Sequence[CountedFinding], sources: Mapping[str, str]) -> str:
    """Return the input of an expression, as JSON.

    Args:
        sources: the names of the account's sources by id.
    """
    return _encode({"findings": [_rendered(n, one, members, sources) for n, one in enumerate(seen, 1)]}).decode()


def source_of(finding_id: FindingId, sources: Mapping[str, str]) -> str | None:
    """Return the name of the source of a finding, whose id begins with that of the source; None: it is of none."""
    return sources.get(finding_id.partition(":")[0])


def next_look(
    findings: Sequence[CountedFinding], holding: Collection[RuleId], rules: LevelRules, now: datetime
) -> datetime | None:
    """Return the time at which the rules have to see a user's findings again; None: no later than the next finding.

    A rule sees other findings when one leaves its time or counts as another level. A rule that does not hold never
    holds without findings, so the last one that leaves is of no interest.

    Args:
        findings: from `counted`.
        holding: the rules that hold.
    """
    if not findings or (len(findings) == 1 and not holding and findings[0].until is None):
        return None
    held = {rules.policies.counting[one].within for one in holding if one in rules.policies.counting}
    ends: list[datetime] = []
    for within in {rule.within for rule in rules.policies.counting.values()}:
        inside = [one for one in findings if one.at > now - within]
        if len(inside) > 1 or (inside and within in held):
            ends.append(inside[0].at + within)
            ends += [one.until for one in inside if one.until is not None]
        elif inside and inside[0].until is not None:
            ends.append(inside[0].until)
    return min((end for end in ends if end > now), default=None)


def look_soon(due: datetime | None, found: Mapping[BehaviorId, datetime], rules: LevelRules) -> datetime | None:
    """Return the time at which the account's rules have to see a user with new findings: now.

    A process that has read the user before must see that it has changed. So the time differs from the one before.

    Args:
        due: the time before the findings.
        found: the time of the latest new finding of each behavior.
    """
    now = rules.as_of
    if now is None or not rules.policies.counting:
        return None
    if not found or max(found.values()) <= now - rules.policies.longest:
        return due
    return now if due is None or due > now else due + _TICK


def not_looked(due: datetime | None, rules: LevelRules) -> datetime | None:
    """Return the time at which the rules have to see a user, if they were not evaluated now: the one before."""
    return due if rules.policies.counting else None


def _rendered(
    number: int, finding: CountedFinding, members: frozenset[Member], sources: Mapping[str, str]
) -> dict[str, object]:
    rendered: dict[str, object] = {
        "n": number,
        "behavior": finding.behavior,
        "level": finding.level.word,
        "rank": int(finding.level),
    }
    if Member.ID in members:
        rendered["id"] = finding.finding_id
    if Member.TIME in members:
        rendered["time"] = finding.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if Member.SOURCE in members and (source := source_of(finding.finding_id, sources)) is not None:
        rendered["source"] = source
    return rendered
