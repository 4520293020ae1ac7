"""Credentials of receivers: create, exchange, check, revoke."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from riskrelay.actions.sharing import read_together
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor, hash_token
from riskrelay.core.errors import Forbidden, NotFound, UnknownToken, found
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.ssf.access import (
    AccessToken,
    CredentialId,
    CredentialKind,
    Receiver,
    ReceiverCredential,
    ReceiverScope,
    ReceiverToken,
    covers,
    is_current,
)
from riskrelay.ports import Installation, Services, Transaction

_PREFIXES = {CredentialKind.OAUTH_CLIENT: "rrc_", CredentialKind.STATIC_TOKEN: "rrs_"}  # for secret scanners


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCredential:
    """The credential that an operator requests.

    Attributes:
        scopes: never empty.
        expires_at: None: never.
    """

    kind: CredentialKind
    name: str
    scopes: Collection[ReceiverScope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new credential with its secret.

    Attributes:
        secret: the client secret or the token. It is not stored and cannot be shown again.
    """

    integration: Integration
    credential: ReceiverCredential
    secret: str


async def create_receiver_credential(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, wanted: WantedCredential
) -> IssuedCredential:
    """Issue a credential that is valid for one integration only.

    Raises: NotFound: no such integration in this account.
    """
    secret = _PREFIXES[wanted.kind] + services.ids.secret()
    credential = ReceiverCredential(
        account_id=account_id,
        integration_id=integration_id,
        credential_id=CredentialId(services.ids.uuid()),
        kind=wanted.kind,
        name=wanted.name,
        secret_hash=hash_token(secret),
        scopes=frozenset(wanted.scopes),
        created_at=services.clock.now(),
        expires_at=wanted.expires_at,
    )

    entry = services.audit_entry(
        actor, Verb.CREATED, Kind.CREDENTIAL, credential.credential_id, at=credential.created_at
    )

    def store(tx: Transaction) -> Integration:
        integration = found(tx.integrations.get(integration_id))
        refuse_above(
            services.quotas.receiver_credentials,
            len(tx.receiver_credentials.all(integration_id)),
            "credentials of this integration",
            "revoke one that is no longer used",
        )
        tx.receiver_credentials.add(credential)
        tx.audit.record(entry)
        return integration

    return IssuedCredential(await services.store.write(account_id, store), credential, secret)


MAX_ACCESS_TOKENS = 1_000  # guessed: valid tokens per client; a new one above this deletes the oldest


async def issue_access_token(services: Services, token: AccessToken) -> None:
    """Store *token* if its client is still valid, and delete the client's expired tokens.

    Raises: UnknownToken: the client or its integration was deleted, or the client has expired.
    Rule: RFC 6749 §4.4.3.
    """
    now = services.clock.now()

    def store(tx: Transaction) -> None:
        if tx.integrations.get(token.integration_id) is None:
            raise UnknownToken
        client = tx.receiver_credentials.get(token.integration_id, token.credential_id)
        if client is None or not is_current(client.expires_at, now):
            raise UnknownToken
        tx.receiver_credentials.delete_access_tokens(client, now, keep=MAX_ACCESS_TOKENS - 1)
        tx.receiver_credentials.add_access_token(token)

    await services.store.write(token.account_id, store)


async def authenticate_receiver(
    services: Services, integration_id: IntegrationId, token: str, scope: ReceiverScope
) -> Receiver:
    """Find a token of one integration and check that it allows *scope*. Concurrent requests share one transaction.

    Args:
        token: an access token or a static token; those of other integrations are unknown here.

    Raises:
        UnknownToken: the integration has no such token, or it has expired.
        Forbidden: its scopes do not cover the operation.
    Rule: RFC 6750 §3.1; IOP 1.0 §2.7.3.
    """
    digest = hash_token(token)
    stored = await read_together(services, (integration_id, digest), _find_token)
    if stored is None or not hmac.compare_digest(stored.token_hash, digest):
        raise UnknownToken
    if not stored.is_valid(services.clock.now()):
        raise UnknownToken
    if not covers(stored.receiver.scopes, scope):
        raise Forbidden
    return stored.receiver


def _find_token(tx: Installation, wanted: tuple[IntegrationId, bytes]) -> ReceiverToken | None:
    return tx.receivers.by_token(*wanted)


async def revoke_receiver_credential(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    credential_id: CredentialId,
) -> None:
    """Revoke a credential and all its access tokens, with immediate effect.

    Raises: NotFound: the account has no such integration, or the integration no such credential.
    """

    now = services.clock.now()
    entry = services.audit_entry(actor, Verb.REVOKED, Kind.CREDENTIAL, credential_id, at=now)

    def store(tx: Transaction) -> None:
        found(tx.integrations.get(integration_id))
        if not tx.receiver_credentials.revoke(integration_id, credential_id):
            raise NotFound
        tx.audit.record(entry)

    await services.store.write(account_id, store)
