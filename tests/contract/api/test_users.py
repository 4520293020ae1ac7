"""Summary, user and reset over HTTP, against a running service."""

from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service

pytestmark = pytest.mark.parametrize("base_path", ["", "/client/v4"], indirect=True)


def find(service: Service, name: str, behavior: str, timestamp: str, **members: Any) -> str:
    """Record a finding.

    Returns: the user's id.
    """
    user = {"email": f"{name}@example.com", "name": name.title()}
    service.result("POST", "/findings", {"behavior": behavior, "user": user, "timestamp": timestamp, **members})
    users = service.result("GET", "/summary?per_page=1000")["users"]
    user_id: str = next(row["user_id"] for row in users if row["email"] == user["email"])
    return user_id


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def test_the_summary_shows_users_at_risk(ready: Service) -> None:
    """Contract 19: exactly the documented members, the riskiest first, with result_info."""
    low = find(ready, "lou", "high_risk_domain", "2026-03-17T09:00:00Z")
    old = find(ready, "kai", "high_dlp", "2026-03-17T08:00:00+01:00")
    new = find(ready, "ana", "sentinel_one", "2026-03-17T08:00:00.25Z")
    status, envelope = ready.call("GET", "/summary")
    assert status == 200
    assert set(envelope) == {"errors", "messages", "result", "result_info", "success"}
    assert set(envelope["result"]) == {"users"}
    users = envelope["result"]["users"]
    assert [row["user_id"] for row in users] == [new, old, low]
    assert [row["last_event"] for row in users] == [
        "2026-03-17T08:00:00.250000Z",
        "2026-03-17T07:00:00Z",
        "2026-03-17T09:00:00Z",
    ]
    assert users[2] == {
        "user_id": low,
        "name": "Lou",
        "email": "lou@example.com",
        "event_count": 1,
        "last_event": "2026-03-17T09:00:00Z",
        "max_risk_level": "low",
    }
    info = {"count": 3, "page": 1, "per_page": 100, "total_count": 3, "total_pages": 1}
    assert envelope["result_info"] == info


def test_the_summary_is_paged(ready: Service) -> None:
    """Contract 19: page and per_page; every user on exactly one page; behind the last there is nothing."""
    everyone = {find(ready, f"u{n}", "high_dlp", f"2026-03-17T08:00:0{n}Z") for n in range(5)}
    pages = [ready.call("GET", f"/summary?page={page}&per_page=2")[1] for page in (1, 2, 3, 4)]
    assert [page["result_info"]["count"] for page in pages] == [2, 2, 1, 0]
    assert all(page["result_info"]["total_count"] == 5 for page in pages)
    assert all(page["result_info"]["total_pages"] == 3 for page in pages)
    shown = [row["user_id"] for page in pages for row in page["result"]["users"]]
    assert len(shown) == 5
    assert set(shown) == everyone


@pytest.mark.parametrize(
    "number", ["0", "-1", "1.5", "x", "%00", "%FF", "1000001", "9" * 5_000, "%D9%A1", "%2B1", "1e1"]
)
def test_a_page_that_is_no_number_in_bounds_is_refused(service: Service, number: str) -> None:
    """Contract 3: 400, one error for each of the two."""
    status, envelope = service.call("GET", f"/summary?page={number}&per_page={number}")
    assert status == 400
    assert [error["code"] for error in envelope["errors"]] == [1103, 1103]
    assert "per_page: must be a whole number from 1 to 1,000" in envelope["errors"][1]["message"]
    assert service.call("GET", "/summary?page=")[0] == 400
    assert service.call("GET", "/summary?sort=anything")[0] == 200


def test_a_user_is_shown_with_what_was_found(ready: Service) -> None:
    """Contract 20: exactly the documented members; event_details only where the finding had some."""
    details = {"hits": 17, "profile": {"name": "Payment cards"}}
    find(ready, "kai", "high_dlp", "2026-03-17T08:00:00Z", id="dlp-1", details=details)
    kai = find(ready, "kai", "high_risk_domain", "2026-03-17T09:00:00Z", id="web-1")
    assert ready.result("GET", f"/{kai}") == {
        "name": "Kai",
        "email": "kai@example.com",
        "events": [
            {
                "id": "web-1",
                "name": "High-Risk Domain Visited",
                "risk_level": "low",
                "timestamp": "2026-03-17T09:00:00Z",
            },
            {
                "id": "dlp-1",
                "name": "High Number of DLP Policies Triggered",
                "risk_level": "high",
                "timestamp": "2026-03-17T08:00:00Z",
                "event_details": details,
            },
        ],
        "last_reset_time": None,
        "risk_level": "high",
    }
    assert ready.result("GET", f"/{kai.upper()}")["name"] == "Kai"


def test_a_user_without_a_name_has_an_empty_one(ready: Service) -> None:
    """Contract 20: clients expect a string."""
    finding = {"behavior": "high_dlp", "user": {"email": "x@example.com"}}
    (change,) = ready.result("POST", "/findings", finding)["changes"]
    assert ready.result("GET", f"/{change['user_id']}")["name"] == ""


def test_a_reset_clears_the_user(ready: Service) -> None:
    """Contract 21: 200 with {}, also without a body; the user leaves the summary and shows the time of the reset."""
    kai = find(ready, "kai", "high_dlp", "2026-03-17T08:00:00Z")
    assert ready.result("POST", f"/{kai}/reset") == {}
    assert ready.result("GET", "/summary")["users"] == []
    shown = ready.result("GET", f"/{kai}")
    assert set(shown) == {"name", "email", "events", "last_reset_time"}
    assert shown["events"] == []
    assert shown["last_reset_time"].endswith("Z")
    assert find(ready, "kai", "high_risk_domain", "2026-03-17T07:00:00Z") == kai
    assert ready.result("GET", f"/{kai}")["risk_level"] == "low"


def test_unknown_users_have_one_answer(service: Service) -> None:
    """Contract 9 for users: unknown, no UUID, another form of a UUID."""
    unknown = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
    forms = (unknown, "nobody", unknown.replace("-", ""), f"%7B{unknown}%7D", f"urn:uuid:{unknown}", "%00")
    answers = [service.call("GET", f"/{form}") for form in forms]
    answers += [service.call("POST", f"/{form}/reset") for form in forms]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 404


def test_people_are_shown_to_pii_readers_only(service: Service) -> None:
    """Contract 16."""
    readers = {scope: service.new_token(service.account_id, scope) for scope in Scope}
    for path in ("/summary", "/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"):
        answers = {
            scope: service.call("GET", path, Authorization=f"Bearer {token}")[0] for scope, token in readers.items()
        }
        allowed = answers.pop(Scope.PII_READ)
        assert allowed in (200, 404)
        assert set(answers.values()) == {403}


def test_without_a_page_the_summary_has_everybody(ready: Service) -> None:
    """Contract 19: the published clients cannot page; with either of the two there is a page."""
    batch = [{"behavior": "high_dlp", "user": {"email": f"user{n}@example.com"}} for n in range(1_203)]
    ready.result("POST", "/findings", batch)
    status, envelope = ready.call("GET", "/summary")
    assert status == 200
    assert len({row["user_id"] for row in envelope["result"]["users"]}) == 1_203
    info = {"count": 1_203, "page": 1, "per_page": 1_203, "total_count": 1_203, "total_pages": 1}
    assert envelope["result_info"] == info
    assert len(ready.result("GET", "/summary?page=1")["users"]) == 100
    assert len(ready.result("GET", "/summary?per_page=7")["users"]) == 7


def test_the_events_of_a_user_are_paged_when_asked(ready: Service) -> None:
    """Contract 20: every event on one page; result_info only then."""
    ids = [f"e{n}" for n in range(5)]
    (kai,) = {find(ready, "kai", "high_dlp", f"2026-03-17T08:00:0{n}Z", id=f"e{n}") for n in range(5)}
    assert "result_info" not in ready.call("GET", f"/{kai}")[1]
    pages = [ready.call("GET", f"/{kai}?page={page}&per_page=2")[1] for page in (1, 2, 3, 4)]
    assert [event["id"] for page in pages for event in page["result"]["events"]] == ids[::-1]
    info = {"count": 1, "page": 3, "per_page": 2, "total_count": 5, "total_pages": 3}
    assert pages[2]["result_info"] == info
    assert ready.call("GET", f"/{kai}?per_page=0")[0] == 400


def test_a_user_is_exported_and_erased(ready: Service) -> None:
    """The export has everything; after the erasure the user is unknown, and the log has the id."""
    user_id = find(ready, "kai", "high_dlp", "2026-03-17T09:00:00Z", details={"hits": 17})
    find(ready, "kai", "sentinel_one", "2026-03-17T10:00:00Z")
    exported = ready.result("GET", f"/{user_id}/export")
    assert exported["user"] == {
        "user_id": user_id,
        "email": "kai@example.com",
        "name": "Kai",
        "risk_level": "high",
        "behaviors": ["high_dlp", "sentinel_one"],
        "rules": [],
        "event_count": 2,
        "last_event": "2026-03-17T10:00:00Z",
        "last_reset_time": None,
    }
    assert [(one["kind"], one["current_level"]) for one in exported["level_changes"]] == [("finding", "high")]
    assert [(one["behavior"], one["details"]) for one in exported["findings"]] == [
        ("sentinel_one", None),
        ("high_dlp", {"hits": 17}),
    ]
    assert ready.result("DELETE", f"/{user_id}") == {"status": "completed"}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/reset"), ("GET", "/export")):
        assert ready.call(method, f"/{user_id}{path}")[0] == 404
    assert ready.result("GET", "/summary")["users"] == []
    (entry, *_) = ready.result("GET", "/audit?kind=user")
    assert (entry["verb"], entry["thing_id"]) == ("erased", user_id)


def test_an_export_has_every_finding(ready: Service) -> None:
    """Page by page, each once, also those before a reset."""
    user_id = find(ready, "kai", "high_dlp", "2026-03-17T09:00:00Z")
    ready.result("POST", f"/{user_id}/reset")
    many = [{"id": f"f{n}", "behavior": "high_dlp", "user": {"email": "kai@example.com"}} for n in range(100)]
    ready.result("POST", "/findings", many)
    findings = ready.result("GET", f"/{user_id}/export")["findings"]
    assert len(findings) == len({one["id"] for one in findings}) == 101


def test_erasing_and_exporting_need_their_scopes(ready: Service) -> None:
    """Who may not change must not erase; who may not see users gets no export."""
    user_id = find(ready, "kai", "high_dlp", "2026-03-17T09:00:00Z")
    reader = ready.new_token(ready.account_id, Scope.READ, Scope.PII_READ)
    writer = ready.new_token(ready.account_id, Scope.READ, Scope.WRITE)
    assert ready.call("DELETE", f"/{user_id}", Authorization=f"Bearer {reader}")[0] == 403
    assert ready.call("GET", f"/{user_id}/export", Authorization=f"Bearer {writer}")[0] == 403
