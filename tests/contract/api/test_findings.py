"""Findings, behaviors and reset over HTTP, against a running service."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.ledger_checks import Responses, check_ledger
from support.service import Service, running

pytestmark = pytest.mark.parametrize("base_path", ["", "/client/v4"], indirect=True)

KAI = {"email": "kai@example.com", "name": "Kai Berg"}


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module, so that its ledger has only the events of these tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def send(service: Service, body: Any, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    return service.call("POST", "/findings", body, **{"Content-Type": content_type})


def pointers(envelope: dict[str, Any]) -> list[str]:
    return [error["source"]["pointer"] for error in envelope["errors"]]


def test_behaviors_of_a_new_account(service: Service) -> None:
    """Contract 18: the eight known kinds, all disabled, each with name, description and level."""
    behaviors = service.result("GET", "/behaviors")["behaviors"]
    assert len(behaviors) == 8
    assert {"high_dlp", "imp_travel", "sentinel_one"} < set(behaviors)
    for row in behaviors.values():
        assert set(row) == {"name", "description", "enabled", "risk_level"}
        assert row["enabled"] is False
        assert row["risk_level"] in ("low", "medium", "high")


def test_put_merges_what_it_names(service: Service) -> None:
    """Contract 18: name and description are ignored, the others stay, all are answered."""
    before: dict[str, Any] = service.result("GET", "/behaviors")["behaviors"]
    mine: dict[str, Any] = {"enabled": True, "risk_level": "low"}
    change: dict[str, Any] = {"high_dlp": {**mine, "name": "mine", "description": "mine"}}
    answered = service.result("PUT", "/behaviors", {"behaviors": change})["behaviors"]
    assert answered == {**before, "high_dlp": {**before["high_dlp"], **mine}}
    assert service.result("GET", "/behaviors")["behaviors"] == answered


def test_put_refuses_unknown_behaviors_and_wrong_values_with_pointers(service: Service) -> None:
    """Nothing is changed when anything is wrong."""
    before = service.result("GET", "/behaviors")
    body: dict[str, Any] = {"behaviors": {"high_dlp": {"enabled": "yes", "risk_level": "huge"}}}
    status, envelope = service.call("PUT", "/behaviors", body)
    assert status == 400
    assert pointers(envelope) == ["/behaviors/high_dlp/enabled", "/behaviors/high_dlp/risk_level"]
    body = {
        "behaviors": {
            "high_dlp": {"enabled": True, "risk_level": "low"},
            "a/b": {"enabled": True, "risk_level": "low"},
        }
    }
    status, envelope = service.call("PUT", "/behaviors", body)
    assert (status, pointers(envelope)) == (400, ["/behaviors/a~1b"])
    assert service.result("GET", "/behaviors") == before


def test_a_finding_raises_the_level_and_a_weaker_one_does_not_lower_it(ready: Service) -> None:
    """Contract 22; the answer names the change."""
    first = ready.result("POST", "/findings", {"behavior": "imp_travel", "user": KAI})
    (change,) = first["changes"]
    assert uuid.UUID(change["user_id"])
    assert (first["accepted"], first["duplicates"], first["ignored"]) == (1, 0, 0)
    assert (change["email"], change["previous_level"], change["current_level"]) == (KAI["email"], None, "medium")
    weaker = ready.result("POST", "/findings", {"behavior": "high_risk_domain", "user": {"email": "KAI@example.com"}})
    assert weaker["changes"] == []
    (raised,) = ready.result("POST", "/findings", {"behavior": "high_dlp", "user": KAI})["changes"]
    assert (raised["user_id"], raised["previous_level"], raised["current_level"]) == (
        change["user_id"],
        "medium",
        "high",
    )


def test_reset_takes_the_level_away(ready: Service) -> None:
    """Contract 21: 200 with {}; a new finding starts from none; an unknown user is a 404."""
    (change,) = ready.result("POST", "/findings", {"behavior": "high_dlp", "user": KAI})["changes"]
    assert ready.result("POST", f"/{change['user_id']}/reset") == {}
    assert ready.result("POST", f"/{change['user_id']}/reset") == {}
    (again,) = ready.result("POST", "/findings", {"behavior": "imp_travel", "user": KAI})["changes"]
    assert (again["previous_level"], again["current_level"]) == (None, "medium")
    assert ready.call("POST", f"/{uuid.uuid4()}/reset")[0] == 404


def test_levels_apply_at_once_and_disabling_changes_no_user(ready: Service) -> None:
    """A changed level moves users who triggered the behavior; disabling stops new findings only (contract 22)."""
    ready.result("POST", "/findings", {"behavior": "high_risk_domain", "user": KAI})
    setting = {"enabled": False, "risk_level": "high"}
    ready.result("PUT", "/behaviors", {"behaviors": {"high_risk_domain": setting}})
    ignored = ready.result("POST", "/findings", {"behavior": "high_risk_domain", "user": {"email": "b@example.com"}})
    assert (ignored["accepted"], ignored["ignored"], ignored["changes"]) == (0, 1, [])
    assert ready.result("POST", "/findings", {"behavior": "high_dlp", "user": KAI})["changes"] == []


def test_an_array_and_ndjson_are_batches(ready: Service) -> None:
    """One change per user and batch; disabled behaviors are counted."""
    findings = [
        {"behavior": "high_risk_domain", "user": {"email": "a@example.com"}},
        {"behavior": "high_dlp", "user": {"email": "a@example.com"}},
        {"behavior": "imp_travel", "user": {"email": "b@example.com"}},
    ]
    status, envelope = send(ready, findings)
    assert status == 200
    assert [(c["email"], c["current_level"]) for c in envelope["result"]["changes"]] == [
        ("a@example.com", "high"),
        ("b@example.com", "medium"),
    ]
    lines = "\n\n".join(json.dumps(f) for f in findings) + "\n"
    status, envelope = send(ready, lines.encode(), "application/x-ndjson; charset=utf-8")
    assert status == 200
    assert (envelope["result"]["accepted"], envelope["result"]["changes"]) == (3, [])


def test_ten_thousand_findings_are_taken_and_one_more_is_not(ready: Service) -> None:
    """Up to 10,000 in one request."""
    line = json.dumps({"behavior": "high_dlp", "user": KAI}).encode() + b"\n"
    status, envelope = send(ready, line * 10_000, "application/x-ndjson")
    assert (status, envelope["result"]["accepted"]) == (200, 10_000)
    assert send(ready, line * 10_001, "application/x-ndjson")[0] == 400
    assert send(ready, b"[" + line.strip() + (b"," + line.strip()) * 10_000 + b"]")[0] == 400


@pytest.mark.fault(35)
def test_an_id_makes_a_repeat_harmless(ready: Service) -> None:
    """The same body is a duplicate, another body is refused, another account is independent (faults.md 35)."""
    finding = {"id": "edr-1", "behavior": "high_dlp", "user": KAI, "details": {"b": 1, "a": [1.5, None]}}
    assert ready.result("POST", "/findings", finding)["accepted"] == 1
    reordered = {**finding, "details": {"a": [1.5, None], "b": 1}}
    assert ready.result("POST", "/findings", reordered)["duplicates"] == 1
    status, envelope = send(ready, {**finding, "behavior": "imp_travel"})
    assert (status, pointers(envelope)) == (400, ["/id"])
    status, envelope = send(ready, [finding, {**finding, "id": "edr-2"}, {**finding, "id": "edr-2", "details": {}}])
    assert (status, pointers(envelope)) == (400, ["/2/id"])
    assert ready.result("POST", "/findings", {**finding, "id": "edr-2"})["accepted"] == 1
    check_ledger(ready, None, Responses({"edr-1", "edr-2"}), at_most_copies=0)


@pytest.mark.fault(35)
def test_the_same_finding_a_hundred_times_at_once_is_stored_once(ready: Service) -> None:
    """faults.md 35."""
    finding = {"id": "once", "behavior": "high_dlp", "user": KAI}
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: ready.result("POST", "/findings", finding), range(100)))
    assert sum(result["accepted"] for result in results) == 1
    assert sum(result["duplicates"] for result in results) == 99
    assert sum(len(result["changes"]) for result in results) == 1
    check_ledger(ready, None, Responses({"once"}), at_most_copies=0)


def test_all_or_nothing(ready: Service) -> None:
    """One wrong finding, and nothing of the batch is stored; every fault has its place."""
    batch = [
        {"id": "good", "behavior": "high_dlp", "user": KAI},
        {"behavior": "unheard_of", "user": {"email": "b@example.com"}},
    ]
    status, envelope = send(ready, batch)
    assert (status, pointers(envelope)) == (400, ["/1/behavior"])
    assert ready.result("POST", "/findings", batch[0])["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/behavior", "/user"]),
        ({"behavior": 1, "user": {}}, ["/behavior", "/user/email"]),
        ({"behavior": "high_dlp", "user": {"email": "nobody"}}, ["/user/email"]),
        ({"behavior": "high_dlp", "user": {"email": "a\u0000@b.c"}}, ["/user/email"]),
        ({"behavior": "high_dlp", "user": {"email": "a@b.c", "user_id": "7"}}, ["/user/user_id"]),
        ({"behavior": "high_dlp", "user": {"email": "a@b.c"}, "timestamp": "2026-03-17T08:00:00"}, ["/timestamp"]),
        ({"behavior": "high_dlp", "user": {"email": "a@b.c"}, "timestamp": 17}, ["/timestamp"]),
        ({"behavior": "high_dlp", "user": {"email": "a@b.c"}, "details": []}, ["/details"]),
        ({"behavior": "nope", "user": {"email": "a@b.c"}}, ["/behavior"]),
        ({"behavior": "nope", "user": {}}, ["/behavior", "/user/email"]),
    ],
)
def test_wrong_findings_have_pointers(ready: Service, body: dict[str, Any], expected: list[str]) -> None:
    """Each mistake at its place; in a batch behind the finding's number, in NDJSON behind the line's."""
    status, envelope = send(ready, body)
    assert (status, pointers(envelope)) == (400, expected)
    good = {"behavior": "high_dlp", "user": {"email": "a@b.c"}}
    status, envelope = send(ready, [good, body])
    assert (status, pointers(envelope)) == (400, [f"/1{pointer}" for pointer in expected])
    status, envelope = send(ready, b"\n".join(json.dumps(f).encode() for f in (good, body)), "application/x-ndjson")
    assert (status, pointers(envelope)) == (400, [f"/1{pointer}" for pointer in expected])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1}{', b"17"])
def test_bodies_that_hold_no_finding(ready: Service, body: bytes) -> None:
    """400 in the envelope, for JSON and NDJSON alike."""
    assert send(ready, body)[0] == 400
    assert send(ready, body, "application/x-ndjson")[0] == 400


def test_other_media_types_are_refused(ready: Service) -> None:
    """415, with the envelope."""
    status, envelope = send(ready, b"<finding/>", "application/xml")
    assert (status, envelope["success"]) == (415, False)


def test_a_body_that_is_too_large_is_refused(ready: Service) -> None:
    """413 beyond 32 MiB; and beyond 1 MiB for one finding."""
    status, _ = send(ready, b" " * (32 * 1024 * 1024 + 1), "application/x-ndjson")
    assert status == 413
    finding = {"behavior": "high_dlp", "user": KAI, "details": {"text": "x" * (1024 * 1024)}}
    assert send(ready, finding)[0] == 413


def test_a_user_id_of_ones_own(ready: Service) -> None:
    """It becomes a new user's id; with another e-mail it is refused."""
    own = str(uuid.uuid4())
    first = {"behavior": "high_dlp", "user": {"email": "own@example.com", "user_id": own}}
    (change,) = ready.result("POST", "/findings", first)["changes"]
    assert change["user_id"] == own
    for user in (
        {"email": "other@example.com", "user_id": own},
        {"email": "own@example.com", "user_id": str(uuid.uuid4())},
    ):
        status, envelope = send(ready, {"behavior": "high_dlp", "user": user})
        assert (status, pointers(envelope)) == (400, ["/user/user_id"])
