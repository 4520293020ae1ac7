"""Choose the algorithm with which an integration's SETs are signed."""

from dataclasses import replace

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.keys import Algorithm
from riskrelay.core.products import require_algorithm
from riskrelay.ports import Outside, Transaction


async def set_signing_algorithm(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, algorithm: Algorithm
) -> Integration:
    """Sign with *algorithm* whatever is sent from now on, what waits included.

    Raises:
        NotFound: no such integration in this account.
        Invalid: the receiver product does not take it.
    Rule: IOP 1.0 §2.6.
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
        require_algorithm(stored.integration_type, algorithm)
        if stored.signing_algorithm is algorithm:
            return stored
        changed = replace(stored, signing_algorithm=algorithm)
        tx.integrations.update(changed)
        tx.audit.record(entry)
        return changed

    return await outside.store.write(account_id, store)
