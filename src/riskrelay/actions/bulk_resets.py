"""Bulk resets: start, control, continue."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from msgspec.structs import replace as replace_change

from riskrelay.actions.applying import PART_ROWS, apply
from riskrelay.actions.large_writes import write_users
from riskrelay.actions.recording import to_trim
from riskrelay.core.audit import JOB_VERBS, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.jobs import JobStatus, must_change
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.assessment import ChangeKind, LevelChange, Standing, after_reset
from riskrelay.core.risk.bulk_resets import BulkReset, BulkResetFilter, BulkResetId
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.ports import Services, Transaction, Writes

PAUSE = timedelta(milliseconds=200)
"""The time between two steps of a bulk reset. Chosen: 500 users a second leave most of the database to findings."""

_AT_ONCE = 100  # guessed: bulk resets that one call continues, the oldest first
_KEPT = 1_000  # guessed: the newest bulk resets, among which unfinished ones are counted


async def start_bulk_reset(
    services: Services, account_id: AccountId, actor: Actor, wanted: BulkResetFilter, *, reason: str | None, total: int
) -> BulkReset:
    """Start to clear the risk of the users that match *wanted*. The chores do it, some users at a time.

    A user is reset if it matches when it is reached, and has no finding that was recorded after this call.

    Args:
        reason: as that of a single reset.
        total: the number of matching users, counted before in a transaction that does not block writers.

    Raises: Invalid: the filter has no condition, or the account has too many unfinished bulk resets.
    """
    if wanted.is_empty:
        message = "must name a level, a behavior, a time or users; to reset all users at risk, give last_event_to"
        raise Invalid([Fault(FaultKind.REQUIRED, "/filter", message)])
    now = services.clock.now()
    started = BulkReset(
        reset_id=BulkResetId(services.ids.uuid()),
        filter=wanted,
        listed=None if wanted.users is None else len(set(wanted.users)),
        status=JobStatus.RUNNING,
        reason=reason,
        total=total,
        reset=0,
        skipped=0,
        created_at=now,
        place=UserId(""),
    )
    note = f"{wanted.in_words()}: {total:,} users" + ("" if reason is None else f". {reason}")
    entry = services.audit_entry(actor, Verb.CREATED, Kind.BULK_RESET, started.reset_id, at=now, note=note)

    def store(tx: Transaction) -> None:
        unfinished = sum(not one.status.is_over for one in tx.bulk_resets.all(_KEPT))
        advice = "cancel one, or wait until one is completed"
        refuse_above(services.quotas.running_bulk_resets, unfinished, "unfinished bulk resets", advice)
        tx.bulk_resets.add(started, actor)
        tx.audit.record(entry)

    await services.store.write(account_id, store)
    return started


async def control_bulk_reset(
    services: Services, account_id: AccountId, actor: Actor, reset_id: BulkResetId, *, status: JobStatus
) -> BulkReset:
    """Pause, resume or cancel a bulk reset. Users that it has reset stay reset.

    Args:
        status: paused, running or cancelled. The current status changes nothing and is not recorded.

    Raises:
        NotFound: the account has no such bulk reset.
        Invalid: it is over, so it cannot be paused, resumed or cancelled.
    """

    def store(tx: Transaction) -> BulkReset:
        stored, _ = found(tx.bulk_resets.get(reset_id))
        if not must_change("bulk reset", stored.status, status):
            return stored
        changed = replace(stored, status=status)
        tx.bulk_resets.save(changed)
        note = _extent(changed)
        tx.audit.record(services.audit_entry(actor, JOB_VERBS[status], Kind.BULK_RESET, reset_id, note=note))
        return changed

    return await services.store.write(account_id, store)


async def continue_bulk_resets(services: Services) -> bool:
    """Take one step of each running bulk reset that is due, each in its own transaction.

    A step continues where the last committed one ended, also after a crash. Only one process takes it.

    Returns: whether a bulk reset is running, so that another step follows soon.
    """
    running = await services.store.read_installation(lambda tx: tx.running_bulk_resets(PAUSE, _AT_ONCE))
    for account_id, reset_id, is_due in running:
        if is_due:
            services.wake(await _continue(services, account_id, reset_id))
    return bool(running)


async def _continue(services: Services, account_id: AccountId, reset_id: BulkResetId) -> list[WokenLane]:
    """Reset the next users, at most as many as queue a hundred events.

    Returns: the lanes with events to send.
    """

    def read(tx: Transaction) -> tuple[BulkReset, Actor, list[Standing], int] | None:
        stored = tx.bulk_resets.get(reset_id)
        if stored is None:
            return None
        running, actor = stored
        limit = max(1, PART_ROWS // max(1, len(tx.streams.taking_events())))
        return running, actor, tx.bulk_resets.next_users(running, limit), limit

    # Finding the users can read many that do not match. It is done before the transaction that locks rows.
    prepared = await services.store.read(account_id, read)
    if prepared is None:
        return []
    running, actor, following, limit = prepared
    step = partial(_step, services=services, running=running, actor=actor, following=following, limit=limit)
    return await write_users(services, account_id, step)


def _step(
    tx: Transaction, services: Services, running: BulkReset, actor: Actor, following: list[Standing], limit: int
) -> list[WokenLane]:
    """Reset the users of *following* that still match, and store the progress.

    Args:
        limit: the number of users that were asked for. Fewer mean that no users are left.
    """
    if not tx.bulk_resets.take_step(running, PAUSE):
        return []
    locked = tx.users.find([UserRef(one.email, user_id=one.user_id) for one in following])
    later = tx.findings.recorded_after([one.user_id for one in locked.values()], running.created_at)
    chosen = [one for one in locked.values() if running.filter.matches(one) and one.user_id not in later]
    now = services.clock.now()
    steps = [(one, after_reset(one, now)) for one in chosen]
    rules = tx.levels.rules()
    changes = [level_change(before, after, rules, ChangeKind.RESET, at=now) for before, after in steps]
    writes = Writes(
        standings=[after for _, after in steps],
        trimmed=to_trim(steps),
        changes=[_explained(change, running, actor) for change in changes if change is not None],
    )
    is_over = len(following) < limit
    changed = replace(
        running,
        status=JobStatus.COMPLETED if is_over else running.status,
        reset=running.reset + len(chosen),
        skipped=running.skipped + len(following) - len(chosen),
        place=following[-1].user_id if following else running.place,
    )
    tx.bulk_resets.save(changed)
    if is_over:
        note = _extent(changed)
        tx.audit.record(
            services.audit_entry(actor, Verb.COMPLETED, Kind.BULK_RESET, running.reset_id, at=now, note=note)
        )
    return apply(tx, writes, services)


def _explained(change: LevelChange, running: BulkReset, actor: Actor) -> LevelChange:
    return replace_change(change, rule=running.reset_id, actor=actor.name, note=running.reason)


def _extent(reset: BulkReset) -> str:
    return f"{reset.reset:,} of {reset.total:,} users reset, {reset.skipped:,} skipped"
