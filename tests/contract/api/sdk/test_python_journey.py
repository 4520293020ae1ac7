"""The official Python SDK, unchanged but for its base URL."""

import uuid
from collections.abc import Iterator
from typing import Any

import cloudflare
import pytest
from cloudflare import AsyncCloudflare, Cloudflare

from riskrelay.core.credentials import Scope
from support.sdk_world import TENANT, World
from support.service import Service

UNKNOWN = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


def connect(service: Service, token: str) -> Cloudflare:
    """The SDK's client, with its base path."""
    return Cloudflare(api_token=token, base_url=f"{service.url}/client/v4", max_retries=0)


@pytest.fixture
def client(service: Service) -> Iterator[Cloudflare]:
    """A client with the account's token."""
    with connect(service, service.token) as client:
        yield client


def test_the_sdk_creates_lists_gets_updates_and_deletes(service: Service, client: Cloudflare) -> None:
    """All six operations work, and tenant_url is returned byte for byte."""
    integrations = client.zero_trust.risk_scoring.integrations
    account = service.account_id
    created = integrations.create(account_id=account, integration_type="Okta", tenant_url=TENANT)
    assert created is not None
    assert created.tenant_url == TENANT
    assert created.active is True
    listed = list(integrations.list(account_id=account))
    assert [row.id for row in listed] == [created.id]
    for found in (
        integrations.get(created.id, account_id=account),
        integrations.references.get(created.reference_id, account_id=account),
    ):
        assert found is not None
        assert found.to_dict() == created.to_dict()
    updated = integrations.update(created.id, account_id=account, active=False, tenant_url=TENANT, reference_id="sdk")
    assert updated is not None
    assert (updated.active, updated.reference_id, updated.tenant_url) == (False, "sdk", TENANT)
    assert updated.well_known_url == created.well_known_url
    integrations.delete(created.id, account_id=account)
    assert list(integrations.list(account_id=account)) == []


def test_unknown_ids_raise_the_sdks_not_found_error(service: Service, client: Cloudflare) -> None:
    """By id and by reference; get, update and delete."""
    integrations = client.zero_trust.risk_scoring.integrations
    account = service.account_id
    with pytest.raises(cloudflare.NotFoundError):
        integrations.get(UNKNOWN, account_id=account)
    with pytest.raises(cloudflare.NotFoundError):
        integrations.references.get("reference_id", account_id=account)
    with pytest.raises(cloudflare.NotFoundError):
        integrations.update(UNKNOWN, account_id=account, active=True, tenant_url=TENANT)
    with pytest.raises(cloudflare.NotFoundError):
        integrations.delete(UNKNOWN, account_id=account)


def test_a_wrong_type_raises_the_sdks_bad_request_error(service: Service, client: Cloudflare) -> None:
    """`okta` is refused with a pointer."""
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.zero_trust.risk_scoring.integrations.create(
            account_id=service.account_id,
            integration_type="okta",  # type: ignore[arg-type]
            tenant_url=TENANT,
        )
    assert "/integration_type" in caught.value.response.text


def test_explicit_nulls_keep_the_stored_values(world: World, client: Cloudflare) -> None:
    """Contract 7: clients that know a member only as absent or null send null (Terraform's provider, Go's SDK)."""
    updated = client.zero_trust.risk_scoring.integrations.update(
        world.integration["id"],
        account_id=world.account_id,
        active=None,  # type: ignore[arg-type]
        tenant_url="https://new.example",
        reference_id=None,
        extra_body={"integration_type": "Okta", "account_tag": None, "id": "ignored"},
    )
    assert updated is not None
    assert updated.to_dict(mode="json") == {**world.integration, "tenant_url": "https://new.example"}


def test_a_create_with_a_null_reference_gets_a_fresh_one(service: Service, client: Cloudflare) -> None:
    """Contract 6, `reference_id`."""
    created = client.zero_trust.risk_scoring.integrations.create(
        account_id=service.account_id, integration_type="Okta", tenant_url=TENANT, reference_id=None
    )
    assert created is not None
    assert uuid.UUID(created.reference_id).version == 4


def test_the_values_of_the_sdks_own_suites_are_not_refused_for_their_form(service: Service) -> None:
    """An account called `account_id`, a reference called `reference_id`, and a user's id that nobody has."""
    service.account_id = "account_id"
    service.token = service.new_token("account_id")
    with connect(service, service.token) as client:
        integrations = client.zero_trust.risk_scoring.integrations
        created = integrations.create(
            account_id="account_id",
            integration_type="Okta",
            tenant_url="https://example.com",
            reference_id="reference_id",
        )
        found = integrations.references.get("reference_id", account_id="account_id")
        assert created is not None
        assert found is not None
        assert (found.id, found.account_tag, found.tenant_url) == (created.id, "account_id", "https://example.com")
        with pytest.raises(cloudflare.NotFoundError):
            client.zero_trust.risk_scoring.get(UNKNOWN, account_id="account_id")


def test_headers_of_other_clients_are_ignored(world: World, client: Cloudflare) -> None:
    """Contract 17: versions, telemetry, and a content type where there is no body."""
    headers = {
        "api-version": "2099-01-01",
        "X-Stainless-Helper-Method": "stream",
        "User-Agent": "hackney/1.20.1",
        "X-Unheard-Of": "1",
        "Content-Type": "application/json",
    }
    scoring = client.zero_trust.risk_scoring
    found = scoring.integrations.get(world.integration["id"], account_id=world.account_id, extra_headers=headers)
    assert found is not None
    scoring.reset(world.user_id, account_id=world.account_id, extra_headers=headers)
    scoring.integrations.delete(found.id, account_id=world.account_id, extra_headers=headers)
    assert list(scoring.integrations.list(account_id=world.account_id, extra_query={"page": 2, "per_page": 1})) == []


def test_both_kinds_of_credentials_at_once_work(service: Service, world: World) -> None:
    """Contract 14: the Go SDK's own suite sends a token, an e-mail and a key together; the token counts."""
    key = {"X-Auth-Email": "user@example.com", "X-Auth-Key": "144c9defac04969c7bfad8efaa8ea194"}
    with connect(service, service.token).with_options(default_headers=key) as client:
        assert len(list(client.zero_trust.risk_scoring.integrations.list(account_id=world.account_id))) == 1


def test_a_list_is_one_page(world: World, client: Cloudflare) -> None:
    """There is no next page to ask for (contract 11)."""
    page = client.zero_trust.risk_scoring.integrations.list(account_id=world.account_id)
    assert not page.has_next_page()
    assert [len(each.result) for each in page.iter_pages()] == [1]


async def test_a_list_is_iterated_asynchronously(service: Service, world: World) -> None:
    """`async for`, straight over the call."""
    async with AsyncCloudflare(api_token=service.token, base_url=f"{service.url}/client/v4") as client:
        listed = client.zero_trust.risk_scoring.integrations.list(account_id=world.account_id)
        assert [row.id async for row in listed] == [world.integration["id"]]


def test_credentials_that_do_not_do_raise_the_sdks_errors(service: Service, world: World) -> None:
    """Contract 15: unknown, of another account, without the scope."""
    account = world.account_id
    with connect(service, "rr_unknown") as client, pytest.raises(cloudflare.AuthenticationError):
        client.zero_trust.risk_scoring.behaviours.get(account_id=account)
    with connect(service, service.new_token("another")) as client, pytest.raises(cloudflare.PermissionDeniedError):
        client.zero_trust.risk_scoring.behaviours.get(account_id=account)
    reader = service.new_token(account, Scope.READ)
    with connect(service, reader) as client, pytest.raises(cloudflare.PermissionDeniedError):
        client.zero_trust.risk_scoring.integrations.delete(world.integration["id"], account_id=account)


def test_the_sdk_reads_and_writes_behaviors_and_resets(service: Service, client: Cloudflare) -> None:
    """Behaviors, summary, user and reset."""
    scoring = client.zero_trust.risk_scoring
    account = service.account_id
    behaviors = scoring.behaviours.get(account_id=account)
    assert behaviors is not None
    assert set(behaviors.behaviors) >= {"high_dlp", "imp_travel", "sentinel_one"}
    assert not any(row.enabled for row in behaviors.behaviors.values())
    changed = scoring.behaviours.update(
        account_id=account, behaviors={"high_dlp": {"enabled": True, "risk_level": "medium"}}
    )
    assert changed is not None
    assert changed.behaviors["high_dlp"].enabled is True
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    assert change["current_level"] == "medium"
    summary = scoring.summary.get(account_id=account)
    assert summary is not None
    (row,) = summary.users
    assert (row.user_id, row.email, row.event_count) == (change["user_id"], "kai@example.com", 1)
    user = scoring.get(row.user_id, account_id=account)
    assert user is not None
    assert (user.email, user.risk_level, user.last_reset_time) == ("kai@example.com", "medium", None)
    assert [event.timestamp for event in user.events] == [row.last_event]
    scoring.reset(row.user_id, account_id=account)
    summary = scoring.summary.get(account_id=account)
    assert summary is not None
    assert summary.users == []


def test_the_sdk_takes_behaviors_that_it_does_not_know(service: Service, client: Cloudflare) -> None:
    """A behavior of the account's own is one more key of the map: it is read, sent back whole, and changed."""
    scoring = client.zero_trust.risk_scoring
    account = service.account_id
    service.result("POST", "/behaviors", {"id": "vpn_from_abroad", "name": "VPN from Abroad", "risk_level": "medium"})
    read = scoring.behaviours.get(account_id=account)
    assert read is not None
    assert len(read.behaviors) == 9
    row = read.behaviors["vpn_from_abroad"]
    assert (row.name, row.enabled, row.risk_level) == ("VPN from Abroad", False, "medium")
    whole: Any = {name: row.to_dict() for name, row in read.behaviors.items()}
    unchanged = scoring.behaviours.update(account_id=account, behaviors=whole)
    assert unchanged is not None
    assert {name: row.enabled for name, row in unchanged.behaviors.items()} == dict.fromkeys(whole, False)
    changed = scoring.behaviours.update(
        account_id=account, behaviors={"vpn_from_abroad": {"enabled": True, "risk_level": "high"}}
    )
    assert changed is not None
    assert changed.behaviors["vpn_from_abroad"].risk_level == "high"
    finding = {"behavior": "vpn_from_abroad", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    user = scoring.get(change["user_id"], account_id=account)
    assert user is not None
    assert [event.name for event in user.events] == ["VPN from Abroad"]
