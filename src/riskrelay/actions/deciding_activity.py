"""Decide the results of a request of activity, before anything is written."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from riskrelay.actions.detecting import Decision, Detecting, Stored, decide
from riskrelay.actions.giving_way import in_steps
from riskrelay.actions.recording import Found, latest_name, latest_of, to_trim
from riskrelay.core.risk.activity import LOGIN_BEHAVIOR, Activity
from riskrelay.core.risk.assessment import ChangeKind, LevelChange, Standing, with_findings
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import FindingId, UserId, UserRef
from riskrelay.core.risk.rules import LevelRules
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.risk.travel import journey_of
from riskrelay.ports import RecordedActivity, RecordedFinding, Writes

Tallies = Mapping[UserId, tuple[int, datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A batch of activity.

    Attributes:
        sent: the activity by place in the request.
        timely: the number of activities that are not late.
        distinct: the id of each activity that is not late, by place; of repeated ids only the first.
        now: the time at which the request arrived.
    """

    sent: Mapping[int, Activity]
    timely: int
    distinct: Mapping[int, str]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The inputs of the decision about a request.

    Attributes:
        enabled: the activity whose behavior is enabled, by place.
        keys: the email_key of its user, by place.
        fresh: the activity to store, by place.
    """

    request: Request
    rules: LevelRules
    limits: TravelLimits
    found: Found
    enabled: Mapping[int, Activity]
    keys: Mapping[int, str]
    fresh: Mapping[int, RecordedActivity]
    stored: Stored

    @property
    def users(self) -> list[UserRef]:
        """One reference to each user."""
        return list({key: self.enabled[place].user for place, key in self.keys.items()}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decision about a request: the rows to write.

    Attributes:
        started: findings of new episodes, each with its user.
        changes: at most one for each user.
    """

    gathered: Gathered
    writes: Writes
    started: Sequence[tuple[RecordedFinding, Standing]]
    changes: Sequence[LevelChange]


def decide_activity(gathered: Gathered) -> Decided:
    """Decide the results of a request."""
    standings = {standing.user_id: standing for standing in gathered.found.standings.values()}
    fresh = list(gathered.fresh.values())
    detecting = Detecting(standings=standings, rules=gathered.rules, limits=gathered.limits, now=gathered.request.now)
    decision = decide(gathered.stored, fresh, detecting)
    added = {one.activity_id for one in in_steps(fresh)}
    tallies = _expected(decision, standings, gathered.stored)
    steps = _steps(gathered, decision, tallies)
    named: dict[UserId, list[tuple[BehaviorId, FindingId]]] = defaultdict(list)
    for one in decision.detected:
        named[one.finding.user_id].append((one.finding.behavior, one.finding.finding_id))
    now = gathered.request.now
    moved = [
        level_change(old, new, gathered.rules, ChangeKind.FINDING, at=now, recorded=named[new.user_id])
        for old, new in steps
    ]
    changes = [change for change in moved if change is not None]
    if gathered.limits.cities_in_reason:
        changes = _with_cities(changes, decision)
    new_users = gathered.found.new
    changed = {new.email_key: new for _, new in steps}
    saved = [new for key, new in changed.items() if key not in new_users]
    writes = Writes(
        new_users=[changed.get(key, gathered.found.standings[key]) for key in new_users],
        replaced=decision.replaced,
        detected=[one.finding for one in decision.detected],
        joined={member: episode for member, episode in decision.joined.items() if member not in added},
        activity=[
            one.joining(decision.joined) if one.activity_id in decision.joined else one for one in in_steps(fresh)
        ],
        standings=saved,
        tallied=tallies.keys() & {one.user_id for one in saved},
        trimmed=to_trim(steps),
        changes=changes,
    )
    started = [(one.finding, standings[one.finding.user_id]) for one in decision.detected if one.started]
    return Decided(gathered=gathered, writes=writes, started=started, changes=changes)


def _with_cities(changes: Sequence[LevelChange], decision: Decision) -> list[LevelChange]:
    """Add the cities of impossible travel to the reason for receivers, if the cities are known."""
    travels: dict[UserId, str] = {}
    for one in decision.detected:
        if one.finding.behavior == LOGIN_BEHAVIOR and one.finding.details_json is not None:
            words = journey_of(msgspec.json.decode(one.finding.details_json)).words
            if words is not None:
                travels[one.finding.user_id] = words
    return [
        replace(change, reason=f"{change.reason} ({travels[change.user_id]})")
        if LOGIN_BEHAVIOR in change.behaviors and change.user_id in travels
        else change
        for change in changes
    ]


def _steps(gathered: Gathered, decision: Decision, tallies: Tallies) -> list[tuple[Standing, Standing]]:
    """Return the standings, before and after, of users with new activity or findings, in order of appearance."""
    found: dict[UserId, list[tuple[BehaviorId, datetime]]] = defaultdict(list)
    for one in decision.detected:
        found[one.finding.user_id].append((one.finding.behavior, one.finding.occurred_at))
    references: dict[str, list[UserRef]] = defaultdict(list)
    for place in in_steps(gathered.fresh):
        references[gathered.keys[place]].append(gathered.enabled[place].user)
    steps: list[tuple[Standing, Standing]] = []
    for key, users in references.items():
        old = gathered.found.standings[key]
        new = replace(old, name=latest_name(users, old.name))
        if old.user_id in found:
            count, last = tallies[old.user_id]
            new = replace(new, event_count=count, last_event_at=last)
            new = with_findings(new, latest_of(found[old.user_id]), gathered.rules, gathered.request.now)
        if new != old or old.user_id in found:  # the count can change even if the standing does not
            steps.append((old, new))
    return steps


def _expected(decision: Decision, standings: Mapping[UserId, Standing], stored: Stored) -> Tallies:
    """Return the expected number of findings, and the time of the latest, of users with new findings.

    A merge can remove the latest finding, so the transaction that writes counts again.
    """
    more: Counter[UserId] = Counter()
    last: dict[UserId, datetime] = {}
    for one in decision.detected:
        user_id, at = one.finding.user_id, one.finding.occurred_at
        more[user_id] += one.finding.finding_id not in stored.findings
        last[user_id] = max(last.get(user_id, at), at, standings[user_id].last_event_at or at)
    for finding_id in decision.replaced:
        more[stored.findings[finding_id].user_id] -= 1
    return {user_id: (standings[user_id].event_count + more[user_id], at) for user_id, at in last.items()}
