"""Tokens of accounts and of the installation: create, check, revoke."""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import ALL_SCOPES, TOKEN_PREFIX, Actor, Scope, StoredToken, TokenId, hash_token
from riskrelay.core.errors import NotFound, UnknownToken, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.ports import Installation, Services, Store, Transaction


async def create_token(
    services: Services,
    owner: AccountId | None,
    actor: Actor,
    name: str,
    scopes: Collection[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[str, StoredToken]:
    """Create a token for an account or for the installation.

    Args:
        owner: the only account that the token can access; None: a token of the installation, for all accounts.
        expires_at: None: never.

    Returns: the token, which is not stored and cannot be shown again, and its stored record.
    Raises:  NotFound: no such account.
    Rule: contract 14, 16.
    """
    token = TOKEN_PREFIX + services.ids.secret()
    now = services.clock.now()
    token_id = TokenId(services.ids.uuid())
    stored = StoredToken(
        token_id=token_id,
        account_id=owner,
        name=name,
        token_hash=hash_token(token),
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    entry = services.audit_entry(actor, Verb.CREATED, Kind.TOKEN, token_id, at=now)

    def store(tx: Installation) -> None:
        if owner is not None and tx.accounts.get(owner) is None:
            raise NotFound
        refuse_above(services.quotas.tokens, len(tx.tokens.of(owner)), "tokens", "revoke one that is no longer used")
        tx.tokens.add(stored)
        tx.audit_of(owner).record(entry)

    await services.store.write_installation(store)
    return token, stored


@dataclass(frozen=True, slots=True)
class Authenticated:
    """An authenticated token.

    Attributes:
        is_confirmed: whether the database has just said that it exists. Otherwise a transaction must `confirm` it.
        account_exists: whether the requested account exists. It is only queried for a token of the installation,
            because the account of an account's token exists.
    """

    token: StoredToken
    account_exists: bool
    is_confirmed: bool = True


_Request = tuple[bytes, AccountId | None]
_Found = tuple[StoredToken | None, bool]


async def authenticate(
    services: Services, token: str, account_id: AccountId | None = None, *, confirms: bool = False
) -> Authenticated:
    """Find a token by its hash, and note its use. Concurrent requests share one query.

    Args:
        account_id: the account of the request; None: no account.
        confirms: the request's own transaction confirms the token, so one that this process knows needs no query.

    Raises: UnknownToken: the token does not exist or has expired.
    Rule: contract 15.
    """
    digest = hash_token(token)
    known = services.known_tokens.find(digest) if confirms else None
    if known is not None and known.account_id == account_id:
        shown = Authenticated(known, account_exists=True, is_confirmed=False)
    else:
        stored, account_exists = await services.gathering.join(
            authenticate, (digest, account_id), partial(_find_tokens, services)
        )
        if stored is None or not hmac.compare_digest(stored.token_hash, digest):
            raise UnknownToken
        shown = Authenticated(stored, account_exists)
    now = services.clock.now()
    if shown.token.expired_at(now):
        raise UnknownToken
    services.token_uses.note(shown.token, now)
    if shown.token.account_id is not None and (shown.is_confirmed or shown.token.is_use_due(now)):
        services.known_tokens.keep(replace(shown.token, last_used_at=now))  # its use was noted just now
    return shown


def confirm(tx: Transaction, token_hash: bytes | None) -> None:
    """Check that a token of the account still exists, in the transaction that acts for it.

    Args:
        token_hash: None: the token was confirmed before.

    Raises: UnknownToken: it was revoked, on this node or another one.
    """
    if token_hash is not None and not tx.tokens.exists(token_hash):
        raise UnknownToken


async def _find_tokens(services: Services, requests: Sequence[_Request]) -> list[_Found]:
    def query(tx: Installation) -> list[_Found]:
        tokens = tx.tokens.by_hashes({digest for digest, _ in requests})
        open_to_all = {digest for digest, token in tokens.items() if token.account_id is None}
        asked = {account_id for digest, account_id in requests if account_id is not None and digest in open_to_all}
        missing = {account_id for account_id in asked if tx.accounts.get(account_id) is None}
        return [(tokens.get(digest), account_id not in missing) for digest, account_id in requests]

    return await services.store.read_installation(query)


async def revoke_token(services: Services, owner: AccountId | None, actor: Actor, token_id: TokenId) -> None:
    """Revoke a token with immediate effect. The audit log keeps the entries about the token and its use.

    Args:
        owner: the account of the token; None: the installation.

    Raises: NotFound: the owner has no such token.
    """
    entry = services.audit_entry(actor, Verb.REVOKED, Kind.TOKEN, token_id)

    def store(tx: Installation) -> None:
        token = found(tx.tokens.get(owner, token_id))
        tx.tokens.delete(token)
        tx.audit_of(owner).record(entry)

    await services.store.write_installation(store)


async def record_token_uses(store: Store, uses: Sequence[tuple[StoredToken, datetime]]) -> None:
    """Store the last use of many tokens in one transaction. Tokens that were revoked in the meantime are skipped.

    Raises: Unavailable: nothing was written.
    """
    await store.write_installation(lambda tx: tx.tokens.record_uses(uses))
