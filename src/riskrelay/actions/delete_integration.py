"""Delete an integration."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import INTEGRATION_DELETED
from riskrelay.ports import Outside, Transaction


async def delete_integration(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId
) -> None:
    """Make an integration unknown to every route; what was not delivered yet becomes cancelled.

    Raises: NotFound: no such integration in this account.
    Rule: contract 10; faults.md row 34.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.DELETED,
        kind=Kind.INTEGRATION,
        thing_id=integration_id,
    )

    def store(tx: Transaction) -> None:
        if tx.integrations.get(integration_id) is None:
            raise NotFound
        for stream in tx.streams.of_integration(integration_id):
            tx.streams.cancel_backlog(stream, stream.all_lanes, INTEGRATION_DELETED)
        tx.integrations.delete(integration_id, entry.at)
        tx.audit.record(entry)

    await outside.store.write(account_id, store)
