"""Accept activity, find the behaviors that follow from it, decide levels, queue security events: one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from riskrelay.actions.detecting import Detected, Detecting, detect, purge
from riskrelay.actions.recording import find_users, latest_name, once, refuse_future, refuse_reused, tell
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import Activity, ActivityId, Timing, timing
from riskrelay.core.risk.assessment import Cause, LevelChange, Standing, with_findings
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, settings_with
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import Outside, RecordedActivity, RecordedFinding, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRecorded:
    """What became of a batch of activity.

    Attributes:
        accepted: stored now.
        duplicates: repeats of activity that is stored already; harmless.
        ignored: of kinds whose behavior the account has not enabled.
        late: more than an hour old; not used.
        findings: one for each episode that began with this batch, with the user it is about.
        changes: at most one per user: from the level before the batch to the level after it.
    """

    accepted: int
    duplicates: int
    ignored: int
    late: int
    findings: Sequence[tuple[RecordedFinding, Standing]]
    changes: Sequence[LevelChange]


async def record_activity(outside: Outside, account_id: AccountId, sent: Mapping[int, Activity]) -> ActivityRecorded:
    """Store what was *sent*, and treat the behaviors that follow from it like findings: for each user whose risk level
    they move, queue a security event on every stream that takes it. All or nothing; durable when it returns.

    Args:
        sent: by place in the request, in any order of time.

    Raises:
        Invalid: activity of the future, an id that was used before with another body, or a user id that does not fit
            its e-mail; pointers start with the place.
        Unavailable: the store refused; nothing was recorded.
    Rule: contract 18 imp_travel, high_dlp; contract 22.
    """
    now = outside.clock.now()
    timely = _timely(sent, now)
    distinct = once({place: (activity.activity_id, activity.digest) for place, activity in timely.items()}, outside.ids)

    def store(tx: Transaction) -> tuple[ActivityRecorded, list[LaneKey]]:
        settings, limits = settings_with(tx.behaviors.stored()), tx.detection.limits()
        enabled = {place: sent[place] for place in distinct if settings[sent[place].behavior].enabled}
        found = find_users(tx, {place: activity.user for place, activity in enabled.items()}, outside.ids.ordered_uuid)
        before = found.standings
        tx.users.add([before[key] for key in found.new])
        rows = _stored(tx, {place: (ActivityId(distinct[place]), one) for place, one in enabled.items()}, before)
        standings = {standing.user_id: standing for standing in before.values()}
        detected = detect(
            tx, list(rows.values()), Detecting(standings=standings, settings=settings, limits=limits, now=now)
        )
        steps = _steps(tx, [enabled[place] for place in rows], before, detected, settings)
        tx.users.save([after for _, after in steps])
        changes, queued = tell(tx, steps, settings, Cause.POLICY, now, outside.ids)
        purge(tx, limits, now, len(sent))
        ignored = len(distinct) - len(enabled)
        started = [(one.finding, standings[one.finding.user_id]) for one in detected if one.started]
        duplicates = len(timely) - ignored - len(rows)
        late = len(sent) - len(timely)
        return ActivityRecorded(
            accepted=len(rows), duplicates=duplicates, ignored=ignored, late=late, findings=started, changes=changes
        ), queued

    recorded, queued = await outside.store.write(account_id, store)
    outside.wake(queued)
    outside.metrics.count_activity(recorded.accepted, recorded.duplicates, recorded.ignored, recorded.late)
    outside.metrics.count_findings(len(recorded.findings), 0, 0)
    outside.finding_counts.note(account_id, Counter(found.behavior for found, _ in recorded.findings), now)
    return recorded


def _timely(sent: Mapping[int, Activity], now: datetime) -> dict[int, Activity]:
    """What is not late.

    Raises: Invalid: something is of the future.
    """
    refuse_future({place: activity.seen.at for place, activity in sent.items()}, now)
    return {place: activity for place, activity in sent.items() if timing(activity.seen.at, now) is Timing.TIMELY}


def _stored(
    tx: Transaction, activities: Mapping[int, tuple[ActivityId, Activity]], before: Mapping[str, Standing]
) -> dict[int, RecordedActivity]:
    """Store what is not there yet.

    Returns: what was stored, by place.
    Raises: Invalid: an id is there already, with another body.
    """
    rows = {
        place: RecordedActivity(
            activity_id=activity_id, user_id=before[one.user.email_key].user_id, seen=one.seen, digest=one.digest
        )
        for place, (activity_id, one) in activities.items()
    }
    stored = tx.activities.add(list(rows.values()))
    repeated = {place: (row.activity_id, row.digest) for place, row in rows.items() if row.activity_id not in stored}
    refuse_reused(repeated, tx.activities.digests([activity_id for activity_id, _ in repeated.values()]))
    return {place: row for place, row in rows.items() if row.activity_id in stored}


def _steps(
    tx: Transaction,
    accepted: Iterable[Activity],
    before: Mapping[str, Standing],
    detected: Sequence[Detected],
    settings: Mapping[BehaviorId, BehaviorSetting],
) -> list[tuple[Standing, Standing]]:
    """The standings before and after of the users about whom something is new, in the order they appeared."""
    behaviors: dict[UserId, set[BehaviorId]] = defaultdict(set)
    for one in detected:
        behaviors[one.finding.user_id].add(one.finding.behavior)
    tallies = tx.findings.tally(behaviors)
    seen: dict[str, list[Activity]] = defaultdict(list)
    for activity in accepted:
        seen[activity.user.email_key].append(activity)
    steps: list[tuple[Standing, Standing]] = []
    for email_key, activities in seen.items():
        old = before[email_key]
        new = replace(old, name=latest_name((activity.user for activity in activities), old.name))
        if old.user_id in behaviors:
            count, last = tallies[old.user_id]
            new = with_findings(new, behaviors[old.user_id], settings)
            new = replace(new, event_count=count, last_event_at=last)
        if new != old:
            steps.append((old, new))
    return steps
