"""Events of OCSF in activity: each is taken by itself, and every other has its reason."""

import gzip
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from support.service import Service

BERLIN = {"lat": 52.52, "long": 13.4}


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def moment(seconds_ago: float = 0) -> int:
    return int((time.time() - seconds_ago) * 1000)


def login(**more: Any) -> dict[str, Any]:
    """A successful login as OCSF has it. None: the member is left out."""
    members = {
        "class_uid": 3002,
        "activity_id": 1,
        "status_id": 1,
        "time": moment(),
        "user": {"email_addr": "kai@example.com"},
        "src_endpoint": {"ip": "198.51.100.7", "location": BERLIN},
        **more,
    }
    return {name: value for name, value in members.items() if value is not None}


def send(service: Service, body: Any, **headers: str) -> dict[str, Any]:
    status, envelope = service.call("POST", "/activity", body, **headers)
    assert status == 200, envelope
    result: dict[str, Any] = envelope["result"]
    return result


def test_an_event_of_another_class_refuses_no_other(ready: Service) -> None:
    """A stream of all classes gives its logins, and the others have their reason and place."""
    result = send(ready, [login(), login(class_uid=6003)])
    assert (result["accepted"], result["ignored"], result["refused"]) == (1, 1, 0)
    (reason,) = result["reasons"]
    assert (reason["reason"], reason["count"], reason["first"][0]["index"]) == ("not_a_signal", 1, 1)


def test_an_unusable_address_refuses_its_own_event_only(ready: Service) -> None:
    """An event whose user is no e-mail address is refused with its place, and the next candidate is used first."""
    result = send(ready, [login(), login(user={"email_addr": "unknown", "name": "svc"})])
    assert (result["accepted"], result["refused"]) == (1, 1)
    assert result["reasons"][0]["reason"] in ("no_user", "unknown_user")
    assert result["reasons"][0]["first"][0]["index"] == 1
    other = login(user={"email_addr": "unknown"}, actor={"user": {"email_addr": "lou@example.com"}})
    assert send(ready, other)["accepted"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"user": {"email_addr": "", "name": "kai@example.com"}},
        {"time": "seconds"},
        {"time": "text"},
        {"time": None, "time_dt": "text"},
        {"status_id": None, "status": "Success"},
        {"class_uid": "3002"},
    ],
    ids=["empty e-mail", "seconds", "RFC 3339", "time_dt", "status", "class as text"],
)
def test_what_products_write_is_understood(ready: Service, more: dict[str, Any]) -> None:
    """Empty texts are absent, times have any unit or are text, and members that OCSF only recommends may be missing."""
    written = {"seconds": int(time.time()), "text": datetime.now(UTC).isoformat()}
    given = {name: written.get(value, value) if isinstance(value, str) else value for name, value in more.items()}
    result = send(ready, [login(**given)])
    assert (result["accepted"], result["late"], result["ignored"], result["refused"]) == (1, 0, 0, 0), result


def test_ignored_events_have_their_reason(ready: Service) -> None:
    """No coordinates, a failed login and a disabled behavior are told apart."""
    no_place = login(src_endpoint={"ip": "198.51.100.7"})
    assert send(ready, no_place)["ignored_by_reason"] == {"no_place": 1}
    assert send(ready, login(status_id=2))["ignored_by_reason"] == {"failed_login": 1}
    behaviors = ready.result("GET", "/behaviors")["behaviors"]
    off = {name: {**row, "enabled": False} for name, row in behaviors.items()}
    ready.result("PUT", "/behaviors", {"behaviors": off})
    assert send(ready, login())["ignored_by_reason"] == {"behavior_disabled": 1}


def test_a_finding_that_is_seen_again_is_a_duplicate(ready: Service) -> None:
    """finding_info.uid names the finding: with another time it is the same one again."""
    finding = {
        "class_uid": 2006,
        "activity_id": 1,
        "finding_info": {"uid": "f-1", "title": "Card numbers"},
        "actor": {"user": {"email_addr": "kai@example.com"}},
    }
    result = send(ready, [{**finding, "time": moment()}, {**finding, "time": moment(1)}])
    assert (result["accepted"], result["duplicates"]) == (1, 1)


def test_a_repeated_delivery_counts_once(ready: Service) -> None:
    """Events without an id are named by their content, so the same batch again is all duplicates."""
    events = [login(time=moment(5)), login(time=moment(4))]
    first, again = send(ready, events), send(ready, events)
    assert (first["accepted"], again["accepted"], again["duplicates"]) == (2, 0, 2)


def test_two_places_of_events_are_impossible_travel(ready: Service) -> None:
    """Logins of OCSF raise a level, and the episode is in the answer."""
    sydney = {"ip": "203.0.113.9", "location": {"lat": -33.87, "long": 151.21}}
    result = send(ready, [login(time=moment(600)), login(src_endpoint=sydney)])
    assert [one["behavior"] for one in result["findings"]] == ["imp_travel"]
    assert result["changes"][0]["current_level"] == "medium"


def test_our_own_form_stays_all_or_nothing(ready: Service) -> None:
    """A fault in our own form refuses the request, before an event of OCSF is recorded."""
    own = {"user": {"email": "kai@example.com"}, "timestamp": "yesterday", "profile": "PCI"}
    status, envelope = ready.call("POST", "/activity", [login(), own])
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, "/1/timestamp")
    own["timestamp"] = datetime.now(UTC).isoformat()
    assert send(ready, [login(), own])["accepted"] == 2


def test_compressed_bodies_and_the_names_of_ndjson(ready: Service) -> None:
    """gzip is unpacked, for findings too, and the names in use for lines of JSON are known."""
    packed = gzip.compress(json.dumps([login(), login(class_uid=6003)]).encode())
    assert send(ready, packed, **{"Content-Encoding": "gzip"})["accepted"] == 1
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    status, envelope = ready.call(
        "POST", "/findings", gzip.compress(json.dumps(finding).encode()), **{"Content-Encoding": "gzip"}
    )
    assert (status, envelope["result"]["accepted"]) == (200, 1)
    for name in ("application/jsonl", "application/ndjson", "application/jsonlines", "application/x-ndjson"):
        assert send(ready, json.dumps(login()).encode(), **{"Content-Type": name})["refused"] == 0
    status, envelope = ready.call("POST", "/activity", b"{}", **{"Content-Type": "text/plain"})
    assert (status, "activity" in envelope["errors"][0]["message"]) == (415, True)
