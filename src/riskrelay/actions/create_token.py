"""Create a token."""

from collections.abc import Collection
from datetime import datetime

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import ALL_SCOPES, TOKEN_PREFIX, Actor, Scope, StoredToken, TokenId, hash_token
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.ports import Installation, Outside


async def create_token(
    outside: Outside,
    owner: AccountId | None,
    actor: Actor,
    name: str,
    scopes: Collection[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[str, StoredToken]:
    """Create a token for an account or for the installation.

    Args:
        owner: the only account it is good for; None: the installation's, good for every account.
        expires_at: None: never.

    Returns: the token, which exists nowhere else and cannot be shown again, and what was stored of it.
    Raises:  NotFound: no such account.
    Rule: contract 14, 16.
    """
    token = TOKEN_PREFIX + outside.ids.secret()
    now = outside.clock.now()
    token_id = TokenId(outside.ids.uuid())
    stored = StoredToken(
        token_id=token_id,
        account_id=owner,
        name=name,
        token_hash=hash_token(token),
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    entry = AuditEntry(
        entry_id=outside.ids.uuid(), at=now, actor=actor, verb=Verb.CREATED, kind=Kind.TOKEN, thing_id=token_id
    )

    def store(tx: Installation) -> None:
        if owner is not None and tx.accounts.get(owner) is None:
            raise NotFound
        refuse_above(outside.quotas.tokens, len(tx.tokens.of(owner)), "tokens", "revoke one that is no longer used")
        tx.tokens.add(stored)
        tx.audit_of(owner).record(entry)

    await outside.store.write_installation(store)
    return token, stored
