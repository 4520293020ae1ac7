"""The official Python SDK, unchanged but for its base URL."""

from collections.abc import Iterator

import cloudflare
import pytest
from cloudflare import Cloudflare

from support.service import Service

TENANT = "https://Example.com/Tenant%2F1/"
UNKNOWN = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


@pytest.fixture
def client(service: Service) -> Iterator[Cloudflare]:
    """The SDK's client, with its base path."""
    with Cloudflare(api_token=service.token, base_url=f"{service.url}/client/v4", max_retries=0) as client:
        yield client


def test_the_sdk_creates_lists_gets_updates_and_deletes(service: Service, client: Cloudflare) -> None:
    """All six operations; tenant_url comes back byte for byte."""
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
