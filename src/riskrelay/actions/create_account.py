"""Create an account."""

from riskrelay.integrations import AccountId
from riskrelay.ports import Outside


async def create_account(outside: Outside, account_id: AccountId) -> bool:
    """Create an account with nothing in it.

    Returns: False when it was there already; then nothing was changed.
    """
    now = outside.clock.now()
    return await outside.store.write_installation(lambda tx: tx.accounts.add(account_id, now))
