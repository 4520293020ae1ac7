"""Make an installation ready: the first signing key, the first account, its first token."""

from collections.abc import Callable

from riskrelay.credentials import ALL_SCOPES, TOKEN_PREFIX, StoredToken, TokenId, hash_token
from riskrelay.integrations import AccountId
from riskrelay.keys import SealedKey
from riskrelay.ports import Installation, Outside


async def initialise(outside: Outside, account_id: AccountId, new_key: Callable[[], SealedKey]) -> str | None:
    """Make what is missing of: a signing key, the account, a token for it.

    Args:
        new_key: makes a signing key; called before the transaction, because it takes a while.

    Returns: the new account's token, which cannot be shown again; None when the account was there already, and then
        nothing was changed but a missing key.
    """
    keys = await outside.store.read_installation(lambda tx: tx.keys.all())
    key = new_key() if not keys else None
    token = TOKEN_PREFIX + outside.ids.secret()
    now = outside.clock.now()
    stored = StoredToken(
        TokenId(outside.ids.uuid()), account_id, "first token", hash_token(token), ALL_SCOPES, now, None
    )

    def store(tx: Installation) -> bool:
        if key is not None:
            tx.keys.add(key)
        is_new = tx.accounts.add(account_id, now)
        if is_new:
            tx.accounts.add_token(stored)
        return is_new

    return token if await outside.store.write_installation(store) else None
