"""Find out whose token was presented."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from riskrelay.core.credentials import StoredToken, hash_token
from riskrelay.core.errors import UnknownToken
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Outside


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who has shown a token.

    Attributes:
        account_exists: False when there is no such account as was asked for. Looked up for a token of the installation
            only: one of an account says itself that there is one.
    """

    token: StoredToken
    account_exists: bool


_Request = tuple[bytes, AccountId | None]
_Found = tuple[StoredToken | None, bool]


async def authenticate(outside: Outside, token: str, account_id: AccountId | None = None) -> Authenticated:
    """Find a token by its hash, and remember that it was used. Requests that wait at the same time are one look.

    Args:
        account_id: what the request is about; None: no account.

    Raises: UnknownToken: nobody has this token, or it has expired.
    Rule: contract 15.
    """
    digest = hash_token(token)
    stored, account_exists = await outside.gathering.join(
        authenticate, (digest, account_id), partial(_look_up, outside)
    )
    now = outside.clock.now()
    if stored is None or not hmac.compare_digest(stored.token_hash, digest) or stored.expired_at(now):
        raise UnknownToken
    outside.token_uses.note(stored, now)
    return Authenticated(stored, account_exists)


async def _look_up(outside: Outside, requests: Sequence[_Request]) -> list[_Found]:
    def look(tx: Installation) -> list[_Found]:
        tokens = tx.tokens.by_hashes({digest for digest, _ in requests})
        open_to_all = {digest for digest, token in tokens.items() if token.account_id is None}
        asked = {account_id for digest, account_id in requests if account_id is not None and digest in open_to_all}
        missing = {account_id for account_id in asked if tx.accounts.get(account_id) is None}
        return [(tokens.get(digest), account_id not in missing) for digest, account_id in requests]

    return await outside.store.read_installation(look)
