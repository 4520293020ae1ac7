"""Start delivery to an integration again."""

from dataclasses import replace

from riskrelay.actions.resuming import follow
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.ports import Outside, Transaction


async def resume_integration(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId
) -> Integration:
    """End an operator's pause, enable what we stopped because of an answer, and try at once what waits.

    Returns: the integration; one that was not paused is treated alike, so this is also how to skip a wait.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.5. What a receiver stopped stays so, and so does an integration that is not active.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.RESUMED,
        kind=Kind.INTEGRATION,
        thing_id=integration_id,
    )

    def store(tx: Transaction) -> tuple[Integration, list[LaneKey]]:
        stored = tx.integrations.get(integration_id)
        if stored is None:
            raise NotFound
        resumed = replace(stored, pause=None)
        tx.integrations.steer(resumed)
        tx.audit.record(entry)
        return resumed, follow(tx, stored, "integration_resumed", entry.at, new_id=outside.ids.uuid, mend=True)

    resumed, ready = await outside.store.write(account_id, store)
    outside.wake(ready)
    return resumed
