"""Find out whose token was presented."""

import hmac
from collections.abc import Sequence
from functools import partial

from riskrelay.credentials import StoredToken, hash_token
from riskrelay.errors import UnknownToken
from riskrelay.ports import Outside


async def authenticate(outside: Outside, token: str) -> StoredToken:
    """Find a token by its hash, and remember that it was used. Requests that wait at the same time are one look.

    Raises: UnknownToken: nobody has this token, or it has expired.
    Rule: contract 15.
    """
    digest = hash_token(token)
    stored = await outside.gathering.join(authenticate, digest, partial(_look_up, outside))
    now = outside.clock.now()
    if stored is None or not hmac.compare_digest(stored.token_hash, digest) or stored.expired_at(now):
        raise UnknownToken
    outside.token_uses.note(stored, now)
    return stored


async def _look_up(outside: Outside, digests: Sequence[bytes]) -> list[StoredToken | None]:
    found = await outside.store.read_installation(lambda tx: tx.tokens.by_hashes(set(digests)))
    return [found.get(digest) for digest in digests]
