"""Overwrite an integration."""

from dataclasses import replace

from riskrelay.actions.resuming import follow
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.ports import Outside, Transaction


async def update_integration(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    tenant_url: str,
    reference_id: str | None,
    active: bool | None,
) -> Integration:
    """Overwrite tenant URL, reference id and active, and let delivery follow.

    A stream that we paused or disabled is enabled again, and what waits is tried at once: an account that edits an
    integration has perhaps mended it. What a receiver paused or disabled stays so, and so does an operator's pause.
    While an integration is inactive its backlog is kept, and nothing new is queued for it. Receivers are told of what
    we changed.

    Args:
        reference_id: None: stays.
        active: None: stays.

    Raises:
        NotFound: no such integration in this account.
        Invalid: another integration has the reference id.
    Rule: contract 7, 10; faults.md row 29 ("resumes on update"), 34; SSF 1.0 §8.1.5.
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
        updated = replace(
            stored,
            tenant_url=tenant_url,
            reference_id=stored.reference_id if reference_id is None else reference_id,
            active=stored.active if active is None else active,
        )
        tx.integrations.update(updated)
        tx.audit.record(entry)
        return updated, follow(tx, stored, "integration_updated", entry.at, new_id=outside.ids.uuid, mend=True)

    updated, ready = await outside.store.write(account_id, store)
    outside.wake(ready)
    return updated
