"""Stop delivery to an integration, and keep what is queued for it."""

from dataclasses import replace

from riskrelay.actions.resuming import follow
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, Pause
from riskrelay.ports import Outside, Transaction


async def pause_integration(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, reason: str | None
) -> Integration:
    """Let nothing more be sent for an integration until it is resumed. Unlike an inactive one it goes on queueing what
    happens; all of it is kept until its retention. Receivers are told of it.

    Args:
        reason: for people; None: none is given.

    Returns: the integration; one that was paused keeps the time since when.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.5.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.PAUSED,
        kind=Kind.INTEGRATION,
        thing_id=integration_id,
    )

    def store(tx: Transaction) -> tuple[Integration, list[LaneKey]]:
        stored = tx.integrations.get(integration_id)
        if stored is None:
            raise NotFound
        since = entry.at if stored.pause is None else stored.pause.since
        paused = replace(stored, pause=Pause(since, reason))
        tx.integrations.steer(paused)
        tx.audit.record(entry)
        return paused, follow(tx, stored, "integration_paused", entry.at, new_id=outside.ids.uuid, mend=False)

    paused, ready = await outside.store.write(account_id, store)
    outside.wake(ready)
    return paused
