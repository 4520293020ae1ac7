"""Set how much the receiver of an integration is asked to bear."""

from dataclasses import replace

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, DeliveryLimits, Integration, IntegrationId
from riskrelay.ports import Outside, Transaction


async def limit_integration(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, limits: DeliveryLimits
) -> Integration:
    """Overwrite the limits; they hold from the next batch on.

    Raises: NotFound: no such integration in this account.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.CHANGED,
        kind=Kind.INTEGRATION,
        thing_id=integration_id,
    )

    def store(tx: Transaction) -> Integration:
        stored = tx.integrations.get(integration_id)
        if stored is None:
            raise NotFound
        limited = replace(stored, limits=limits)
        tx.integrations.steer(limited)
        tx.audit.record(entry)
        return limited

    return await outside.store.write(account_id, store)
