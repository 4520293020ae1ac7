"""Set whom connections to an integration's receivers trust, and what they show."""

from dataclasses import replace

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, OpenedTls, ReceiverTls, tls_row
from riskrelay.ports import Outside, Transaction, Vault


async def set_integration_tls(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, tls: ReceiverTls | None
) -> Integration:
    """Replace the whole of it; it holds from the next batch on, and what waits is tried at once.

    Args:
        tls: None: what holds for every receiver.

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


def opened_tls(integration: Integration, vault: Vault) -> OpenedTls | None:
    """What an integration's receivers are met with; None: the same as all others.

    Raises: Misconfigured: the key was sealed under another master key.
    """
    tls = integration.tls
    if tls is None:
        return None
    row = tls_row(integration.account_id, integration.integration_id)
    key = None if tls.sealed_key is None else vault.open(tls.sealed_key, row)
    return OpenedTls(tls.trusted_ca, tls.certificate, key)
