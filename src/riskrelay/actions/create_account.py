"""Create an account."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Outside


async def create_account(outside: Outside, account_id: AccountId, actor: Actor) -> bool:
    """Create an account with nothing in it.

    Returns: False when it was there already; then nothing was changed.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.CREATED,
        kind=Kind.ACCOUNT,
        thing_id=account_id,
    )

    def store(tx: Installation) -> bool:
        is_new = tx.accounts.add(account_id, entry.at)
        if is_new:
            tx.audit_of(None).record(entry)
        return is_new

    return await outside.store.write_installation(store)
