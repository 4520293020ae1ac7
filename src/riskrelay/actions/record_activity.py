"""Accept activity, find the behaviors that follow from it, decide levels, queue security events: one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from riskrelay.actions.admitting import Admitted, admit, learn
from riskrelay.actions.computing import compute
from riskrelay.actions.deciding_activity import Decided, Gathered, Request, decide_activity, steps_of
from riskrelay.actions.detecting import purge, read_stored, windows_of
from riskrelay.actions.record_findings import record_findings
from riskrelay.actions.recording import (
    find_users,
    once,
    refuse_future,
    refuse_reused,
    refuse_surplus_users,
    trim_findings,
)
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import Activity, ActivityId, Timing, timing
from riskrelay.core.risk.assessment import LevelChange, Standing
from riskrelay.core.risk.behaviors import settings_with
from riskrelay.core.risk.exemptions import Exemption
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import Ids, Outside, RecordedActivity, RecordedFinding, Transaction

_FEW = 200  # guessed: some milliseconds; more activity, fresh or stored, is compared outside the transaction
_TRIES = 3  # guessed: so often other requests may change what a decision followed from


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRecorded:
    """What became of a batch of activity.

    Attributes:
        accepted: stored now.
        duplicates: repeats of activity that is stored already; harmless.
        ignored: of kinds whose behavior the account has not enabled, and logins that take no part.
        late: older than the account allows; not used.
        findings: one for each episode that began with this batch, with the user it is about.
        changes: at most one per user: from the level before the batch to the level after it.
        exempt: by place in the request, why a login takes no part.
    """

    accepted: int
    duplicates: int
    ignored: int
    late: int
    findings: Sequence[tuple[RecordedFinding, Standing]]
    changes: Sequence[LevelChange]
    exempt: Mapping[int, Exemption] = field(default_factory=dict)


class _Changed(Exception):
    """What a decision followed from is no longer so."""


class _TooMuch(Exception):
    """There is too much to compare for a transaction that writes."""


async def record_activity(outside: Outside, account_id: AccountId, sent: Mapping[int, Activity]) -> ActivityRecorded:
    """Store what was *sent*, and treat the behaviors that follow from it like findings: for each user whose risk level
    they move, queue a security event on every stream that takes it. All or nothing; durable when it returns.

    Little activity is read, decided and written in one transaction. Much is decided before the transaction that
    writes, which only checks that the decision still holds.

    Args:
        sent: by place in the request, in any order of time.

    Raises:
        Invalid: activity of the future, an id that was used before with another body, or a user id that does not fit
            its e-mail; pointers start with the place.
        Unavailable: the store refused; nothing was recorded.
    Rule: contract 18 imp_travel, high_dlp; contract 22.
    """
    refuse_future({place: activity.seen.at for place, activity in sent.items()}, outside.clock.now())
    admitted = await admit(outside, account_id, sent)
    request = _request(admitted, outside)
    recorded, queued = await _record(outside, account_id, request)
    outside.wake(queued)
    recorded = await _with_exempt(outside, account_id, recorded, admitted)
    outside.metrics.count_activity(recorded.accepted, recorded.duplicates, recorded.ignored, recorded.late)
    outside.metrics.count_findings(len(recorded.findings), 0, 0)
    outside.finding_counts.note(account_id, Counter(found.behavior for found, _ in recorded.findings), request.now)
    return recorded


async def _with_exempt(
    outside: Outside, account_id: AccountId, recorded: ActivityRecorded, admitted: Admitted
) -> ActivityRecorded:
    """Record what follows from the logins that take no part, and remember the places of those that do.

    It is done after the rest, in transactions of its own: each is harmless to repeat, so a request that ends between
    them is made whole by sending it again.
    """
    changes = recorded.changes
    if admitted.anonymous:
        changes = _joined([*changes, *(await record_findings(outside, account_id, admitted.anonymous)).changes])
    await learn(outside, account_id, admitted)
    return replace(recorded, ignored=recorded.ignored + len(admitted.exempt), changes=changes, exempt=admitted.exempt)


def _joined(changes: Iterable[LevelChange]) -> list[LevelChange]:
    """Make one change of all those of one user, in the order of their first ones."""
    joined: dict[UserId, LevelChange] = {}
    for change in changes:
        before = joined.get(change.user_id, change).previous
        joined[change.user_id] = msgspec.structs.replace(change, previous=before)
    return [change for change in joined.values() if change.previous != change.current]


def _request(admitted: Admitted, outside: Outside) -> Request:
    """Number what is not late.

    Raises: Invalid: one id has two bodies.
    """
    now, sent, lateness = outside.clock.now(), admitted.sent, admitted.limits.lateness
    timely = {
        place: activity
        for place, activity in sent.items()
        if timing(activity.seen.at, now, lateness) is not Timing.LATE
    }
    distinct = once({place: (activity.activity_id, activity.digest) for place, activity in timely.items()}, outside.ids)
    return Request(sent=sent, timely=len(timely), distinct=distinct, now=now)


async def _record(outside: Outside, account_id: AccountId, request: Request) -> tuple[ActivityRecorded, list[LaneKey]]:
    """Record *request* in one transaction when there is little to compare, else decide before the transaction."""
    ids, keep = outside.ids, outside.quotas.findings_per_user

    def refuse_surplus(gathered: Gathered) -> None:
        users = {place: activity.user for place, activity in gathered.enabled.items()}
        refuse_surplus_users(users, gathered.found.new, outside.user_counts.get(account_id), outside.quotas.users)

    def at_once(tx: Transaction, *, refusing_much: bool = False) -> tuple[ActivityRecorded, list[LaneKey]]:
        gathered = _gather(tx, request, ids)
        refuse_surplus(gathered)
        much = len(gathered.fresh) + gathered.stored.rows > _FEW
        if much and refusing_much:
            raise _TooMuch
        decide = partial(decide_activity, gathered, ids)
        return _write(tx, tx.compute(decide) if much else decide(), ids, keep)

    if len(request.distinct) <= _FEW:
        try:
            return await outside.store.write(account_id, partial(at_once, refusing_much=True))
        except _TooMuch:
            pass
    for _ in range(_TRIES):
        gathered = await outside.store.read(account_id, lambda tx: _gather(tx, request, ids))
        refuse_surplus(gathered)
        decided = await compute(partial(decide_activity, gathered, ids))
        try:
            return await outside.store.write(account_id, partial(_write_unchanged, decided=decided, ids=ids, keep=keep))
        except _Changed:
            continue
    return await outside.store.write(account_id, at_once)


def _gather(tx: Transaction, request: Request, ids: Ids) -> Gathered:
    """Read what the decision about *request* follows from.

    Raises: Invalid: an id is there already with another body, or a user id does not fit its e-mail.
    """
    settings, limits = settings_with(tx.behaviors.stored()), tx.detection.limits()
    enabled = {
        place: request.sent[place] for place in request.distinct if settings[request.sent[place].behavior].enabled
    }
    found = find_users(tx, {place: activity.user for place, activity in enabled.items()}, ids.ordered_uuid)
    keys = {place: activity.user.email_key for place, activity in enabled.items()}
    given = {
        place: ActivityId(request.distinct[place])
        for place, activity in enabled.items()
        if activity.activity_id is not None
    }
    digests = tx.activities.digests(given.values())
    repeated = {place: (given[place], enabled[place].digest) for place in given if given[place] in digests}
    refuse_reused(repeated, digests)
    fresh = {
        place: RecordedActivity(
            activity_id=ActivityId(request.distinct[place]),
            user_id=found.standings[keys[place]].user_id,
            seen=activity.seen,
            digest=activity.digest,
        )
        for place, activity in enabled.items()
        if place not in repeated
    }
    return Gathered(
        request=request,
        settings=settings,
        limits=limits,
        found=found,
        enabled=enabled,
        keys=keys,
        fresh=fresh,
        streams=tx.streams.taking_events(),
        stored=read_stored(tx, list(fresh.values()), limits),
    )


def _write_unchanged(tx: Transaction, decided: Decided, ids: Ids, keep: int) -> tuple[ActivityRecorded, list[LaneKey]]:
    """Write what was decided, if all that it followed from is still so.

    Raises: _Changed.
    """
    gathered = decided.gathered
    known = tx.users.find(gathered.users)  # locks them: their activity stays as it is until the commit
    before = {key: one for key, one in gathered.found.standings.items() if key not in gathered.found.new}
    fresh = list(gathered.fresh.values())
    given = [
        one.activity_id for place, one in gathered.fresh.items() if gathered.enabled[place].activity_id is not None
    ]
    if (
        known != before
        or settings_with(tx.behaviors.stored()) != gathered.settings
        or tx.detection.limits() != gathered.limits
        or tx.activities.digests(given)
        or windows_of(tx, fresh, gathered.limits) != gathered.stored.windows
        or {one.finding_id: one for one in tx.findings.get(gathered.stored.findings)} != gathered.stored.findings
    ):
        raise _Changed
    return _write(tx, decided, ids, keep)


def _write(tx: Transaction, decided: Decided, ids: Ids, keep: int) -> tuple[ActivityRecorded, list[LaneKey]]:
    """Write what was decided, and keep at most *keep* findings of each user, roughly."""
    gathered, decision = decided.gathered, decided.decision
    tx.users.add([gathered.found.standings[key] for key in gathered.found.new])
    tx.findings.replace(decision.replaced, [found.finding for found in decision.detected])
    tx.activities.join(decided.joined, decision.replaced)
    tx.activities.add(decided.rows)
    tallies, streams = tx.findings.tally(decided.tallies), tx.streams.taking_events()
    steps = decided.steps
    if tallies != decided.tallies or streams != gathered.streams:  # seldom; else it was decided before the transaction
        steps = steps_of(gathered, decision, tallies, streams, ids=ids)
    tx.users.save(steps.standings)
    trim_findings(tx, [(gathered.found.standings[one.email_key], one) for one in steps.standings], keep)
    queued = tx.events.queue(steps.signals)
    request = gathered.request
    purge(tx, gathered.limits, request.now, len(request.sent))
    ignored = len(request.distinct) - len(gathered.enabled)
    standings = {standing.user_id: standing for standing in gathered.found.standings.values()}
    recorded = ActivityRecorded(
        accepted=len(decided.rows),
        duplicates=request.timely - ignored - len(decided.rows),
        ignored=ignored,
        late=len(request.sent) - request.timely,
        findings=[(one.finding, standings[one.finding.user_id]) for one in decision.detected if one.started],
        changes=steps.changes,
    )
    return recorded, queued
