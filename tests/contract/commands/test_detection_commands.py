"""The commands on detection: settings and networks over the service, a backtest without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.mmdb import city, write_mmdb
from support.service import Service

LOG: list[dict[str, object]] = [
    {"id": "a", "ip": "81.2.69.142", "timestamp": "2025-01-01T10:00:00Z"},
    {"id": "b", "latitude": -33.8688, "longitude": 151.2093, "city": "Sydney", "timestamp": "2025-01-01T10:40:00Z"},
    {"id": "c", "latitude": 0, "longitude": 0, "timestamp": "2025-01-01T10:41:00Z"},
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service."""
    service = Service(tmp_path_factory.mktemp("detection"))
    service.start()
    yield service
    service.stop()


def test_networks(service: Service) -> None:
    """Add by address and by autonomous system, rename, list, remove; what is not there is said."""
    service.command("network", "add", "203.0.113.0/24", "--name", "Office")
    service.command("network", "add", "as64500", "--name", "VPN")
    listed = json.loads(service.command("network", "add", "203.0.113.0/24", "--name", "Berlin", "--json").stdout)
    assert listed == {"networks": [{"name": "VPN", "asn": 64_500}, {"name": "Berlin", "cidr": "203.0.113.0/24"}]}
    assert "AS64500" in service.command("network", "list").stdout
    service.command("network", "remove", "AS64500")
    assert len(json.loads(service.command("network", "list", "--json").stdout)["networks"]) == 1
    for arguments in (["remove", "AS64500"], ["add", "203.0.113.7/24", "--name", "x"]):
        refused = service.command("network", *arguments, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "error:" in refused.stderr


def test_settings(service: Service) -> None:
    """Only what is named changes; a wrong name or value is explained."""
    before = json.loads(service.command("detection", "show", "--json").stdout)
    arguments = ["set", "min_km=400", "cities_in_reason=on", "lateness_hours=24"]
    after = json.loads(service.command("detection", *arguments, "--json").stdout)
    assert after["imp_travel"] == {**before["imp_travel"], "min_km": 400, "cities_in_reason": True}
    assert after["lateness_hours"] == 24
    assert "lateness_hours" in service.command("detection", "show").stdout
    for wrong in ("min_km=x", "min_km", "cities_in_reason=maybe", "nothing=1", "min_km=0"):
        assert service.command("detection", "set", wrong, check=False).returncode == 1


def test_a_backtest_needs_no_service(service: Service, tmp_path: Path) -> None:
    """A log of any age; addresses get places; settings and networks are tried from files."""
    log = tmp_path / "log.ndjson"
    log.write_text("\n".join(json.dumps({"user": {"email": "kai@example.com"}, **one}) for one in LOG))
    geoip = write_mmdb(tmp_path / "city.mmdb", {"81.2.69.0/24": city("London", "GB", 51.5142, -0.0931)})
    service.settings["RISKRELAY_GEOIP"] = str(geoip)
    result = json.loads(service.command("activity", "backtest", str(log), "--json").stdout)
    assert [(one["email"], one["behavior"]) for one in result["found"]] == [("kai@example.com", "imp_travel")]
    assert (result["logins"], result["exempt"]) == (2, {"no_place": 1})
    shown = service.command("activity", "backtest", str(log)).stdout
    assert "London" in shown
    settings, networks = tmp_path / "detection.json", tmp_path / "networks.json"
    settings.write_text(json.dumps({"imp_travel": {"max_km_per_h": 10_000, "min_km": 20_000}}))
    networks.write_text(json.dumps({"networks": [{"name": "Office", "cidr": "81.2.0.0/16"}]}))
    for option in (["--detection", str(settings)], ["--networks", str(networks)]):
        tried = json.loads(service.command("activity", "backtest", str(log), *option, "--json").stdout)
        assert tried["found"] == []
    settings.write_text("{}")
    for wrong in (["--detection", str(settings)], ["--kind", "nothing"]):
        assert service.command("activity", "backtest", str(log), *wrong, check=False).returncode == 1


def test_a_backtest_of_a_product(service: Service, tmp_path: Path) -> None:
    """Events of a kind go through its mapping; those that are no activity are counted by reason."""
    event: dict[str, object] = {
        "eventType": "user.session.start",
        "outcome": {"result": "SUCCESS"},
        "actor": {"type": "User", "alternateId": "kai@example.com"},
    }
    places = {"Berlin": (52.52, 13.405, "203.0.113.7"), "Sydney": (-33.8688, 151.2093, "192.0.2.7")}
    lines = [
        {
            **event,
            "uuid": name,
            "published": f"2025-01-01T10:0{number}:00.000Z",
            "client": {
                "ipAddress": ip,
                "geographicalContext": {"city": name, "geolocation": {"lat": latitude, "lon": longitude}},
            },
        }
        for number, (name, (latitude, longitude, ip)) in enumerate(places.items())
    ]
    log = tmp_path / "okta.ndjson"
    log.write_text("\n".join(map(json.dumps, [*lines, {**lines[0], "eventType": "nothing.known"}])))
    result = json.loads(service.command("activity", "backtest", str(log), "--kind", "okta_system_log", "--json").stdout)
    (found,) = result["found"]
    assert [login["city"] for login in found["details"]["logins"]] == ["Berlin", "Sydney"]
    assert sum(result["left_out"].values()) == 1
