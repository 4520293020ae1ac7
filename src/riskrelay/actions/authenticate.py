"""Decide whether a token may do what it asks for."""

import hmac

from riskrelay.credentials import Account, Scope, StoredToken, hash_token
from riskrelay.errors import Forbidden, NotFound, UnknownToken
from riskrelay.integrations import AccountId
from riskrelay.ports import Installation, Outside


async def authenticate(outside: Outside, token: str, account_id: AccountId, scope: Scope) -> StoredToken:
    """Find the token and check that it is good for *account_id* and *scope*.

    Raises:
        UnknownToken: nobody has this token, or it has expired.
        Forbidden: it is another account's, or its scopes do not cover the operation.
        NotFound: it is the installation's, and there is no such account.
    Rule: contract 15, 16.
    """
    digest = hash_token(token)

    def read(tx: Installation) -> tuple[StoredToken | None, Account | None]:
        stored = tx.tokens.by_hash(digest)
        everywhere = stored is not None and stored.account_id is None
        return stored, tx.accounts.get(account_id) if everywhere else None

    stored, account = await outside.store.read_installation(read)
    if stored is None or not hmac.compare_digest(stored.token_hash, digest):
        raise UnknownToken
    if stored.expires_at is not None and stored.expires_at <= outside.clock.now():
        raise UnknownToken
    if stored.account_id not in (None, account_id) or scope not in stored.scopes:
        raise Forbidden
    if stored.account_id is None and account is None:
        raise NotFound
    return stored
