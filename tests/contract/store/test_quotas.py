"""Quotas: one more than a quota allows is refused, and nothing of it is stored."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.counts import take_stock
from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.actions.receiver_credentials import WantedCredential, create_receiver_credential
from riskrelay.actions.replays import start_replay
from riskrelay.actions.tokens import create_token, revoke_token
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.replays import ReplayFilter
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.integrations import Integration, IntegrationType
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialKind
from riskrelay.local.user_counts import CountedUsers
from riskrelay.ports import Services, Store
from support.services import NOON, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

Create = Callable[[], Awaitable[object]]


async def is_refused(create: Create, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        await create()
    (fault,) = refused.value.faults
    assert fault.kind is FaultKind.QUOTA_REACHED
    assert said in fault.message


async def allowed(services: Services, create: Create, many: int, said: str) -> None:
    """*many* can be created, and no more."""
    for _ in range(many):
        await create()
    await is_refused(create, said)


@pytest.fixture
async def services(store: Store) -> Services:
    quotas = Quotas(tokens=2, integrations=3, receiver_credentials=2, running_replays=2)
    return replace(services_of(store), quotas=quotas)


@pytest.fixture
async def integration(services: Services) -> Integration:
    return await account_with_integration(services)


async def test_tokens_of_each_owner_are_counted_alone(services: Services, integration: Integration) -> None:
    """A revoked one makes room; the installation's own and another account's count apart."""
    await account_with_integration(services, OTHER)
    await allowed(services, lambda: create_token(services, ACCOUNT, COMMAND_LINE, "t"), 2, "2 tokens")
    for owner in (OTHER, None):
        await create_token(services, owner, COMMAND_LINE, "t")
    (first, _) = await services.store.read_installation(lambda tx: tx.tokens.of(ACCOUNT))
    await revoke_token(services, ACCOUNT, COMMAND_LINE, first.token_id)
    await create_token(services, ACCOUNT, COMMAND_LINE, "t")


async def test_integrations_are_counted_and_a_retry_is_not_one_more(
    services: Services, integration: Integration
) -> None:
    """The quota is reached, and a lost answer is still answered with the stored record."""

    def create(reference_id: str | None = None) -> Awaitable[Integration]:
        url = "https://more.example.com"
        wanted = NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=url, reference_id=reference_id)
        return create_integration(services, ACCOUNT, COMMAND_LINE, wanted, public_origin=ORIGIN)

    kept = await create("kept")
    await allowed(services, create, 1, "3 integrations")
    assert (await create("kept")).integration_id == kept.integration_id
    assert len(await services.store.read(ACCOUNT, lambda tx: tx.integrations.all())) == 3


async def test_receiver_credentials_are_counted_for_each_integration(
    services: Services, integration: Integration
) -> None:
    """Nothing of the refused one is stored."""
    wanted = WantedCredential(kind=CredentialKind.STATIC_TOKEN, name="", scopes=ALL_RECEIVER_SCOPES, expires_at=None)
    number = integration.integration_id
    create = lambda: create_receiver_credential(services, ACCOUNT, COMMAND_LINE, number, wanted)  # noqa: E731
    await allowed(services, create, 2, "2 credentials")
    assert len(await services.store.read(ACCOUNT, lambda tx: tx.receiver_credentials.all(number))) == 2


async def test_unfinished_replays_are_counted(services: Services, integration: Integration) -> None:
    """So that a client cannot start replays without end."""
    wanted = ReplayFilter(state=DeliveryState.DEAD, reason=None, queued_from=None, queued_to=NOON + timedelta(days=1))
    create = lambda: start_replay(services, ACCOUNT, COMMAND_LINE, integration.integration_id, wanted, 0)  # noqa: E731
    await allowed(services, create, 2, "2 unfinished replays")


async def test_new_users_are_refused_at_the_quota_and_known_ones_are_not(services: Services) -> None:
    """Nothing of the refused batch is stored; each item that names a new user has a fault."""
    await account_with_integration(services)
    services = replace(services, quotas=Quotas(users=3))
    await record(services, finding("a@x.org"), finding("b@x.org"))
    batch = [finding("a@x.org"), finding("c@x.org"), finding("d@x.org"), finding("C@x.org")]
    with pytest.raises(Invalid) as refused:
        await record(services, *batch)
    assert [(fault.kind, fault.pointer) for fault in refused.value.faults] == [
        (FaultKind.QUOTA_REACHED, f"/{place}/user") for place in (1, 2, 3)
    ]
    await record(services, finding("a@x.org"), finding("c@x.org"))
    await is_refused(lambda: record(services, finding("d@x.org")), "3 users")
    await record(services, finding("b@x.org", "high_dlp"))
    assert (await services.store.read(ACCOUNT, lambda tx: tx.stocks.count())).known_users == 3


async def test_users_that_another_process_has_stored_are_counted(services: Services) -> None:
    """They are known to a process after its next count; each account has users of its own."""
    for account in (ACCOUNT, OTHER):
        await account_with_integration(services, account)
    await record(services, finding("a@x.org"), finding("b@x.org"))
    one = replace(services, quotas=Quotas(users=2), user_counts=CountedUsers())
    await take_stock(one)
    await is_refused(lambda: record(one, finding("c@x.org")), "2 users")
    await record(one, finding("c@x.org"), account_id=OTHER)


async def at_risk(services: Services) -> list[Standing]:
    return await services.store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 10))


async def test_the_oldest_findings_of_a_user_are_deleted(services: Services) -> None:
    """The latest stay, also before a reset; the level stays; other users keep theirs."""
    await account_with_integration(services)
    services = replace(services, quotas=Quotas(findings_per_user=150))
    await record(services, finding("other@x.org"))
    await record(services, finding("a@x.org", "high_dlp"), *(finding("a@x.org") for _ in range(120)))
    (user,) = [one for one in await at_risk(services) if "a@" in one.email]

    async def kept() -> list[int]:
        story = await services.store.read(ACCOUNT, lambda tx: tx.user_views.findings(user.user_id, None, 1_000))
        return [one.resets for one in story]

    assert len(await kept()) == 121
    await record(services, *(finding("a@x.org") for _ in range(100)))
    assert len(await kept()) == 150
    assert [one.level for one in await at_risk(services) if one.user_id == user.user_id] == [user.level]
    await record(services, *(finding("a@x.org") for _ in range(60)))
    await reset_user(services, ACCOUNT, COMMAND_LINE, user.user_id)
    assert await kept() == [0] * 150
    await record(services, *(finding("a@x.org") for _ in range(130)))
    assert await kept() == [1] * 130 + [0] * 20
    assert len(await at_risk(services)) == 2
