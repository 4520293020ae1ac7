"""Pause, resume or cancel a replay."""

from dataclasses import replace

from riskrelay.actions.continue_replays import begin_replay
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.replays import Replay, ReplayId, ReplayStatus
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.ports import Outside, Transaction

_VERBS = {
    ReplayStatus.PAUSED: Verb.PAUSED,
    ReplayStatus.RUNNING: Verb.RESUMED,
    ReplayStatus.CANCELLED: Verb.CANCELLED,
}


async def steer_replay(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    replay_id: ReplayId,
    status: ReplayStatus,
) -> Replay:
    """Give a replay another status. What it has put back already is delivered all the same. A resumed replay
    takes its next step at once.

    Args:
        status: paused, running or cancelled; the same again changes nothing and is not recorded.

    Raises:
        NotFound: the integration has no such replay.
        Invalid: it is over, so that it cannot be paused, resumed or cancelled any more.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=_VERBS[status],
        kind=Kind.REPLAY,
        thing_id=replay_id,
    )

    def store(tx: Transaction) -> Replay:
        stored = None if tx.integrations.get(integration_id) is None else tx.replays.get(integration_id, replay_id)
        if stored is None:
            raise NotFound
        if stored.status is status:
            return stored
        if stored.status.is_over:
            message = f"this replay is {stored.status.value} and changes no more; start another one"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)])
        tx.replays.set_status(replay_id, status)
        tx.audit.record(entry)
        return replace(stored, status=status)

    steered = await outside.store.write(account_id, store)
    if status is ReplayStatus.RUNNING:
        await begin_replay(outside, account_id, steered)
    return steered
