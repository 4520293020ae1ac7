"""Accept activity, detect behaviors, decide levels, queue security events."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from riskrelay.actions.admitting import Admitted, admit, learn
from riskrelay.actions.applying import apply
from riskrelay.actions.computing import compute, compute_for
from riskrelay.actions.deciding_activity import Decided, Gathered, Request, decide_activity
from riskrelay.actions.detecting import PURGED_AT_ONCE, purge, read_stored, windows_of
from riskrelay.actions.giving_way import give_way, in_steps, stepwise
from riskrelay.actions.large_writes import LARGE, write_in_parts, write_users
from riskrelay.actions.record_findings import record_findings
from riskrelay.actions.recording import (
    assign_ids,
    by_users,
    find_users,
    refuse_future,
    refuse_reused,
    refuse_surplus_users,
)
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Faults, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import Activity, ActivityId, Timing, timing
from riskrelay.core.risk.assessment import LevelChange, Standing
from riskrelay.core.risk.exemptions import Exemption
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import Ids, RecordedActivity, RecordedFinding, Services, Transaction, Writes

_TRIES = 3  # guessed: tries when other requests change the inputs of a decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRecorded:
    """The result of a batch of activity.

    Attributes:
        accepted: the number of stored activities.
        duplicates: the number of repeats of stored activity.
        ignored: the number of activities whose behavior is not enabled, and of exempt logins.
        late: the number of activities older than the account allows, which are not used.
        findings: one finding for each episode that began with this batch, with its user.
        changes: at most one per user: from the level before the batch to the level after it.
        exempt: the reason of each exempt login, by place in the request.
    """

    accepted: int
    duplicates: int
    ignored: int
    late: int
    findings: Sequence[tuple[RecordedFinding, Standing]]
    changes: Sequence[LevelChange]
    exempt: Mapping[int, Exemption] = field(default_factory=dict)


class _Changed(Exception):
    """The inputs of a decision have changed."""


class _TooMuch(Exception):
    """The stored activity is too much to compare in a writing transaction."""


async def record_activity(services: Services, account_id: AccountId, sent: Mapping[int, Activity]) -> ActivityRecorded:
    """Store activity, all or none, and record the behaviors detected in it like findings. It is durable on return.

    For each user whose risk level changes, a security event is queued on every stream that takes it.

    A small request is read, decided and written in one transaction. If it must be compared with much stored activity,
    it is decided before the writing transaction, which only checks that the inputs have not changed. A large request
    is written in parts.

    Args:
        sent: the activity by place in the request, in any order of time.

    Raises:
        Invalid: an activity is in the future, an id was used before with another body, or a user id does not match
            its e-mail; pointers start with the place.
        Unavailable: the store refused; nothing was recorded.
    Rule: contract 18 imp_travel, high_dlp; contract 22.
    """
    now = services.clock.now()
    await compute_for(
        len(sent), lambda: refuse_future({place: one.seen.at for place, one in in_steps(sent.items())}, now)
    )
    admitted = await admit(services, account_id, sent)
    request = await compute_for(len(sent), partial(_request, admitted, services))
    if len(request.distinct) > LARGE:
        recorded = await _record_in_parts(services, account_id, request)
    else:
        recorded, queued = await _record(services, account_id, request)
        services.wake(queued)
    recorded = await _with_exempt(services, account_id, recorded, admitted)
    services.metrics.count_activity(recorded.accepted, recorded.duplicates, recorded.ignored, recorded.late)
    services.metrics.count_findings(len(recorded.findings), 0, 0)
    services.finding_counts.note(account_id, Counter(found.behavior for found, _ in recorded.findings), request.now)
    return recorded


async def _with_exempt(
    services: Services, account_id: AccountId, recorded: ActivityRecorded, admitted: Admitted
) -> ActivityRecorded:
    """Record the findings of exempt logins, and store the places of the other logins.

    This comes last, in separate transactions. Each can be repeated, so a client completes an interrupted request by
    sending it again.
    """
    changes = recorded.changes
    if admitted.anonymous:
        changes = _joined([*changes, *(await record_findings(services, account_id, admitted.anonymous)).changes])
    await learn(services, account_id, admitted)
    return replace(recorded, ignored=recorded.ignored + len(admitted.exempt), changes=changes, exempt=admitted.exempt)


def _joined(changes: Iterable[LevelChange]) -> list[LevelChange]:
    """Merge the changes of each user into one, in the order of the users' first changes."""
    joined: dict[UserId, LevelChange] = {}
    for change in changes:
        before = joined.get(change.user_id, change).previous
        joined[change.user_id] = msgspec.structs.replace(change, previous=before)
    return [change for change in joined.values() if change.previous != change.current]


def _request(admitted: Admitted, services: Services) -> Request:
    """Build the request, with ids for the activity that is not late.

    Raises: Invalid: one id has two bodies.
    """
    now, sent, lateness = services.clock.now(), admitted.sent, admitted.limits.lateness
    timely = {
        place: activity
        for place, activity in in_steps(sent.items())
        if timing(activity.seen.at, now, lateness) is not Timing.LATE
    }
    distinct = assign_ids(
        {place: (activity.activity_id, activity.digest) for place, activity in in_steps(timely.items())}, services.ids
    )
    return Request(sent=sent, timely=len(timely), distinct=distinct, now=now)


async def _record(
    services: Services, account_id: AccountId, request: Request
) -> tuple[ActivityRecorded, list[WokenLane]]:
    """Record *request* in one transaction if little must be compared, otherwise decide before the transaction."""
    ids = services.ids

    def refuse_surplus(gathered: Gathered) -> None:
        users = {place: activity.user for place, activity in gathered.enabled.items()}
        refuse_surplus_users(users, gathered.found.new, services.user_counts.get(account_id), services.quotas.users)

    def at_once(tx: Transaction, *, refusing_much: bool = False) -> tuple[ActivityRecorded, list[WokenLane]]:
        gathered = _gather(tx, request, ids)
        refuse_surplus(gathered)
        much = len(gathered.fresh) + gathered.stored.rows > LARGE
        if much and refusing_much:
            raise _TooMuch
        decide = partial(decide_activity, gathered)
        return write(tx, tx.compute(decide) if much else decide())

    def write(tx: Transaction, decided: Decided) -> tuple[ActivityRecorded, list[WokenLane]]:
        purge(tx, decided.gathered.limits, request.now, PURGED_AT_ONCE)
        return _recorded(request, [decided]), apply(tx, decided.writes, services)

    def unchanged(tx: Transaction, decided: Decided) -> tuple[ActivityRecorded, list[WokenLane]]:
        _refuse_changed(tx, decided.gathered)
        return write(tx, decided)

    try:
        return await write_users(services, account_id, partial(at_once, refusing_much=True))
    except _TooMuch:
        pass
    for _ in range(_TRIES):
        gathered = await services.store.read(account_id, lambda tx: _gather(tx, request, ids))
        refuse_surplus(gathered)
        decided = await compute(partial(decide_activity, gathered))
        try:
            return await write_users(services, account_id, partial(unchanged, decided=decided))
        except _Changed:
            continue
    return await write_users(services, account_id, at_once)


async def _record_in_parts(services: Services, account_id: AccountId, request: Request) -> ActivityRecorded:
    """Record a large request, a group of users at a time, but all or none.

    Raises: Invalid; Unavailable.
    """
    everything: list[Decided] = []
    groups = await compute(
        lambda: list(by_users({place: request.sent[place].user for place in in_steps(request.distinct)}))
    )

    async def decided() -> AsyncIterator[Writes]:
        faults = Faults()
        for places in groups:
            some = replace(request, distinct={place: request.distinct[place] for place in places})
            await give_way()
            try:
                gathered = await services.store.read(
                    account_id,
                    stepwise(lambda tx, some=some: _gather(tx, some, services.ids)),
                )
            except Invalid as error:
                faults.extend(error.faults, error.more)
                continue
            everything.append(await compute(partial(decide_activity, gathered)))
            yield everything[-1].writes
        faults.refuse()
        new = {key for some in everything for key in some.gathered.found.new}
        if new:
            users = {place: one.user for some in everything for place, one in some.gathered.enabled.items()}
            refuse_surplus_users(users, new, services.user_counts.get(account_id), services.quotas.users)

    await write_in_parts(services, account_id, decided, lambda tx: None)
    await _delete_old_places(services, account_id, 2 * len(request.sent))
    return _recorded(request, everything)


async def _delete_old_places(services: Services, account_id: AccountId, most: int) -> None:
    """Delete old activity, up to twice the size of a large request, in short transactions."""

    def some(tx: Transaction) -> int:
        return purge(tx, tx.detection.limits(), services.clock.now(), PURGED_AT_ONCE)

    deleted = 0
    while deleted < most and (more := await services.store.write(account_id, some)):
        deleted += more


def _recorded(request: Request, decided: Sequence[Decided]) -> ActivityRecorded:
    """Return the result of a request from the decisions about its parts."""
    accepted = sum(len(one.writes.activity) for one in decided)
    ignored = len(request.distinct) - sum(len(one.gathered.enabled) for one in decided)
    return ActivityRecorded(
        accepted=accepted,
        duplicates=request.timely - ignored - accepted,
        ignored=ignored,
        late=len(request.sent) - request.timely,
        findings=[started for one in decided for started in one.started],
        changes=[change for one in decided for change in one.changes],
    )


def _gather(tx: Transaction, request: Request, ids: Ids) -> Gathered:
    """Read the inputs of the decision about *request*.

    Raises: Invalid: an id is stored with another body, or a user id does not match its e-mail.
    """
    rules, limits = tx.levels.rules(), tx.detection.limits()
    is_large = len(request.distinct) > LARGE  # of one user, because others are in groups of a few hundred

    def named() -> tuple[dict[int, Activity], dict[int, str], dict[int, ActivityId]]:
        enabled = {
            place: request.sent[place]
            for place in in_steps(request.distinct)
            if rules.behaviors[request.sent[place].behavior].enabled
        }
        keys = {place: activity.user.email_key for place, activity in in_steps(enabled.items())}
        given = {
            place: ActivityId(request.distinct[place])
            for place, activity in in_steps(enabled.items())
            if activity.activity_id is not None
        }
        return enabled, keys, given

    enabled, keys, given = tx.compute(stepwise(named)) if is_large else named()
    found = find_users(tx, {place: activity.user for place, activity in in_steps(enabled.items())}, ids.ordered_uuid)
    rules = tx.levels.with_groups(rules, found.standings)
    digests = tx.activities.digests(given.values())
    repeated = {place: (given[place], enabled[place].digest) for place in in_steps(given) if given[place] in digests}
    refuse_reused(repeated, digests)

    def recorded() -> dict[int, RecordedActivity]:
        return {
            place: RecordedActivity(
                activity_id=ActivityId(request.distinct[place]),
                user_id=found.standings[keys[place]].user_id,
                seen=activity.seen,
                digest=activity.digest,
            )
            for place, activity in in_steps(enabled.items())
            if place not in repeated
        }

    fresh = tx.compute(stepwise(recorded)) if is_large else recorded()
    return Gathered(
        request=request,
        rules=rules,
        limits=limits,
        found=found,
        enabled=enabled,
        keys=keys,
        fresh=fresh,
        stored=read_stored(tx, list(fresh.values()), limits),
    )


def _refuse_changed(tx: Transaction, gathered: Gathered) -> None:
    """Check that the inputs of a decision have not changed.

    Raises: _Changed.
    """
    known = tx.users.find(gathered.users)  # locks the users, so that their activity does not change before the commit
    before = {key: one for key, one in gathered.found.standings.items() if key not in gathered.found.new}
    fresh = list(gathered.fresh.values())
    given = [
        one.activity_id for place, one in gathered.fresh.items() if gathered.enabled[place].activity_id is not None
    ]
    if (
        known != before
        or tx.levels.with_groups(tx.levels.rules(), gathered.found.standings) != gathered.rules
        or tx.detection.limits() != gathered.limits
        or tx.activities.digests(given)
        or windows_of(tx, fresh, gathered.limits) != gathered.stored.windows
        or {one.finding_id: one for one in tx.findings.get(gathered.stored.findings)} != gathered.stored.findings
    ):
        raise _Changed
