"""Set whom connections to an integration's receivers trust, and what they show."""

from dataclasses import replace

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor
from riskrelay.delivery.lanes import LaneKey
from riskrelay.errors import NotFound
from riskrelay.integrations import AccountId, Integration, IntegrationId, ReceiverTls
from riskrelay.ports import Outside, Transaction


async def set_integration_tls(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, tls: ReceiverTls | None
) -> Integration:
    """Replace the whole of it; it holds from the next batch on, and what waits is tried at once.

    Args:
        tls: None: what holds for every receiver.

    Raises: NotFound: no such integration in this account.
    """
    entry = AuditEntry(outside.ids.uuid(), outside.clock.now(), actor, Verb.CHANGED, Kind.INTEGRATION, integration_id)

    def store(tx: Transaction) -> tuple[Integration, list[LaneKey]]:
        stored = tx.integrations.get(integration_id)
        if stored is None:
            raise NotFound
        changed = replace(stored, tls=tls)
        tx.integrations.steer(changed)
        tx.audit.record(entry)
        streams = tx.streams.of_integration(integration_id)
        return changed, [lane for stream in streams for lane in tx.streams.refresh_lanes(stream, is_mended=True)]

    changed, ready = await outside.store.write(account_id, store)
    outside.wake(ready)
    return changed
