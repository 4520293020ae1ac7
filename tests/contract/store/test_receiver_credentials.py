"""Credentials of receivers in the store, the same on both engines."""

import asyncio
from datetime import timedelta

import pytest

from riskrelay.actions.integrations import delete_integration
from riskrelay.actions.receiver_credentials import (
    MAX_ACCESS_TOKENS,
    IssuedCredential,
    WantedCredential,
    authenticate_receiver,
    create_receiver_credential,
    issue_access_token,
    revoke_receiver_credential,
)
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE, hash_token
from riskrelay.core.errors import Forbidden, NotFound, UnknownToken
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.access import (
    ALL_RECEIVER_SCOPES,
    AccessToken,
    CredentialId,
    CredentialKind,
    ReceiverScope,
)
from riskrelay.ports import Services, Store
from support.services import HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration

READ, MANAGE = ReceiverScope.READ, ReceiverScope.MANAGE
HOUR = timedelta(hours=1)


async def issue(
    services: Services,
    integration: Integration,
    kind: CredentialKind = CredentialKind.STATIC_TOKEN,
    *scopes: ReceiverScope,
    life: timedelta | None = None,
) -> IssuedCredential:
    """A credential for an integration."""
    expires_at = None if life is None else services.clock.now() + life
    wanted = WantedCredential(kind=kind, name="test", scopes=scopes or ALL_RECEIVER_SCOPES, expires_at=expires_at)
    return await create_receiver_credential(
        services, integration.account_id, COMMAND_LINE, integration.integration_id, wanted
    )


def access_token(services: Services, client: IssuedCredential, text: str, life: timedelta = HOUR) -> AccessToken:
    """An access token of an OAuth client."""
    it = client.credential
    expires_at = services.clock.now() + life
    return AccessToken(
        account_id=it.account_id,
        integration_id=it.integration_id,
        credential_id=it.credential_id,
        token_hash=hash_token(text),
        scopes=it.scopes,
        expires_at=expires_at,
    )


async def is_known(services: Services, integration: Integration, token: str) -> bool:
    """Whether *token* is good there."""
    try:
        await authenticate_receiver(services, integration.integration_id, token, READ)
    except UnknownToken:
        return False
    return True


async def test_a_token_is_good_for_its_own_integration_only(store: Store) -> None:
    """Another integration, of the same account or of another, does not know it."""
    services = services_of(store)
    mine = await account_with_integration(services)
    sibling = await account_with_integration(services, tenant_url="https://sibling.example.com")
    foreign = await account_with_integration(services, OTHER)
    static = await issue(services, mine)
    client = await issue(services, mine, CredentialKind.OAUTH_CLIENT)
    await issue_access_token(services, access_token(services, client, "access"))
    for token in (static.secret, "access"):
        receiver = await authenticate_receiver(services, mine.integration_id, token, MANAGE)
        assert (receiver.account_id, receiver.integration_id) == (ACCOUNT, mine.integration_id)
        assert not await is_known(services, sibling, token)
        assert not await is_known(services, foreign, token)
    for integration in (sibling, foreign):
        found = await store.read_installation(
            lambda tx, there=integration.integration_id: tx.receivers.client(there, client.credential.credential_id)  # type: ignore[misc]
        )
        assert found is None
    assert not await is_known(services, mine, client.secret)  # a client secret is no token
    missing = IntegrationId("none")
    wanted = WantedCredential(kind=CredentialKind.STATIC_TOKEN, name="", scopes=[READ], expires_at=None)
    with pytest.raises(NotFound):
        await create_receiver_credential(services, ACCOUNT, COMMAND_LINE, missing, wanted)
    with pytest.raises(NotFound):
        await revoke_receiver_credential(
            services, OTHER, COMMAND_LINE, mine.integration_id, static.credential.credential_id
        )


async def test_scopes_are_kept(store: Store) -> None:
    """Who may only read may not manage; who manages may read."""
    services = services_of(store)
    integration = await account_with_integration(services)
    reader = await issue(services, integration, CredentialKind.STATIC_TOKEN, READ)
    manager = await issue(services, integration, CredentialKind.STATIC_TOKEN, MANAGE)
    there = integration.integration_id
    assert (await authenticate_receiver(services, there, reader.secret, READ)).scopes == {READ}
    assert (await authenticate_receiver(services, there, manager.secret, READ)).scopes == {MANAGE}
    with pytest.raises(Forbidden):
        await authenticate_receiver(services, there, reader.secret, MANAGE)


async def test_revoked_expired_and_deleted_credentials_are_unknown_at_once(store: Store) -> None:
    """A static token, a client's access tokens, and everything of a deleted integration."""
    clock = HandClock()
    services = services_of(store, clock)
    integration = await account_with_integration(services)
    static = await issue(services, integration)
    short = await issue(services, integration, life=timedelta(minutes=5))
    client = await issue(services, integration, CredentialKind.OAUTH_CLIENT)
    await issue_access_token(services, access_token(services, client, "one"))
    assert await is_known(services, integration, short.secret)
    clock.pass_time(timedelta(minutes=5))
    assert not await is_known(services, integration, short.secret)
    assert await is_known(services, integration, "one")
    clock.pass_time(HOUR)
    assert not await is_known(services, integration, "one")
    await issue_access_token(services, access_token(services, client, "two"))
    assert await is_known(services, integration, "two")
    await revoke_receiver_credential(
        services, ACCOUNT, COMMAND_LINE, integration.integration_id, client.credential.credential_id
    )
    assert not await is_known(services, integration, "two")
    with pytest.raises(UnknownToken):
        await issue_access_token(services, access_token(services, client, "three"))
    with pytest.raises(NotFound):
        await revoke_receiver_credential(
            services, ACCOUNT, COMMAND_LINE, integration.integration_id, CredentialId("none")
        )
    assert await is_known(services, integration, static.secret)
    await delete_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
    assert not await is_known(services, integration, static.secret)


async def test_a_revocation_and_an_exchange_at_once_leave_no_living_token(store: Store) -> None:
    """Whoever comes first, nothing that a revoked client was given is good afterwards."""
    services = services_of(store)
    integration = await account_with_integration(services)
    for turn in range(10):
        client = await issue(services, integration, CredentialKind.OAUTH_CLIENT)
        tokens = [access_token(services, client, f"{turn}-{n}") for n in range(4)]
        there = integration.integration_id
        await asyncio.gather(
            *(issue_access_token(services, token) for token in tokens),
            revoke_receiver_credential(services, ACCOUNT, COMMAND_LINE, there, client.credential.credential_id),
            return_exceptions=True,
        )
        for n in range(4):
            assert not await is_known(services, integration, f"{turn}-{n}")


async def test_access_tokens_of_a_client_do_not_pile_up(store: Store) -> None:
    """Expired ones go, and of the living ones only so many of the youngest stay."""
    clock = HandClock()
    services = services_of(store, clock)
    integration = await account_with_integration(services)
    client = await issue(services, integration, CredentialKind.OAUTH_CLIENT)
    for n in range(4):
        clock.pass_time(timedelta(seconds=1))
        await issue_access_token(services, access_token(services, client, str(n)))
    now = clock.now()
    await store.write(ACCOUNT, lambda tx: tx.receiver_credentials.delete_access_tokens(client.credential, now, keep=2))
    assert [await is_known(services, integration, str(n)) for n in range(4)] == [False, False, True, True]
    clock.pass_time(HOUR)
    await issue_access_token(services, access_token(services, client, "last"))
    later = clock.now() - timedelta(
        minutes=4
    )  # the expired ones would be good at this moment, if they were still there
    services_then = services_of(store, HandClock(later))
    assert [await is_known(services_then, integration, t) for t in ("2", "3", "last")] == [False, False, True]
    assert MAX_ACCESS_TOKENS > 2


async def test_issuing_and_revoking_are_in_the_audit_log(store: Store) -> None:
    """By the credential's id; access tokens are no changes, and no secret is in an entry."""
    services = services_of(store)
    integration = await account_with_integration(services)
    client = await issue(services, integration, CredentialKind.OAUTH_CLIENT)
    await issue_access_token(services, access_token(services, client, "one"))
    there, credential_id = integration.integration_id, client.credential.credential_id
    await revoke_receiver_credential(services, ACCOUNT, COMMAND_LINE, there, credential_id)
    with pytest.raises(NotFound):
        await revoke_receiver_credential(services, ACCOUNT, COMMAND_LINE, there, credential_id)
    entries = await store.read_installation(lambda tx: tx.audit_of(ACCOUNT).page(Kind.CREDENTIAL, None, 10))
    assert sorted(entry.verb for entry in entries) == [Verb.CREATED, Verb.REVOKED]
    assert {entry.thing_id for entry in entries} == {credential_id}
    assert client.secret not in repr(entries)
