"""The console's detection screen: settings and trusted networks, by the rules of the API."""

from collections.abc import Iterator

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service, running
from support.visitor import Visitor

PATH = "/console/accounts/acme/detection"
FIELDS = {
    "max_km_per_h": "900",
    "min_km": "400",
    "ipv4_ipv6_min_km": "1200",
    "known_places_days": "30",
    "lateness_hours": "24",
    "exempt_same_ip": "on",
    "exempt_centroids": "on",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("detection-console")) as service:
        yield service


@pytest.fixture
def visitor(service: Service) -> Visitor:
    """Somebody who may do everything."""
    visitor = Visitor(service)
    visitor.sign_in()
    return visitor


def test_settings_are_saved_as_they_are_shown(service: Service, visitor: Visitor) -> None:
    """A rule whose box is empty is disabled; a wrong number is explained beside its field, and nothing is saved."""
    csrf = visitor.ask("GET", PATH).csrf
    assert visitor.ask("POST", PATH, {**FIELDS, "csrf": csrf}).status == 303
    saved = service.result("GET", "/detection")
    assert (saved["lateness_hours"], saved["imp_travel"]["min_km"], saved["imp_travel"]["known_places_days"]) == (
        24,
        400,
        30,
    )
    assert saved["imp_travel"]["exempt_same_ip"]
    assert not saved["imp_travel"]["exempt_anonymous"]
    refused = visitor.ask("POST", PATH, {**FIELDS, "min_km": "0", "csrf": csrf})
    assert refused.status == 400
    assert 'id="min_km-hint"' in refused.text
    assert service.result("GET", "/detection") == saved


def test_networks_are_added_and_removed(service: Service, visitor: Visitor) -> None:
    """By address and by autonomous system; one that is no network is explained."""
    csrf = visitor.ask("GET", PATH).csrf
    for network in ("203.0.113.0/24", "as64500"):
        added = visitor.ask("POST", f"{PATH}/networks", {"network": network, "name": "<b>Office</b>", "csrf": csrf})
        assert added.status == 303
    page = visitor.ask("GET", PATH).text
    assert "AS64500" in page
    assert "<b>Office" not in page
    for network, name in (("203.0.113.7/24", "x"), ("office", "x"), ("192.0.2.0/24", "")):
        refused = visitor.ask("POST", f"{PATH}/networks", {"network": network, "name": name, "csrf": csrf})
        assert (refused.status, 'class="problem"' in refused.text) == (400, True)
    visitor.ask("POST", f"{PATH}/networks/remove", {"network": "AS64500", "csrf": csrf})
    assert service.result("GET", "/networks") == {"networks": [{"name": "<b>Office</b>", "cidr": "203.0.113.0/24"}]}


def test_the_read_scope_changes_nothing(service: Service) -> None:
    """No button is shown, and no change is taken."""
    reader = Visitor(service)
    reader.sign_in(service.new_token("acme", Scope.READ))
    page = reader.ask("GET", PATH)
    assert page.status == 200
    assert "Save</button>" not in page.text
    for path in (PATH, f"{PATH}/networks", f"{PATH}/networks/remove"):
        assert reader.ask("POST", path, {**FIELDS, "csrf": page.csrf}).status == 403
