"""Delete accounts: one transaction makes an account invisible, and short ones delete its rows (ADR 0033)."""

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Services

STEP_ROWS = 100  # chosen: SQLite's writer and PostgreSQL's locks are held for some milliseconds


async def delete_account(services: Services, account_id: AccountId, actor: Actor) -> bool:
    """Delete an account, with all of its rows except the audit log. The request is durable on return.

    From then on no token of the account works, and none of its events is sent.

    Returns: whether the account existed.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.ACCOUNT, account_id)

    def begin(tx: Installation) -> bool:
        has_begun = tx.account_deletions.begin(account_id, entry.at)
        if has_begun:
            tx.audit_of(None).record(entry)
        return has_begun

    has_begun = await services.store.write_installation(begin)
    if has_begun:
        await delete_rows(services, account_id)  # stops the streams first
    return has_begun


async def delete_rows(services: Services, account_id: AccountId) -> bool:
    """Delete a hundred rows of a deleted account, in one transaction.

    Returns: whether more may be left.
    """
    return await services.store.write_installation(
        lambda tx: tx.account_deletions.step(account_id, STEP_ROWS, services.clock.now())
    )


async def continue_deletions(services: Services) -> bool:
    """Take one step of each deletion that is not finished.

    Returns: whether another step may follow at once.
    """
    deleted = await services.store.read_installation(lambda tx: tx.account_deletions.all())
    running = [one.account_id for one in deleted if one.finished_at is None]
    return any([await delete_rows(services, account_id) for account_id in running])


async def finish_deletions(services: Services) -> None:
    """Delete the rows that late requests have added to deleted accounts.

    Then delete the records of those deletions whose accounts have no audit entry left.
    """
    for one in await services.store.read_installation(lambda tx: tx.account_deletions.all()):
        while one.finished_at is not None and await delete_rows(services, one.account_id):
            continue
    await services.store.write_installation(lambda tx: tx.account_deletions.delete_finished())
