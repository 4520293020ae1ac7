"""Compute a user's risk level from the triggered behaviors and the account's rules."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.email_addresses import user_key
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import Looked, NamedRule, RuleId
from riskrelay.core.risk.rule_inputs import look_soon, not_looked
from riskrelay.core.risk.rules import LevelRules

CLOCKS_APART = timedelta(minutes=5)  # guessed: the clock that wrote a time may be this much ahead of the database's

MAX_NAMED_FINDINGS = 10
"""The largest number of findings that a level change names. Chosen: enough for people, and the row stays small."""


class Cause(StrEnum):
    """The cause of a level change: a finding or a setting (policy), or a person (admin)."""

    POLICY = "policy"
    ADMIN = "admin"


class ChangeKind(StrEnum):
    """What changed a level."""

    FINDING = "finding"
    EXCEPTION = "exception"
    EXPIRY = "expiry"
    SETTINGS = "settings"
    RESET = "reset"
    RULE = "rule"

    @property
    def cause(self) -> Cause:
        """The cause, as receivers get it."""
        return Cause.ADMIN if self in (ChangeKind.EXCEPTION, ChangeKind.SETTINGS, ChangeKind.RESET) else Cause.POLICY


class Standing(Struct, frozen=True, kw_only=True):
    """The current risk of a user.

    Attributes:
        level: None if the user has no risk.
        triggered: the behaviors recorded since the last reset, each while it was enabled.
        event_count: the number of findings recorded since the last reset.
        last_event_at: the time of the latest of these findings; None: no finding.
        resets: the number of resets. Each finding has the number at which it was recorded.
        last_reset_at: None: never.
        triggered_at: the time of the latest finding of each triggered behavior. Behaviors that an older version
            recorded may be missing.
        changed_at: the time of the last level change; None: none is known.
        next_change_at: the time at which the level must be decided again; None: it does not change with time.
        holding: the account's rules that hold for the user, each with the time since which it does.
    """

    user_id: UserId
    email: str
    name: str | None
    level: RiskLevel | None
    triggered: frozenset[BehaviorId]
    event_count: int = 0
    last_event_at: datetime | None = None
    resets: int = 0
    last_reset_at: datetime | None = None
    triggered_at: Mapping[BehaviorId, datetime] = {}
    changed_at: datetime | None = None
    next_change_at: datetime | None = None
    holding: Mapping[RuleId, datetime] = {}

    @property
    def email_key(self) -> str:
        """The key of the user within the account: references with the same key are one user."""
        return user_key(self.email)


class LevelChange(Struct, frozen=True, kw_only=True):
    """A change of a user's risk level.

    Attributes:
        behaviors: the behaviors that cause the current level; empty if there is none.
        reason: for people: their names, the rules, that findings have expired or exceptions have changed; empty after a
            reset.
        changed_at: the time of the decision, aware UTC.
        note: the text of the person who changed the level; None: no text.
        kind, findings, rule, rules, actor: for the history of the level, not for the receivers.
        findings: the first findings that the decision recorded of *behaviors*, or that *rules* used, at most
            MAX_NAMED_FINDINGS.
        rule: the id of the bulk reset that made the change; None: there is none.
        rules: the rules that give the current level, or gave the previous one if the change is their end.
        revoking: the rules because of which the user's sessions are revoked. The level can be the same as before.
        actor: the name of the person's token; None: no person made the change.
    """

    user_id: UserId
    email: str
    previous: RiskLevel | None
    current: RiskLevel | None
    behaviors: tuple[BehaviorId, ...]
    reason: str
    cause: Cause
    changed_at: datetime
    note: str | None = None
    kind: ChangeKind = ChangeKind.FINDING
    findings: tuple[FindingId, ...] = ()
    rule: str | None = None
    rules: tuple[NamedRule, ...] = ()
    revoking: tuple[NamedRule, ...] = ()
    actor: str | None = None


def level_of(standing: Standing, rules: LevelRules) -> RiskLevel | None:
    """Return the level that the user's findings have now: the highest as which any triggered behavior counts.

    Rule: contract 22.
    """
    return _level(standing, rules.for_user(standing.email_key))


def with_findings(
    standing: Standing, found: Mapping[BehaviorId, datetime], rules: LevelRules, at: datetime
) -> Standing:
    """Return the standing after behaviors were triggered.

    The same findings in any order, in one batch or many, give the same standing. More findings never lower a level.
    If levels change with time, only `decided_again` lowers one.

    Args:
        found: the time of the latest finding of each behavior. All are enabled; the caller has dropped the others.
        at: the time of the decision.
    """
    known = standing.triggered_at
    later = {one: when for one, when in found.items() if one not in known or known[one] < when}
    if not later and standing.triggered.issuperset(found):
        changed = standing
    else:
        changed = _with(standing, triggered=standing.triggered.union(found), triggered_at={**known, **later})
    if rules.exceptions:
        rules = rules.for_user(standing.email_key)
    level = _level(changed, rules)
    if rules.as_of is not None:
        level = _higher(level, standing.level)
    # The caller has counted the findings already. If the only one is quiet, the rules need not see it.
    is_only = standing.event_count == 1 and not standing.holding
    is_quiet = is_only and bool(found) and rules.quiet.issuperset(found)
    next_look = None if is_quiet else look_soon(standing.next_change_at, found, rules)
    return _at_level(changed, level, rules, at, next_look=next_look)


def decided_again(standing: Standing, rules: LevelRules, at: datetime, looked: Looked | None = None) -> Standing:
    """Return the standing after the rules or the time have changed. Its level may be lower.

    A lower level waits until the shortest time between two events has passed.

    Args:
        at: the time of the decision.
        looked: what the account's rules say now; None: they were not evaluated, so those that held still do.
    """
    rules = rules.for_user(standing.email_key)
    if looked is not None and looked.holding != standing.holding:
        standing = replace(standing, holding=looked.holding)
    level = _level(standing, rules)
    if _waits(standing, rules):
        level = _higher(level, standing.level)
    next_look = not_looked(standing.next_change_at, rules) if looked is None else looked.next_look
    return _at_level(standing, level, rules, at, next_look=next_look)


def with_latest(standing: Standing, latest: Mapping[BehaviorId, datetime], rules: LevelRules) -> Standing:
    """Return the standing with the times of the latest findings, as they were read from the store.

    The level stays. If it rests on findings that have been replaced, it is decided again at once.

    Args:
        latest: the time of the latest stored finding of each behavior.
    """
    times = {**standing.triggered_at, **latest}
    if times == standing.triggered_at:
        return standing
    counted = _with(standing, triggered=standing.triggered, triggered_at=times)
    rules = rules.for_user(standing.email_key)
    return _at_level(
        counted, standing.level, rules, standing.changed_at, next_look=not_looked(standing.next_change_at, rules)
    )


def _level(standing: Standing, rules: LevelRules) -> RiskLevel | None:
    own = level_of_behaviors(standing, rules)
    return _higher(own, rules.policies.level_of(standing.holding)) if standing.holding else own


def level_of_behaviors(standing: Standing, rules: LevelRules) -> RiskLevel | None:
    """Return the highest level as which any triggered behavior counts now.

    Args:
        rules: the rules for this user.
    """
    if rules.covering is None and (rules.as_of is None or not rules.times.durations):
        # Nothing but the behaviors' levels counts: most accounts.
        return max((rules.behaviors[one].risk_level for one in standing.triggered), default=None)
    return max((level for level in levels_of(standing, rules).values() if level is not None), default=None)


def levels_of(standing: Standing, rules: LevelRules) -> dict[BehaviorId, RiskLevel | None]:
    """Return the level as which each triggered behavior counts now."""
    return {one: rules.level(one, _latest(standing, one)) for one in standing.triggered}


def _latest(standing: Standing, behavior: BehaviorId) -> datetime | None:
    return standing.triggered_at.get(behavior, standing.last_event_at)


def _higher(one: RiskLevel | None, other: RiskLevel | None) -> RiskLevel | None:
    return max((level for level in (one, other) if level is not None), default=None)


def _waits(standing: Standing, rules: LevelRules) -> bool:
    """Return whether a lower level has to wait for the shortest time between two events."""
    changed_at, now = standing.changed_at, rules.as_of
    if changed_at is None or now is None or changed_at > now + CLOCKS_APART:
        return False
    return now < changed_at + rules.times.between_events


def _at_level(
    standing: Standing, level: RiskLevel | None, rules: LevelRules, at: datetime | None, *, next_look: datetime | None
) -> Standing:
    """Return the standing with *level*, and with the times that follow from it."""
    changed_at = standing.changed_at if level == standing.level else at
    next_change_at = _earlier(_next_change(standing, level, changed_at, rules), next_look)
    if level == standing.level and next_change_at == standing.next_change_at:
        return standing
    return replace(standing, level=level, changed_at=changed_at, next_change_at=next_change_at)


def _with(
    standing: Standing, triggered: frozenset[BehaviorId], triggered_at: Mapping[BehaviorId, datetime]
) -> Standing:
    """Return the standing with other behaviors. `replace` costs twice as much (measured); each finding does this."""
    return Standing(
        user_id=standing.user_id,
        email=standing.email,
        name=standing.name,
        level=standing.level,
        triggered=triggered,
        event_count=standing.event_count,
        last_event_at=standing.last_event_at,
        resets=standing.resets,
        last_reset_at=standing.last_reset_at,
        triggered_at=triggered_at,
        changed_at=standing.changed_at,
        next_change_at=standing.next_change_at,
        holding=standing.holding,
    )


def _next_change(
    standing: Standing, level: RiskLevel | None, changed_at: datetime | None, rules: LevelRules
) -> datetime | None:
    """Return the time at which *level* must be decided again; None: it does not change with time.

    Args:
        rules: the rules for this user.
    """
    end = rules.covering.next_end() if rules.covering is not None and standing.triggered else None
    return _earlier(_lower_at(standing, level, changed_at, rules), end)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return one if other is None or (one is not None and one < other) else other


def _lower_at(
    standing: Standing, level: RiskLevel | None, changed_at: datetime | None, rules: LevelRules
) -> datetime | None:
    """Return the time at which *level* may become lower; None: it does not."""
    now = rules.as_of
    if level is None or now is None:
        return None
    if standing.holding and (rules.policies.level_of(standing.holding) or 0) >= level:
        return None
    due: datetime | None = None
    for behavior in standing.triggered:
        if (rules.own_level(behavior) or 0) >= level:
            end = rules.until(behavior, _latest(standing, behavior), level)
            if end is None:
                return None
            due = end if due is None else max(due, end)
    due = due or now
    if changed_at is None or not rules.times.between_events:
        return due
    return max(due, min(changed_at, now + CLOCKS_APART) + rules.times.between_events)


def with_events(standing: Standing, times: Collection[datetime]) -> Standing:
    """Return the standing after findings at *times* were recorded, in any order.

    Args:
        times: the time of each finding.

    Rule: contract 19 (event_count, last_event).
    """
    last = standing.last_event_at
    for at in times:
        if last is None or at > last:
            last = at
    return replace(standing, event_count=standing.event_count + len(times), last_event_at=last)


def after_reset(standing: Standing, at: datetime) -> Standing:
    """Return the standing of a user after a person has cleared the risk.

    Rule: contract 21.
    """
    return replace(
        standing,
        triggered=frozenset(),
        triggered_at={},
        level=None,
        event_count=0,
        last_event_at=None,
        resets=standing.resets + 1,
        last_reset_at=at,
        changed_at=standing.changed_at if standing.level is None else at,
        next_change_at=None,
        holding={},
    )
