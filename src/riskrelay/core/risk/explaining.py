"""Explain a level change: what gives the new level, and why the level is another one."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from riskrelay.core.risk.assessment import (
    MAX_NAMED_FINDINGS,
    ChangeKind,
    LevelChange,
    Standing,
    level_of_behaviors,
    levels_of,
)
from riskrelay.core.risk.behaviors import BehaviorId, reason_for
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import NamedRule, RuleId
from riskrelay.core.risk.rules import LevelRules

Used = Mapping[RuleId, Sequence[tuple[BehaviorId, FindingId]]]
"""The findings that rules used, each with its behavior, by rule."""


def level_change(
    before: Standing,
    after: Standing,
    rules: LevelRules,
    kind: ChangeKind,
    at: datetime,
    recorded: Sequence[tuple[BehaviorId, FindingId]] = (),
) -> LevelChange | None:
    """Return the level change from *before* to *after*, for the receivers and the history.

    Args:
        recorded: the findings that the decision records, each with its behavior.

    Returns: None if the level is the same, even if other members differ.
    """
    if before.level == after.level:
        return None
    if rules.exceptions and after.triggered:
        rules = rules.for_user(after.email_key)
    levels = levels_of(after, rules)
    holding = tuple(sorted(one for one, level in levels.items() if level is not None and level == after.level))
    giving = rules.policies.giving(after.level, after.holding) if after.holding else ()
    # With time alone, a level only becomes higher because an exception has ended, or a user has left a group.
    is_higher = (after.level or 0) > (before.level or 0)
    if kind is ChangeKind.EXCEPTION or (kind is ChangeKind.EXPIRY and is_higher):
        names = _names(holding, giving, rules)
        reason = f"Exceptions changed: {names}" if names else "Exceptions changed"
    else:
        reason = _reason(before, levels, _names(holding, giving, rules), rules)
    return LevelChange(
        user_id=after.user_id,
        email=after.email,
        previous=before.level,
        current=after.level,
        behaviors=holding,
        reason=reason,
        cause=kind.cause,
        changed_at=at,
        kind=kind,
        findings=tuple([finding for behavior, finding in recorded if behavior in holding][:MAX_NAMED_FINDINGS]),
        rules=_named(giving, rules) if giving else (),
    )


def change_by_rules(
    before: Standing, after: Standing, rules: LevelRules, at: datetime, used: Used
) -> LevelChange | None:
    """Return the change after the account's rules were evaluated: of the level, of the user's sessions, or of both.

    Args:
        used: the findings that the rules of *after* used.

    Returns: None if the level is the same and no rule that revokes sessions has begun to hold.
    """
    revoking = [
        one for one in after.holding if one not in before.holding and rules.policies.counting[one].revokes_sessions
    ]
    if before.level == after.level and not revoking:
        return None
    change = _change_of_level(before, after, rules, at=at, used=used)
    if not revoking:
        return change
    names = rules.policies.names_of(revoking)
    if change is None:
        change = LevelChange(
            user_id=after.user_id,
            email=after.email,
            previous=before.level,
            current=after.level,
            behaviors=(),
            reason=_sentence(f"{names}: {_behaviors_used(revoking, used, rules)}"),
            cause=ChangeKind.RULE.cause,
            changed_at=at,
            kind=ChangeKind.RULE,
            findings=_findings_used(revoking, used),
            rules=_named(revoking, rules),
        )
    return replace(change, revoking=_named(revoking, rules))


def _change_of_level(
    before: Standing, after: Standing, rules: LevelRules, at: datetime, used: Used
) -> LevelChange | None:
    change = level_change(before, after, rules, ChangeKind.EXPIRY, at=at)
    if change is None:
        return None
    giving = rules.policies.giving(after.level, after.holding)
    if (after.level or 0) > (before.level or 0):
        own = level_of_behaviors(after, rules.for_user(after.email_key))
        if not giving or own == after.level:
            return change
        reason = _sentence(f"{rules.policies.names_of(giving)}: {_behaviors_used(giving, used, rules)}")
        ended: tuple[NamedRule, ...] = ()
    else:
        given = _ended(before, after, rules)
        if not given:
            return replace(change, findings=_findings_used(giving, used))
        left = _names(change.behaviors, giving, rules)
        said = f"No longer applies: {rules.policies.names_of(given)}"
        reason = f"{said}; remaining: {left}" if left else said
        ended = _named(given, rules)
    return replace(
        change,
        kind=ChangeKind.RULE,
        cause=ChangeKind.RULE.cause,
        reason=reason,
        behaviors=tuple(sorted({*change.behaviors, *(one for rule in giving for one, _ in used.get(rule, ()))})),
        findings=_findings_used(giving, used),
        rules=_named(giving, rules) or ended,
    )


def _ended(before: Standing, after: Standing, rules: LevelRules) -> list[RuleId]:
    """Return the rules that no longer give the level that the user had."""
    ended = [one for one in before.holding if one not in after.holding]
    if ended:
        return ended
    # The rules still hold. If no behavior gave the level either, the account has lowered the level of a rule.
    was, of_user = before.level or 0, rules.for_user(after.email_key)
    if any((of_user.own_level(one) or 0) >= was for one in before.triggered):
        return []
    return [one for one in before.holding if (rules.policies.level_of([one]) or 0) < was]


def _names(behaviors: Iterable[BehaviorId], giving: Collection[RuleId], rules: LevelRules) -> str:
    """Name behaviors and rules for people; empty if there are none."""
    if not giving:
        return reason_for(behaviors, rules.behaviors)
    names = (reason_for(behaviors, rules.behaviors), rules.policies.names_of(giving))
    return "; ".join(name for name in names if name)


def _named(rule_ids: Iterable[RuleId], rules: LevelRules) -> tuple[NamedRule, ...]:
    return tuple(NamedRule(one, rules.policies.name_of(one)) for one in sorted(rule_ids))


def _behaviors_used(rule_ids: Iterable[RuleId], used: Used, rules: LevelRules) -> str:
    behaviors = {behavior for one in rule_ids for behavior, _ in used.get(one, ())}
    return reason_for(behaviors, rules.behaviors)


def _findings_used(rule_ids: Iterable[RuleId], used: Used) -> tuple[FindingId, ...]:
    findings = dict.fromkeys(finding for one in rule_ids for _, finding in used.get(one, ()))
    return tuple(findings)[:MAX_NAMED_FINDINGS]


def _sentence(text: str) -> str:
    text = text.removesuffix(": ")
    return text[:1].upper() + text[1:]


def _reason(before: Standing, levels: Mapping[BehaviorId, RiskLevel | None], names: str, rules: LevelRules) -> str:
    """Return the reason of a level change for people: what gives the level, and the behaviors that expired.

    Args:
        names: of the behaviors and rules that give the level.

    Returns: empty after a reset.
    """
    if not rules.times.durations:
        return names or ("No finding counts" if levels else "")
    was = before.level or 0
    expired = [
        one
        for one in rules.times.durations
        if one in levels and (levels[one] or 0) < was <= (rules.own_level(one) or 0)
    ]
    if not expired or any((level or 0) >= was for level in levels.values()):
        return names or ("No finding counts" if levels else "")
    said = f"Expired: {reason_for(expired, rules.behaviors)}"
    return f"{said}; remaining: {names}" if names else said
