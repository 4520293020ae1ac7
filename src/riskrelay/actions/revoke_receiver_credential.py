"""Revoke a receiver's credential."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.access import CredentialId
from riskrelay.ports import Outside, Transaction


async def revoke_receiver_credential(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    credential_id: CredentialId,
) -> None:
    """Make a credential, and every access token it was exchanged for, unknown at once.

    Raises: NotFound: the account has no such integration, or the integration no such credential.
    """

    now = outside.clock.now()
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=now,
        actor=actor,
        verb=Verb.REVOKED,
        kind=Kind.CREDENTIAL,
        thing_id=credential_id,
    )

    def store(tx: Transaction) -> None:
        if tx.integrations.get(integration_id) is None:
            raise NotFound
        if not tx.receiver_credentials.revoke(integration_id, credential_id):
            raise NotFound
        tx.audit.record(entry)

    await outside.store.write(account_id, store)
