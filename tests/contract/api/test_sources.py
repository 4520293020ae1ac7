"""Sources over HTTP, against a running service: the resource, its credentials, and what becomes of events."""

import gzip
import hashlib
import hmac
import json
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from backports import zstd

from riskrelay.core.credentials import Scope
from support.service import Service, running

MAPPING = {
    "kind": "custom",
    "description": "Events of these tests.",
    "common": {"user": "who", "time": "at", "id": "key", "application": "app"},
    "rules": [
        {"when": 'what = "dlp"', "gives": "finding", "behavior": "high_dlp"},
        {"when": 'what = "own"', "gives": "finding", "behavior": "no_such_behavior"},
        {"when": 'what = "login"', "gives": "login", "ip": "ip", "place": {"lat": "lat", "lon": "lon"}},
        {"when": 'what = "hit"', "gives": "dlp_hit", "policy": "policy"},
    ],
    "ignored": [{"when": 'what = "heartbeat"', "because": "The sender says that it runs."}],
}


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: its counters are read."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def now(minutes: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def finding(key: str, **more: Any) -> dict[str, Any]:
    return {"what": "dlp", "who": "kai@example.com", "at": now(), "key": key, **more}


def create(service: Service, **more: Any) -> dict[str, Any]:
    wanted = {"kind": "custom", "name": "Tests", "mapping": MAPPING, **more}
    created: dict[str, Any] = service.result("POST", "/sources", wanted)
    return created


def send(service: Service, source: dict[str, Any], body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send as the source's sender does."""
    given = {"Authorization": f"Bearer {source['credential']['secret']}", **headers}
    return service.call("POST", f"/sources/{source['id']}/events", body, **given)


def result(service: Service, source: dict[str, Any], body: Any, **headers: str) -> dict[str, Any]:
    status, envelope = send(service, source, body, **headers)
    assert status == 200, envelope
    outcome: dict[str, Any] = envelope["result"]
    return outcome


def reasons(outcome: dict[str, Any]) -> dict[str, int]:
    return {one["reason"]: one["count"] for one in outcome["ignored"] + outcome["refused"]}


def raw(service: Service, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
    """Call a route of the account without the account's token."""
    whole = f"{service.url}/accounts/{service.account_id}/zt_risk_scoring{path}"
    request = urllib.request.Request(whole, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers.get("Content-Type", ""), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Content-Type", ""), error.read()


def test_a_source_is_a_resource(service: Service) -> None:
    """A source is created, read, listed, changed and deleted, and its secret is shown once."""
    created = create(service, silent_after_seconds=3600)
    assert created["credential"]["secret"].startswith("rrk_")
    assert created["state"] == "waiting"
    assert created["events_url"].endswith(f"/sources/{created['id']}/events")
    shown = service.result("GET", f"/sources/{created['id']}")
    assert shown == {name: created[name] for name in shown}
    assert "credential" not in shown
    assert service.result("GET", "/sources") == [shown]
    changed = service.result("PUT", f"/sources/{created['id']}", {"name": "Renamed", "active": False})
    assert (changed["name"], changed["active"], changed["state"]) == ("Renamed", False, "inactive")
    assert changed["mapping"] == MAPPING
    assert service.result("DELETE", f"/sources/{created['id']}") == {}
    assert service.call("GET", f"/sources/{created['id']}")[0] == 404
    assert service.call("DELETE", f"/sources/{created['id']}")[0] == 404
    verbs = [(entry["verb"], entry["kind"]) for entry in service.result("GET", "/audit?kind=source")]
    assert verbs == [("deleted", "source"), ("changed", "source"), ("created", "source")]


def test_what_a_source_must_not_be(service: Service) -> None:
    """An unknown kind, a custom source without a mapping, and a faulty mapping are refused in words."""
    for body, pointer in (
        ({"kind": "nonsense", "name": "x"}, "/kind"),
        ({"kind": "custom", "name": "x"}, "/mapping"),
        ({"kind": "custom", "name": ""}, "/name"),
        ({"kind": "okta_system_log", "name": "x", "silent_after_seconds": 1}, "/silent_after_seconds"),
        ({"kind": "custom", "name": "x", "mapping": {"kind": "x", "rules": []}}, "/mapping"),
        ({"kind": "custom", "name": "x", "mapping": {**MAPPING, "common": {"user": "((", "time": "at"}}}, "/mapping"),
    ):
        status, envelope = service.call("POST", "/sources", body)
        assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, pointer), envelope


def test_no_event_takes_another_with_it(ready: Service) -> None:
    """Each event gets its own outcome: findings and activity are recorded, the others have reasons and places."""
    source = create(ready)
    events = [
        finding("1"),
        {"what": "login", "who": "kai@example.com", "at": now(-30), "key": "2", "lat": 48.86, "lon": 2.35},
        {"what": "heartbeat"},
        {"what": "else"},
        finding("3", who="nobody"),
        finding("4", at="yesterday"),
        finding("5", at=now(60)),
        {"what": "own", "who": "kai@example.com", "at": now(), "key": "6"},
        {"what": "login", "who": "kai@example.com", "at": now(), "key": "7"},
        "no object",
        finding("1"),
    ]
    outcome = result(ready, source, events)
    assert {name: outcome[name] for name in ("events", "findings", "activity", "duplicates", "level_changes")} == {
        "events": 11,
        "findings": 1,
        "activity": 1,
        "duplicates": 1,
        "level_changes": 1,
    }
    assert reasons(outcome) == {
        "not_a_signal": 1,
        "not_mapped": 1,
        "no_place": 1,
        "no_user": 1,
        "bad_time": 1,
        "in_the_future": 1,
        "unknown_behavior": 1,
        "not_an_object": 1,
    }
    bad_time = next(one for one in outcome["refused"] if one["reason"] == "bad_time")
    assert bad_time["first"][0]["index"] == 5
    assert "time" in bad_time["first"][0]["pointer"]
    assert bad_time["first"][0]["message"]
    again = result(ready, source, events)
    assert (again["findings"], again["activity"], again["duplicates"]) == (0, 0, 3)
    shown = ready.result("GET", f"/sources/{source['id']}")
    assert shown["state"] == "receiving"
    assert shown["last_day"]["duplicates"] == 4
    assert shown["last_day"]["refused"]["bad_time"] == 2


def test_a_login_with_an_address_only_is_accepted(ready: Service) -> None:
    """Without a GeoIP database its place is unknown, so detection does not use it: it is counted with the reason."""
    source = create(ready)
    login = {"what": "login", "who": "kai@example.com", "at": now(), "ip": "198.51.100.7", "key": "1"}
    outcome = result(
        ready, source, [login, {**login, "lat": 0, "lon": 0, "key": "2"}, {**login, "ip": None, "key": "3"}]
    )
    assert outcome["activity"] == 2
    assert [(one["reason"], one["count"]) for one in outcome["exempt"]] == [("no_place", 2)]
    assert [place["index"] for place in outcome["exempt"][0]["first"]] == [0, 1]
    assert reasons(outcome) == {"no_place": 1}
    shown = ready.result("GET", f"/sources/{source['id']}")["last_day"]
    assert (shown["activity"], shown["ignored"]) == (2, {"no_place": 1})


def test_an_event_without_a_time_arrived_when_it_happened(ready: Service) -> None:
    """A finding without a time counts from its arrival; a login is accepted, but impossible travel does not use it."""
    source = create(ready)
    undated = finding("1")
    del undated["at"]
    far = [
        {"what": "login", "who": "kai@example.com", "key": f"2-{lat}", "lat": lat, "lon": 8.6, "ip": "198.51.100.7"}
        for lat in (50.1, -33.9)
    ]
    tried = ready.result("POST", f"/sources/{source['id']}/try", [undated, *far])["events"]
    assert [one["became"] for one in tried] == ["finding", "activity", "activity"]
    assert [one.get("exempt", {}).get("reason") for one in tried] == [None, "no_time", "no_time"]
    outcome = result(ready, source, [undated, *far])
    assert (outcome["findings"], outcome["activity"], outcome["level_changes"]) == (1, 2, 1)
    assert [(one["reason"], one["count"]) for one in outcome["exempt"]] == [("no_time", 2)]
    assert result(ready, source, [undated])["duplicates"] == 1


def test_a_disabled_behavior_and_an_inactive_source_ignore_events(service: Service) -> None:
    """Events of a disabled behavior, and all of an inactive source, are ignored with that reason."""
    source = create(service)
    assert reasons(result(service, source, finding("1"))) == {"behavior_disabled": 1}
    service.result("PUT", f"/sources/{source['id']}", {"active": False})
    assert reasons(result(service, source, finding("1"))) == {"source_inactive": 1}


@pytest.mark.parametrize(
    "form",
    ["gzip", "gzip without its header", "deflate", "zstd", "lines", "splunk", "text", "no content type"],
)
def test_bodies_as_senders_write_them(ready: Service, form: str) -> None:
    """Compressed bodies, lines and envelopes are taken whatever content type they have."""
    source = create(ready)
    body = json.dumps([finding(f"{form} {number}") for number in range(3)]).encode()
    lines = b"\n".join(json.dumps(finding(f"{form} {number}")).encode() for number in range(3))
    sent, headers = {
        "gzip": (gzip.compress(body), {"Content-Encoding": "gzip"}),
        "gzip without its header": (gzip.compress(lines), {"Content-Type": "application/octet-stream"}),
        "deflate": (zlib.compress(body), {"Content-Encoding": "deflate"}),
        "zstd": (zstd.compress(body), {"Content-Encoding": "zstd"}),
        "lines": (lines, {"Content-Type": "application/jsonl"}),
        "splunk": (
            b"".join(json.dumps({"event": finding(f"s{number}")}).encode() for number in range(3)),
            {"Authorization": f"Splunk {source['credential']['secret']}"},
        ),
        "text": (lines, {"Content-Type": "text/plain; charset=utf-8"}),
        "no content type": (body, {"Content-Type": ""}),
    }[form]
    assert result(ready, source, sent, **headers)["findings"] == 3


def test_bodies_that_are_refused(service: Service) -> None:
    """Damaged and unbounded bodies are refused with the limit, and an unknown coding is named."""
    source = create(service)
    for sent, headers, status in (
        (gzip.compress(b"[]")[:-4], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(40_000_000)), {"Content-Encoding": "gzip"}, 413),
        (b"{}\n" * 10_001, {}, 413),
        (b"{}", {"Content-Encoding": "br"}, 415),
    ):
        answered, envelope = send(service, source, sent, **headers)
        assert answered == status, envelope
        assert envelope["errors"][0]["message"]
    assert result(service, source, b"")["events"] == 0


def test_credentials_of_a_source(ready: Service) -> None:
    """A source's secret is good for its events only, is replaced at once, and revoked at once."""
    source, other = create(ready), create(ready)
    first = source["credential"]["secret"]
    assert send(ready, other, [], Authorization=f"Bearer {first}")[0] == 401
    assert ready.call("GET", "/sources", Authorization=f"Bearer {first}")[0] == 401
    issued = ready.result("POST", f"/sources/{source['id']}/credentials", {})
    assert send(ready, source, [], Authorization=f"Bearer {first}")[0] == 200
    assert send(ready, source, [], Authorization=f"bearer {issued['secret']}")[0] == 200
    rotated = ready.result("POST", f"/sources/{source['id']}/credentials", {"revoke_others": True})
    assert send(ready, source, [], Authorization=f"Bearer {first}")[0] == 401
    assert send(ready, source, [], Authorization=f"Bearer {rotated['secret']}")[0] == 200
    (kept,) = ready.result("GET", f"/sources/{source['id']}/credentials")
    assert kept == {name: rotated[name] for name in kept}
    assert ready.result("DELETE", f"/sources/{source['id']}/credentials/{kept['id']}") == {}
    assert send(ready, source, [], Authorization=f"Bearer {rotated['secret']}")[0] == 401
    assert raw(ready, "POST", f"/sources/{source['id']}/events", b"[]")[0] == 400


def test_a_path_with_a_secret(ready: Service) -> None:
    """A sender that can set no header uses an address that nobody guesses; another one is unknown."""
    source = create(ready, credential="path")
    address = source["credential"]["events_url"].rpartition("/zt_risk_scoring")[2]
    status, _, body = raw(ready, "POST", address, json.dumps(finding("1")).encode())
    assert (status, json.loads(body)["result"]["findings"]) == (200, 1)
    assert raw(ready, "POST", address[:-1] + "A", b"[]")[0] == 401
    assert raw(ready, "POST", f"/sources/{source['id']}/events/", b"[]")[0] in (401, 404)
    secret = source["credential"]["secret"]
    assert send(ready, source, [], Authorization=f"Bearer {secret}")[0] == 401
    assert raw(ready, "POST", address, b"\x1f\x8b damaged")[0] == 400
    assert secret not in ready.log.read_text()
    assert secret not in raw(ready, "POST", address + "A", b"[]")[2].decode()


def test_a_signature(ready: Service) -> None:
    """A body signed as GitHub signs it is taken without another credential, and a changed one is not."""
    source = create(ready, credential="signature", key="a-key-that-both-know")
    body = json.dumps(finding("1")).encode()
    signature = hmac.new(b"a-key-that-both-know", body, hashlib.sha256).hexdigest()
    path = f"/sources/{source['id']}/events"
    assert raw(ready, "POST", path, body, **{"X-Hub-Signature-256": f"sha256={signature}"})[0] == 200
    assert raw(ready, "POST", path, body + b" ", **{"X-Hub-Signature-256": f"sha256={signature}"})[0] == 401
    assert raw(ready, "POST", path, body, **{"X-Hub-Signature-256": "sha256="})[0] == 401
    assert raw(ready, "POST", path, body)[0] == 400


def test_tokens_of_the_account_may_send(ready: Service) -> None:
    """A token of the account with ingest sends to any source; others do not."""
    source = create(ready)
    for scope, status in ((Scope.INGEST, 200), (Scope.WRITE, 403), (Scope.READ, 403)):
        token = ready.new_token(ready.account_id, scope)
        assert send(ready, source, [], Authorization=f"Bearer {token}")[0] == status
    assert ready.call("POST", "/sources/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e/events", [])[0] == 404


def test_handshakes(ready: Service) -> None:
    """The tests by which Okta, Cloudflare, Microsoft and Splunk's clients check a destination succeed."""
    source = create(ready, credential="path")
    secret = source["credential"]["secret"]
    path = f"/sources/{source['id']}/events/{secret}"
    status, _, body = raw(ready, "GET", path, None, **{"X-Okta-Verification-Challenge": "c-123"})
    assert (status, json.loads(body)) == (200, {"verification": "c-123"})
    assert json.loads(raw(ready, "GET", path)[2]) == {"verification": ""}
    status, media, body = raw(ready, "POST", f"{path}?validationToken=a%3Cb%3E%20c", b"")
    assert (status, media, body) == (200, "text/plain; charset=utf-8", b"a<b> c")
    status, _, body = raw(ready, "POST", path, gzip.compress(b'{"content":"tests"}'), **{"Content-Encoding": "gzip"})
    assert (status, reasons(json.loads(body)["result"])) == (200, {"test_upload": 1})
    header = create(ready)
    splunk = {"Authorization": f"Splunk {header['credential']['secret']}"}
    collector = f"/sources/{header['id']}/services/collector"
    assert json.loads(raw(ready, "GET", f"{collector}/health", None, **splunk)[2])["code"] == 17
    body = json.dumps({"event": finding("hec"), "sourcetype": "_json"}).encode()
    answer = json.loads(raw(ready, "POST", f"{collector}/event", body, **splunk)[2])
    assert (answer["code"], answer["findings"]) == (0, 1)


def test_trying_stores_nothing(ready: Service) -> None:
    """What each event would become is said, e-mail addresses only to those who may see them."""
    source = create(ready)
    events = [finding("1"), {"what": "else"}]
    tried = ready.result("POST", f"/sources/{source['id']}/try", events)["events"]
    assert [(one["index"], one["became"]) for one in tried] == [(0, "finding"), (1, "ignored")]
    assert tried[0]["email"] == "kai@example.com"
    assert tried[1]["reason"] == "not_mapped"
    reader = ready.new_token(ready.account_id, Scope.READ)
    _, envelope = ready.call("POST", f"/sources/{source['id']}/try", events, Authorization=f"Bearer {reader}")
    assert envelope["result"]["events"][0]["email"] is None
    assert ready.result("GET", "/summary")["users"] == []
    assert result(ready, source, events)["findings"] == 1


def test_samples_are_replayed_after_the_mapping_was_changed(ready: Service) -> None:
    """Ignored and refused events are kept, shown with pii-read only, and become findings by a better mapping."""
    source = create(ready)
    result(ready, source, [{**finding("1"), "what": "new"}, {"what": "heartbeat"}])
    samples = ready.result("GET", f"/sources/{source['id']}/samples")
    assert sorted(one["reason"] for one in samples) == ["not_a_signal", "not_mapped"]
    assert {"what": "heartbeat"} in [one["event"] for one in samples]
    reader = ready.new_token(ready.account_id, Scope.READ)
    assert ready.call("GET", f"/sources/{source['id']}/samples", Authorization=f"Bearer {reader}")[0] == 403
    better = {
        **MAPPING,
        "rules": [*MAPPING["rules"], {"when": 'what = "new"', "gives": "finding", "behavior": "high_dlp"}],
    }
    ready.result("PUT", f"/sources/{source['id']}", {"mapping": better})
    outcome = ready.result("POST", f"/sources/{source['id']}/samples/replay")
    assert (outcome["findings"], reasons(outcome)) == (1, {"not_a_signal": 1})
    assert [one["reason"] for one in ready.result("GET", f"/sources/{source['id']}/samples")] == ["not_a_signal"]


def test_the_mapping_in_use_is_shown(service: Service) -> None:
    """A kind's document is listed and shown, and so is the one that a source uses."""
    kinds = {one["kind"]: one for one in service.result("GET", "/sources/kinds")}
    assert {"okta_system_log", "custom"} <= kinds.keys()
    shipped = kinds["okta_system_log"]["mapping"]
    source = service.result("POST", "/sources", {"kind": "okta_system_log", "name": "Okta"})
    assert service.result("GET", f"/sources/{source['id']}/mapping") == shipped
    assert source["mapping"] is None
    assert "imp_travel" in source["next_step"]
    service.result("PUT", f"/sources/{source['id']}", {"mapping": MAPPING})
    assert service.result("GET", f"/sources/{source['id']}/mapping") == MAPPING
    service.result("PUT", f"/sources/{source['id']}", {"mapping": None})
    assert service.result("GET", f"/sources/{source['id']}/mapping") == shipped


def test_metrics_count_what_became_of_events(ready: Service) -> None:
    """Each outcome is counted by the kind of the source and the reason."""
    source = create(ready)
    result(ready, source, [finding("1"), {"what": "else"}])
    shown = ready.get("/metrics").decode()
    assert 'riskrelay_source_events_total{became="finding",kind="custom",reason=""}' in shown
    assert 'riskrelay_source_events_total{became="ignored",kind="custom",reason="not_mapped"}' in shown


def test_reading_needs_read_and_changing_needs_write(service: Service) -> None:
    """A token that reads changes nothing, and one that ingests reads nothing."""
    source = create(service)
    reader, ingester = (service.new_token(service.account_id, scope) for scope in (Scope.READ, Scope.INGEST))
    path = f"/sources/{source['id']}"
    assert service.call("GET", path, Authorization=f"Bearer {reader}")[0] == 200
    for method, where, body in (
        ("POST", "/sources", {"kind": "custom", "name": "x", "mapping": MAPPING}),
        ("PUT", path, {"name": "x"}),
        ("DELETE", path, None),
        ("POST", f"{path}/credentials", {}),
        ("POST", f"{path}/samples/replay", None),
    ):
        assert service.call(method, where, body, Authorization=f"Bearer {reader}")[0] == 403
    for where in ("/sources", path, f"{path}/mapping", f"{path}/credentials", f"{path}/samples", "/sources/kinds"):
        assert service.call("GET", where, Authorization=f"Bearer {ingester}")[0] == 403
