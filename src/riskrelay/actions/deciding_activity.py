"""What follows from a request of activity: decided before anything is written."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from riskrelay.actions.detecting import Decision, Detecting, Stored, decide
from riskrelay.actions.recording import Found, latest_name
from riskrelay.core import signals
from riskrelay.core.risk.activity import Activity, ActivityId
from riskrelay.core.risk.assessment import Cause, LevelChange, Standing, level_change, with_findings
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import FindingId, UserId, UserRef
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Ids, RecordedActivity

Tallies = Mapping[UserId, tuple[int, datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A batch of activity.

    Attributes:
        sent: by place in the request.
        timely: how many are not late.
        distinct: the id of each timely one by place; of those that repeat an id the first only.
        now: when it arrived.
    """

    sent: Mapping[int, Activity]
    timely: int
    distinct: Mapping[int, str]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the decision about a request follows from.

    Attributes:
        enabled: by place, the activity whose behavior is enabled.
        keys: by place, the email_key of its user.
        fresh: by place, what is to be stored: it is there not yet.
        streams: those that take events.
    """

    request: Request
    settings: Mapping[BehaviorId, BehaviorSetting]
    limits: TravelLimits
    found: Found
    enabled: Mapping[int, Activity]
    keys: Mapping[int, str]
    fresh: Mapping[int, RecordedActivity]
    streams: Sequence[Stream]
    stored: Stored

    @property
    def users(self) -> list[UserRef]:
        """One reference to each user."""
        return list({key: self.enabled[place].user for place, key in self.keys.items()}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How users' standings change.

    Attributes:
        standings: after the request, of the users about whom something is new.
        signals: the security events to queue.
    """

    standings: Sequence[Standing]
    changes: Sequence[LevelChange]
    signals: Sequence[Signal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is to be written.

    Attributes:
        rows: the activity to add, with its episodes.
        joined: stored activity that belongs to an episode from now on.
        tallies: of the users with new findings, how many they are expected to have then; *steps* follow from that.
    """

    gathered: Gathered
    decision: Decision
    rows: Sequence[RecordedActivity]
    joined: Mapping[ActivityId, FindingId]
    tallies: Tallies
    steps: Steps


def decide_activity(gathered: Gathered, ids: Ids) -> Decided:
    """Decide what follows from a request."""
    standings = {standing.user_id: standing for standing in gathered.found.standings.values()}
    fresh = list(gathered.fresh.values())
    detecting = Detecting(
        standings=standings, settings=gathered.settings, limits=gathered.limits, now=gathered.request.now
    )
    decision = decide(gathered.stored, fresh, detecting)
    rows = [one if one.activity_id not in decision.joined else one.joining(decision.joined) for one in fresh]
    added = {one.activity_id for one in fresh}
    tallies = _expected(decision, standings, gathered.stored)
    return Decided(
        gathered=gathered,
        decision=decision,
        rows=rows,
        joined={member: episode for member, episode in decision.joined.items() if member not in added},
        tallies=tallies,
        steps=steps_of(gathered, decision, tallies, gathered.streams, ids=ids),
    )


def steps_of(gathered: Gathered, decision: Decision, tallies: Tallies, streams: Sequence[Stream], ids: Ids) -> Steps:
    """Decide how the standings of users change about whom something is new, in the order they appeared.

    Args:
        tallies: how many findings the users with new ones have, and when the latest was.
        streams: those that take events.
    """
    behaviors: dict[UserId, set[BehaviorId]] = defaultdict(set)
    for one in decision.detected:
        behaviors[one.finding.user_id].add(one.finding.behavior)
    references: dict[str, list[UserRef]] = defaultdict(list)
    for place in gathered.fresh:
        references[gathered.keys[place]].append(gathered.enabled[place].user)
    steps: list[tuple[Standing, Standing]] = []
    for key, users in references.items():
        old = gathered.found.standings[key]
        new = replace(old, name=latest_name(users, old.name))
        if old.user_id in behaviors:
            count, last = tallies[old.user_id]
            new = with_findings(new, behaviors[old.user_id], gathered.settings)
            new = replace(new, event_count=count, last_event_at=last)
        if new != old:
            steps.append((old, new))
    moved = [level_change(old, new, gathered.settings, Cause.POLICY, at=gathered.request.now) for old, new in steps]
    changes = [change for change in moved if change is not None]
    queued = signals.for_changes(changes, streams, ids.uuid)
    return Steps(standings=[new for _, new in steps], changes=changes, signals=queued)


def _expected(decision: Decision, standings: Mapping[UserId, Standing], stored: Stored) -> Tallies:
    """The findings that users with new ones will most likely have: a merge can take the latest away, and the
    transaction that writes sees that."""
    more: Counter[UserId] = Counter()
    last: dict[UserId, datetime] = {}
    for one in decision.detected:
        user_id, at = one.finding.user_id, one.finding.occurred_at
        more[user_id] += one.finding.finding_id not in stored.findings
        last[user_id] = max(last.get(user_id, at), at, standings[user_id].last_event_at or at)
    for finding_id in decision.replaced:
        more[stored.findings[finding_id].user_id] -= 1
    return {user_id: (standings[user_id].event_count + more[user_id], at) for user_id, at in last.items()}
