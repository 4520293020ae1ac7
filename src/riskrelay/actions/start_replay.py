"""Send many deliveries again."""

from riskrelay.actions.continue_replays import begin_replay
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.replays import Replay, ReplayFilter, ReplayId, ReplayStatus
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.quotas import refuse_above
from riskrelay.ports import Outside, Transaction

_NEWEST = 10_000  # as many as the quota can be: older ones may be unfinished without being counted


async def start_replay(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    wanted: ReplayFilter,
    total: int,
) -> Replay:
    """Start a replay and take its first step; the worker takes the next ones, a batch at a time.

    Args:
        total: how many fit the filter, counted before in a transaction that keeps nobody from writing.

    Returns: the replay, running, as it was before the first step.
    Raises:  NotFound: no such integration in this account.
    """
    now = outside.clock.now()
    replay_id = ReplayId(outside.ids.uuid())
    entry = AuditEntry(
        entry_id=outside.ids.uuid(), at=now, actor=actor, verb=Verb.CREATED, kind=Kind.REPLAY, thing_id=replay_id
    )
    replay = Replay(
        replay_id=replay_id,
        integration_id=integration_id,
        filter=wanted,
        status=ReplayStatus.RUNNING,
        total=total,
        replayed=0,
        created_at=now,
    )

    def store(tx: Transaction) -> None:
        if tx.integrations.get(integration_id) is None:
            raise NotFound
        newest = tx.replays.all(integration_id, _NEWEST)
        unfinished = sum(not one.status.is_over for one in newest)
        refuse_above(
            outside.quotas.running_replays, unfinished, "unfinished replays", "cancel one, or wait for its end"
        )
        tx.replays.add(replay)
        tx.audit.record(entry)

    await outside.store.write(account_id, store)
    await begin_replay(outside, account_id, replay)
    return replay
