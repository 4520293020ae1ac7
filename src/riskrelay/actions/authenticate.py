"""Decide whether a token may do what it asks for."""

import hmac

from riskrelay.credentials import Scope, StoredToken, hash_token
from riskrelay.errors import Forbidden, UnknownToken
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside


async def authenticate(outside: Outside, token: str, account_id: AccountId, scope: Scope) -> StoredToken:
    """Find the token and check that it is good for *account_id* and *scope*.

    Raises:
        UnknownToken: nobody has this token, or it has expired.
        Forbidden: it is another account's, or its scopes do not cover the operation.
    Rule: contract 15, 16.
    """
    digest = hash_token(token)
    stored = await outside.store.read_installation(lambda tx: tx.accounts.token_by_hash(digest))
    if stored is None or not hmac.compare_digest(stored.token_hash, digest):
        raise UnknownToken
    if stored.expires_at is not None and stored.expires_at <= outside.clock.now():
        raise UnknownToken
    if stored.account_id != account_id or scope not in stored.scopes:
        raise Forbidden
    return stored
