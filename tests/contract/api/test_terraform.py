"""What a Terraform provider sends: whole records back, computed members among them, and explicit nulls. No drift."""

from typing import Any

import pytest

from support.service import Service

COMPUTED = ("id", "account_tag", "created_at", "well_known_url")
PLANS: list[dict[str, Any]] = [
    {"tenant_url": "https://example.okta.com"},
    {"tenant_url": "https://Example.OKTA.com/", "reference_id": None, "active": None},
    {"tenant_url": "https://example.okta.com:443/a%2fb/", "reference_id": "b7a5f7f0-0f5c-4a39-8f0e-6a4d2b1c9e10"},
    {"tenant_url": "HTTPS://xn--bcher-kva.example/ü", "reference_id": "Prod/1 ", "active": False},
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("change", PLANS)
def test_a_read_returns_what_was_sent(service: Service, plan: dict[str, Any], change: dict[str, Any]) -> None:
    """Contract 6, 7: create, read, update with all that the state holds, read: exactly what was sent comes back."""
    computed_before = dict.fromkeys(COMPUTED)
    created = service.result("POST", "/integrations", {"integration_type": "Okta", **computed_before, **plan})
    path = f"/integrations/{created['id']}"
    assert service.result("GET", path) == created
    assert holds(created, plan)
    state = {**created, "account_id": service.account_id, "active": created["active"], **change}
    updated = service.result("PUT", path, state)
    assert service.result("GET", path) == updated
    assert holds(updated, change)
    assert {name: updated[name] for name in COMPUTED} == {name: created[name] for name in COMPUTED}
    unchanged = {name for name in ("reference_id", "active") if change.get(name) is None}
    assert {name: updated[name] for name in unchanged} == {name: created[name] for name in unchanged}
    assert service.result("PUT", path, {**updated, "account_id": service.account_id}) == updated


def holds(record: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Whether a record has every value that a plan sets; a null sets none."""
    return all(record[name] == value for name, value in plan.items() if value is not None)


@pytest.mark.parametrize("written", ["okta", "OKTA", "oKta", " Okta", "Okta ", "", None, 1])
def test_another_spelling_of_the_type_is_refused(service: Service, written: object) -> None:
    """`okta` answered as `Okta` would make Terraform replace the record on every apply."""
    body = {"integration_type": written, "tenant_url": "https://example.okta.com"}
    status, envelope = service.call("POST", "/integrations", body)
    assert status == 400
    assert [error["source"]["pointer"] for error in envelope["errors"]] == ["/integration_type"]
    assert service.result("GET", "/integrations") == []


def test_create_before_destroy_destroys_nothing_else(service: Service) -> None:
    """A replacement with the old reference_id is refused; with another one, deleting the old record leaves the new."""
    first_try = {"X-Stainless-Retry-Count": "0"}
    body = {"integration_type": "Okta", "tenant_url": "https://example.okta.com", "reference_id": "prod"}
    old = service.call("POST", "/integrations", body, **first_try)[1]["result"]
    status, refused = service.call("POST", "/integrations", body, **first_try)
    assert status == 400
    assert [error["code"] for error in refused["errors"]] == [1105]
    new = service.call("POST", "/integrations", {**body, "reference_id": "prod-2"}, **first_try)[1]["result"]
    service.result("DELETE", f"/integrations/{old['id']}")
    assert service.result("GET", "/integrations") == [new]


def test_a_behavior_resource_does_not_drift_beside_behaviors_it_does_not_know(service: Service) -> None:
    """A provider keeps the map that it configured: it sends back the whole state, or its own keys, and finds in the
    answer what it sent; keys that it never configured change nothing about those."""
    service.result("POST", "/behaviors", {"id": "vpn_from_abroad", "name": "VPN from Abroad", "risk_level": "low"})
    planned = {
        "high_dlp": {"enabled": True, "risk_level": "high"},
        "imp_travel": {"enabled": False, "risk_level": "low"},
    }
    applied = service.result("PUT", "/behaviors", {"behaviors": planned})["behaviors"]
    state = service.result("GET", "/behaviors")["behaviors"]
    assert state == applied
    assert all(holds(state[name], row) for name, row in planned.items())
    assert "vpn_from_abroad" in state
    assert service.result("PUT", "/behaviors", {"behaviors": state})["behaviors"] == state
    service.result("DELETE", "/behaviors/vpn_from_abroad")
    left = service.result("PUT", "/behaviors", {"behaviors": planned})["behaviors"]
    assert left == {name: row for name, row in state.items() if name != "vpn_from_abroad"}
