"""Activity and its limits over HTTP, against a running service."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.service import Service, running

KAI = {"email": "kai@example.com", "name": "Kai Berg"}
PARIS = {"latitude": 48.8566, "longitude": 2.3522}
NEW_YORK = {"latitude": 40.7128, "longitude": -74.006}
NOW = datetime.now(UTC).replace(microsecond=0)
EVENTS = Path(__file__).parents[3] / "specs" / "ocsf"


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: its counters are read."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test begins now, and not when it was collected: after an hour activity is late."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def login(minutes: float, where: dict[str, float], **more: Any) -> dict[str, Any]:
    return {"user": KAI, "timestamp": at(minutes), **where, **more}


def hits(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"user": KAI, "timestamp": at(-5 - n / 60), "profile": "Payment cards", **more} for n in range(count)]


def send(service: Service, body: Any, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    return service.call("POST", "/activity", body, **{"Content-Type": content_type})


def pointers(envelope: dict[str, Any]) -> list[str]:
    return [error["source"]["pointer"] for error in envelope["errors"]]


def test_impossible_travel(ready: Service) -> None:
    """Two logins too far apart: a finding with its evidence, a change, and both on the user's page."""
    first = ready.result("POST", "/activity", login(-40, PARIS, application="Mail"))
    assert first == {
        "accepted": 1,
        "duplicates": 0,
        "ignored": 0,
        "ignored_by_reason": {},
        "refused": 0,
        "reasons": [],
        "late": 0,
        "findings": [],
        "changes": [],
    }
    second = ready.result("POST", "/activity", login(-10, NEW_YORK, type="login"))
    (found,), (change,) = second["findings"], second["changes"]
    assert (change["previous_level"], change["current_level"]) == (None, "medium")
    assert (found["behavior"], found["email"], found["user_id"], found["risk_level"]) == (
        "imp_travel",
        KAI["email"],
        change["user_id"],
        "medium",
    )
    assert [one["application"] for one in found["details"]["logins"]] == ["Mail", None]
    assert (found["details"]["distance_km"], found["details"]["hours"]) == (5837.2, 0.5)
    shown = ready.result("GET", f"/{change['user_id']}")
    assert [(event["id"], event["event_details"]) for event in shown["events"]] == [(found["id"], found["details"])]
    assert shown["risk_level"] == "medium"


def test_a_burst_of_dlp_hits(ready: Service) -> None:
    """As an array, in NDJSON, and mixed with logins; once an episode."""
    result = ready.result("POST", "/activity", [*hits(15), login(-1, PARIS)])
    (found,) = result["findings"]
    assert (result["accepted"], found["behavior"], found["details"]["hits"]) == (16, "high_dlp", 15)
    assert found["details"]["profiles"] == ["Payment cards"]
    lines = "\n\n".join(json.dumps(hit) for hit in hits(18, type="dlp_hit")[15:]) + "\n"
    status, envelope = send(ready, lines.encode(), "application/x-ndjson")
    assert status == 200
    assert (envelope["result"]["accepted"], envelope["result"]["findings"], envelope["result"]["changes"]) == (
        3,
        [],
        [],
    )


def test_a_reset_is_not_undone(ready: Service) -> None:
    """More activity of an episode that a person has cleared triggers nothing."""
    result = ready.result("POST", "/activity", hits(15))
    ready.result("POST", f"/{result['changes'][0]['user_id']}/reset")
    more = ready.result("POST", "/activity", hits(25)[15:])
    assert (more["accepted"], more["findings"], more["changes"]) == (10, [], [])


def test_an_id_makes_a_repeat_harmless(ready: Service) -> None:
    """Also a hundred times at once; with another body it is refused at its place."""
    hit = hits(1, id="hit-1")[0]
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: ready.result("POST", "/activity", hit), range(50)))
    assert (sum(one["accepted"] for one in results), sum(one["duplicates"] for one in results)) == (1, 49)
    status, envelope = send(ready, {**hit, "profile": "Names"})
    assert (status, pointers(envelope), envelope["errors"][0]["code"]) == (400, ["/id"], 1107)


def test_late_and_future_activity(ready: Service) -> None:
    """An hour late is counted and not used; the future is refused."""
    result = ready.result("POST", "/activity", [login(-65, PARIS), login(-50, NEW_YORK)])
    assert (result["accepted"], result["late"], result["findings"]) == (1, 1, [])
    status, envelope = send(ready, [login(0, PARIS), login(30, PARIS)])
    assert (status, pointers(envelope)) == (400, ["/1/timestamp"])


def test_disabled_behaviors(service: Service) -> None:
    """Nothing is kept and nothing triggers."""
    result = service.result("POST", "/activity", [*hits(20), login(-40, PARIS), login(-39, NEW_YORK)])
    assert (result["accepted"], result["ignored"], result["findings"]) == (0, 22, [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/user", "/timestamp", "/latitude", "/longitude"]),
        ({"profile": ""}, ["/user", "/timestamp", "/profile"]),
        ({"type": "dlp_hit", **PARIS}, ["/user", "/timestamp", "/profile"]),
        ({"type": "logoff", "user": KAI}, ["/type"]),
        ({"type": 7}, ["/type"]),
        ({"user": KAI, "timestamp": at(0), "profile": "x", **PARIS}, ["/type"]),
        (login(0, {"latitude": 90.1, "longitude": -180.1}), ["/latitude", "/longitude"]),
        (login(0, PARIS, application=7, id=""), ["/id", "/application"]),
        ({**login(0, PARIS), "timestamp": "2026-03-17T08:14:03"}, ["/timestamp"]),
        ({**login(0, PARIS), "timestamp": "0001-01-01T00:00:00+14:00"}, ["/timestamp"]),
        ({**login(0, PARIS), "user": {"email": "nobody"}}, ["/user/email"]),
        ([], []),
        (17, [""]),
    ],
)
def test_wrong_activity_has_pointers(ready: Service, body: Any, expected: list[str]) -> None:
    """All faults at once, each at its place; in a batch behind the activity's number, in NDJSON behind the line's."""
    good = hits(1)[0]
    if expected:
        status, envelope = send(ready, body)
        assert (status, sorted(pointers(envelope))) == (400, sorted(expected))
    else:
        assert send(ready, body)[0] == 400
    status, envelope = send(ready, [good, body])
    assert (status, sorted(pointers(envelope))) == (400, sorted(f"/1{one}" for one in expected or [""]))
    status, envelope = send(ready, b"\n".join(json.dumps(one).encode() for one in (good, body)), "application/x-ndjson")
    assert (status, sorted(pointers(envelope))) == (400, sorted(f"/1{one}" for one in expected or [""]))
    assert ready.result("POST", "/activity", {**good, "id": "alone"})["accepted"] == 1


def event(name: str) -> dict[str, Any]:
    """An event of specs/ocsf as if it happened now."""
    written: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return {**written, "time": int(NOW.timestamp() * 1_000)}


def test_ocsf_events_are_taken_as_they_are(ready: Service) -> None:
    """A mixed stream of a log pipeline: what is of use is used, the rest is counted."""
    events = [event(path.stem) for path in EVENTS.glob("*.json")]
    result = ready.result("POST", "/activity", events)
    assert (result["accepted"], result["ignored"], len(result["findings"])) == (6, 6, 1)
    assert result["findings"][0]["details"]["km_per_h"] is None
    again = ready.result("POST", "/activity", events)
    assert (again["accepted"], again["duplicates"], again["findings"]) == (0, 6, [])


def test_the_limits_of_impossible_travel(ready: Service) -> None:
    """Defaults first; what is set is answered, held to, and in the audit log; wrong ones change nothing."""
    defaults = {
        "max_km_per_h": 1_000,
        "min_km": 500,
        "ipv4_ipv6_min_km": 1_000,
        "exempt_same_ip": True,
        "exempt_trusted_networks": True,
        "exempt_anonymous": True,
        "exempt_centroids": True,
        "session_refreshes": True,
        "known_places_days": 0,
        "cities_in_reason": False,
    }
    assert ready.result("GET", "/detection") == {"imp_travel": defaults, "lateness_hours": 1}
    given = {"max_km_per_h": 10_000, "min_km": 250, "known_places_days": 30}
    mine = {"imp_travel": {**defaults, **given}, "lateness_hours": 168}
    assert ready.result("PUT", "/detection", {"imp_travel": given, "lateness_hours": 168}) == mine
    assert ready.result("PUT", "/detection", {"imp_travel": {"max_km_per_h": 10_000, "min_km": 250}}) == mine
    assert ready.result("GET", "/detection") == mine
    result = ready.result("POST", "/activity", [login(-50, PARIS), login(0, NEW_YORK)])
    assert (result["accepted"], result["findings"]) == (2, [])
    for limits, expected in (
        ({}, ["/imp_travel/max_km_per_h", "/imp_travel/min_km"]),
        ({"max_km_per_h": 99, "min_km": 0}, ["/imp_travel/max_km_per_h", "/imp_travel/min_km"]),
        ({"max_km_per_h": 1000.5, "min_km": "100"}, ["/imp_travel/max_km_per_h", "/imp_travel/min_km"]),
        ({"max_km_per_h": 1000, "min_km": 1, "known_places_days": 31}, ["/imp_travel/known_places_days"]),
    ):
        status, envelope = ready.call("PUT", "/detection", {"imp_travel": limits})
        assert (status, pointers(envelope)) == (400, expected)
    assert ready.call("PUT", "/detection", {})[0] == 400
    assert ready.result("GET", "/detection") == mine
    (entry,) = ready.result("GET", "/audit?kind=detection")
    assert (entry["verb"], entry["thing_id"]) == ("changed", "imp_travel")


def test_ten_thousand_activities_are_taken_and_one_more_is_not(ready: Service) -> None:
    """Up to 10,000 in one request, of one user too."""
    line = json.dumps(hits(1)[0]).encode() + b"\n"
    status, envelope = send(ready, line * 10_000, "application/x-ndjson")
    assert (status, envelope["result"]["accepted"]) == (200, 10_000)
    assert envelope["result"]["findings"][0]["details"]["hits"] == 10_000
    assert send(ready, line * 10_001, "application/x-ndjson")[0] == 400


def test_activity_is_counted(ready: Service) -> None:
    """In the metrics, by what became of it."""
    ready.result("POST", "/activity", [hits(1)[0], login(-65, PARIS)])
    metrics = ready.get("/metrics").decode()
    assert 'riskrelay_activity_total{result="late"}' in metrics
    assert 'riskrelay_activity_total{result="accepted"}' in metrics


def test_a_repeated_request_without_ids_counts_once(ready: Service) -> None:
    """Eight hits that are alike are eight; the same request again adds none, and neither does one of them alone."""
    eight = [{**hits(1)[0], "timestamp": at(-5)} for _ in range(8)]
    first, again = (ready.result("POST", "/activity", eight) for _ in range(2))
    assert (first["accepted"], first["duplicates"]) == (8, 0)
    assert (again["accepted"], again["duplicates"], again["findings"]) == (0, 8, [])
    assert ready.result("POST", "/activity", eight[0])["duplicates"] == 1


def test_logins_that_take_no_part_are_counted_by_reason(ready: Service) -> None:
    """Trusted networks, VPNs, 0/0, the middle of a country, an address without a place."""
    ready.result("PUT", "/networks", {"networks": [{"name": "Office", "cidr": "198.51.100.0/24"}]})
    result = ready.result(
        "POST",
        "/activity",
        [
            login(-9, PARIS, ip="203.0.113.7"),
            login(-8, NEW_YORK, ip="198.51.100.9"),
            login(-7, NEW_YORK, anonymous=True),
            login(-6, {"latitude": 0.0, "longitude": 0.0}),
            login(-5, {"latitude": 38, "longitude": -97}),
            login(-4, {}, ip="203.0.113.8"),
        ],
    )
    reasons = {"trusted_network": 1, "anonymous": 1, "no_place": 2, "centroid": 1}
    assert (result["accepted"], result["ignored"], result["ignored_by_reason"]) == (1, 5, reasons)
    assert result["findings"] == []


def test_evidence_names_address_city_and_events(ready: Service) -> None:
    """What the sender said of a login is kept with the finding."""
    more = {"ip": "203.0.113.7", "asn": 64_500, "country": "FR", "city": "Paris", "source": "okta", "accuracy_km": 10}
    logins = [login(-9, PARIS, id="a", **more), login(-8, NEW_YORK, id="b", ip="2001:DB8::1", type="session_refresh")]
    (found,) = ready.result("POST", "/activity", logins)["findings"]
    earlier, later = found["details"]["logins"]
    assert more.items() <= earlier.items()
    assert (earlier["event_id"], later["event_id"], later["ip"]) == ("a", "b", "2001:db8::1")
    assert later["is_refresh"]


def test_trusted_networks(ready: Service) -> None:
    """A PUT replaces all networks and is audited. Each invalid network is reported with its pointer."""
    assert ready.result("GET", "/networks") == {"networks": []}
    mine = {"networks": [{"name": "Office", "cidr": "203.0.113.0/24"}, {"name": "VPN", "asn": 64_500}]}
    assert ready.result("PUT", "/networks", mine) == mine
    assert ready.result("GET", "/networks") == mine
    for network, expected in (
        ({"name": "", "cidr": "203.0.113.0/24"}, "/networks/0/name"),
        ({"name": "x", "cidr": "203.0.113.7/24"}, "/networks/0/cidr"),
        ({"name": "x", "cidr": "0.0.0.0/0"}, "/networks/0/cidr"),
        ({"name": "x", "asn": 0}, "/networks/0/asn"),
        ({"name": "x"}, "/networks/0"),
        ({"name": "x", "asn": 1, "cidr": "203.0.113.0/24"}, "/networks/0"),
    ):
        status, envelope = ready.call("PUT", "/networks", {"networks": [network]})
        assert (status, pointers(envelope)) == (400, [expected])
    assert ready.call("PUT", "/networks", {"networks": [{"name": "x", "asn": 1}] * 1_001})[0] == 400
    assert ready.result("GET", "/networks") == mine
    (entry,) = ready.result("GET", "/audit?kind=detection")
    assert entry["thing_id"] == "networks"


def test_anonymous_logins_trigger_a_behavior_of_the_account(ready: Service) -> None:
    """Only when the account has added and enabled it; a repeat counts once; a trusted network is not anonymous."""
    vpn = [login(-9, NEW_YORK, anonymous=True, ip="203.0.113.7"), login(-8, PARIS, anonymous=True, asn=64_500)]
    assert ready.result("POST", "/activity", vpn)["changes"] == []
    own = {"name": "Anonymous Login", "description": "A login through a VPN.", "enabled": True, "risk_level": "high"}
    ready.result("POST", "/behaviors", {"id": "anonymous_login", **own})
    ready.result("PUT", "/networks", {"networks": [{"name": "VPN", "asn": 64_500}]})
    (change,) = ready.result("POST", "/activity", vpn)["changes"]
    assert change["current_level"] == "high"
    assert ready.result("POST", "/activity", vpn)["changes"] == []
    events = ready.result("GET", f"/{change['user_id']}")["events"]
    assert [event["event_details"]["ip"] for event in events] == ["203.0.113.7"]
