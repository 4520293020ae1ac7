"""Create accounts, and the first account with its token."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import ALL_SCOPES, TOKEN_PREFIX, Actor, StoredToken, TokenId, hash_token
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Services


async def create_account(services: Services, account_id: AccountId, actor: Actor) -> bool:
    """Create an empty account.

    Returns: whether it was created; False: the account exists, and nothing was changed.
    """
    entry = services.audit_entry(actor, Verb.CREATED, Kind.ACCOUNT, account_id)

    def store(tx: Installation) -> bool:
        is_new = tx.accounts.add(account_id, entry.at)
        if is_new:
            tx.audit_of(None).record(entry)
        return is_new

    return await services.store.write_installation(store)


async def initialise(services: Services, account_id: AccountId, actor: Actor) -> str | None:
    """Create the account and a token for it, unless the account exists.

    Returns: the new account's token, which cannot be shown again; None if the account exists, and nothing was
        changed.
    """
    token = TOKEN_PREFIX + services.ids.secret()
    now = services.clock.now()
    token_id = TokenId(services.ids.uuid())
    stored = StoredToken(
        token_id=token_id,
        account_id=account_id,
        name="first token",
        token_hash=hash_token(token),
        scopes=ALL_SCOPES,
        created_at=now,
        expires_at=None,
    )

    def created(kind: Kind, thing_id: str) -> AuditEntry:
        return services.audit_entry(actor, Verb.CREATED, kind, thing_id, at=now)

    def store(tx: Installation) -> bool:
        is_new = tx.accounts.add(account_id, now)
        if is_new:
            tx.audit_of(None).record(created(Kind.ACCOUNT, account_id))
            tx.tokens.add(stored)
            tx.audit_of(account_id).record(created(Kind.TOKEN, token_id))
        return is_new

    return token if await services.store.write_installation(store) else None
