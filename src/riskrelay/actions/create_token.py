"""Create a token."""

from collections.abc import Collection
from datetime import datetime

from riskrelay.credentials import ALL_SCOPES, TOKEN_PREFIX, Scope, StoredToken, TokenId, hash_token
from riskrelay.errors import NotFound
from riskrelay.integrations import AccountId
from riskrelay.ports import Installation, Outside


async def create_token(
    outside: Outside,
    account_id: AccountId,
    name: str,
    scopes: Collection[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[str, StoredToken]:
    """Create a token for an account.

    Returns: the token, which exists nowhere else and cannot be shown again, and what was stored of it.
    Raises:  NotFound: no such account.
    Rule: contract 14, 16.
    """
    token = TOKEN_PREFIX + outside.ids.secret()
    stored = StoredToken(
        TokenId(outside.ids.uuid()),
        account_id,
        name,
        hash_token(token),
        frozenset(scopes),
        outside.clock.now(),
        expires_at,
    )

    def store(tx: Installation) -> None:
        if all(account.account_id != account_id for account in tx.accounts.all()):
            raise NotFound
        tx.accounts.add_token(stored)

    await outside.store.write_installation(store)
    return token, stored
