"""Replays: start, control, continue."""

from dataclasses import replace
from functools import partial

from riskrelay.core.audit import JOB_VERBS, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import Replay, ReplayFilter, ReplayId, ReplayStep
from riskrelay.core.email_addresses import user_key
from riskrelay.core.errors import Unavailable, found
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.jobs import JobStatus, must_change
from riskrelay.core.quotas import refuse_above
from riskrelay.ports import Services, Transaction

_NEWEST = 10_000  # the largest possible quota; unfinished replays older than these are not counted


async def start_replay(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    wanted: ReplayFilter,
    total: int,
) -> Replay:
    """Start a replay and take its first step. The worker takes the next steps, a batch at a time.

    Args:
        total: the number of matching deliveries, counted before in a transaction that does not block writers.

    Returns: the replay, running, as it was before the first step.
    Raises:  NotFound: no such integration in this account.
    """
    now = services.clock.now()
    replay_id = ReplayId(services.ids.uuid())
    entry = services.audit_entry(actor, Verb.CREATED, Kind.REPLAY, replay_id, at=now)
    replay = Replay(
        replay_id=replay_id,
        integration_id=integration_id,
        filter=wanted,
        listed=None if wanted.users is None else len({user_key(email) for email in wanted.users}),
        status=JobStatus.RUNNING,
        total=total,
        replayed=0,
        created_at=now,
    )

    def store(tx: Transaction) -> None:
        found(tx.integrations.get(integration_id))
        newest = tx.replays.all(integration_id, _NEWEST)
        unfinished = sum(not one.status.is_over for one in newest)
        refuse_above(
            services.quotas.running_replays,
            unfinished,
            "unfinished replays",
            "cancel one, or wait until one is completed",
        )
        tx.replays.add(replay)
        tx.audit.record(entry)

    await services.store.write(account_id, store)
    await begin_replay(services, account_id, replay)
    return replay


async def control_replay(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    replay_id: ReplayId,
    status: JobStatus,
) -> Replay:
    """Pause, resume or cancel a replay. Deliveries that it has already put back are still sent.

    A resumed replay takes its next step at once.

    Args:
        status: paused, running or cancelled. The current status changes nothing and is not recorded.

    Raises:
        NotFound: the integration has no such replay.
        Invalid: the replay is over, so it cannot be paused, resumed or cancelled.
    """
    entry = services.audit_entry(actor, JOB_VERBS[status], Kind.REPLAY, replay_id)

    def store(tx: Transaction) -> Replay:
        found(tx.integrations.get(integration_id))
        stored = found(tx.replays.get(integration_id, replay_id))
        if not must_change("replay", stored.status, status):
            return stored
        tx.replays.set_status(replay_id, status)
        tx.audit.record(entry)
        return replace(stored, status=status)

    controlled = await services.store.write(account_id, store)
    if status is JobStatus.RUNNING:
        await begin_replay(services, account_id, controlled)
    return controlled


_AT_ONCE = 100  # guessed: replays that one call continues, the oldest first
_FIRST_LANES = 16  # guessed: lanes in which a request takes the first step; the chores do the rest


async def continue_replays(services: Services) -> bool:
    """Take one step of each running replay, each in its own transaction.

    A step continues where the last committed one ended, also after a crash.

    Returns: whether a replay has advanced, so that another step may follow at once.
    """
    has_moved = False
    for account_id, replay in await services.store.read_installation(lambda tx: tx.retention.running_replays(_AT_ONCE)):
        step, ready = await services.store.write(account_id, partial(_step, replay=replay))
        services.wake(ready)
        has_moved = has_moved or (step.has_moved and not step.is_over)
    return has_moved


async def continue_replay_of(services: Services, lane: LaneKey) -> list[LaneKey]:
    """Take the next step of the oldest running replay with events left in *lane*.

    Returns: the lane if it got events to send, otherwise an empty list.
    """

    def step(tx: Transaction) -> list[LaneKey]:
        replay = tx.replays.running_in(lane)
        return [] if replay is None else tx.replays.step(replay, lane)[1]

    return await services.store.write(lane.account_id, step)


async def begin_replay(services: Services, account_id: AccountId, replay: Replay) -> None:
    """Take the first step of a started or resumed replay in its first lanes, and wake them.

    Each step is its own transaction, so that a lane is locked for one step only.
    """
    ready: list[LaneKey] = []
    try:
        for lane in (await services.store.read(account_id, lambda tx: tx.replays.lanes_left(replay)))[:_FIRST_LANES]:
            ready += await continue_replay_of(services, lane)
    except Unavailable:  # the replay is stored; the chores take the first step in the other lanes
        pass
    services.wake(ready)


def _step(tx: Transaction, replay: Replay) -> tuple[ReplayStep, list[LaneKey]]:
    return tx.replays.step(replay)
