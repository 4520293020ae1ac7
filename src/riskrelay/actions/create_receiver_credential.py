"""Issue a credential to the receiver of an integration."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor, hash_token
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.ssf.access import CredentialId, CredentialKind, ReceiverCredential, ReceiverScope
from riskrelay.ports import Outside, Transaction

_PREFIXES = {CredentialKind.OAUTH_CLIENT: "rrc_", CredentialKind.STATIC_TOKEN: "rrs_"}  # for secret scanners


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCredential:
    """What an operator asks for.

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
    """What was issued.

    Attributes:
        secret: the client secret or the token; exists nowhere else and cannot be shown again.
    """

    integration: Integration
    credential: ReceiverCredential
    secret: str


async def create_receiver_credential(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, wanted: WantedCredential
) -> IssuedCredential:
    """Issue a credential that is good for one integration only, from this moment on.

    Raises: NotFound: no such integration in this account.
    """
    secret = _PREFIXES[wanted.kind] + outside.ids.secret()
    credential = ReceiverCredential(
        account_id=account_id,
        integration_id=integration_id,
        credential_id=CredentialId(outside.ids.uuid()),
        kind=wanted.kind,
        name=wanted.name,
        secret_hash=hash_token(secret),
        scopes=frozenset(wanted.scopes),
        created_at=outside.clock.now(),
        expires_at=wanted.expires_at,
    )

    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=credential.created_at,
        actor=actor,
        verb=Verb.CREATED,
        kind=Kind.CREDENTIAL,
        thing_id=credential.credential_id,
    )

    def store(tx: Transaction) -> Integration:
        integration = tx.integrations.get(integration_id)
        if integration is None:
            raise NotFound
        refuse_above(
            outside.quotas.receiver_credentials,
            len(tx.receiver_credentials.all(integration_id)),
            "credentials of this integration",
            "revoke one that is no longer used",
        )
        tx.receiver_credentials.add(credential)
        tx.audit.record(entry)
        return integration

    return IssuedCredential(await outside.store.write(account_id, store), credential, secret)
