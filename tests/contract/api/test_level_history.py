"""The history of a user's level over HTTP and as a command, against a running service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.ledger_checks import wait_until_quiet
from support.service import Oracle, Service, running


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module, so that its ledger has only the events of these tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    """The receiver."""
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose account has every behavior enabled."""
    service.enable_behaviors()
    return service


def find(service: Service, finding_id: str | None = "dlp-1") -> str:
    """Record a finding.

    Returns: the user's id.
    """
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}, "timestamp": "2026-03-17T08:00:00Z"}
    named = {} if finding_id is None else {"id": finding_id}
    (change,) = service.result("POST", "/findings", {**finding, **named})["changes"]
    user_id: str = change["user_id"]
    return user_id


def history(service: Service, user_id: str) -> list[dict[str, Any]]:
    """The first page."""
    changes: list[dict[str, Any]] = service.result("GET", f"/{user_id}/history")
    return changes


def test_a_history_says_why_and_who_was_notified(ready: Service, oracle: Oracle) -> None:
    """The rise with its finding, then the reset with person and reason, each with the receipt of its event."""
    integration = ready.create_integration(oracle.url)
    kai = find(ready)
    ready.result("POST", f"/{kai}/reset", {"reason": "False alarm"})
    wait_until_quiet(ready)
    reset, rise = history(ready, kai)
    assert (rise["previous_level"], rise["current_level"], rise["kind"]) == (None, "high", "finding")
    assert (rise["behaviors"], rise["reason"]) == (["high_dlp"], "High Number of DLP Policies Triggered")
    assert [(one["id"], one["timestamp"]) for one in rise["findings"]] == [("dlp-1", "2026-03-17T08:00:00Z")]
    assert (reset["kind"], reset["actor"], reset["note"], reset["findings"]) == ("reset", "test", "False alarm", [])
    for change in (reset, rise):
        (sent,) = change["notified"]
        assert (sent["integration_id"], sent["status"]) == (integration["id"], 202)
        assert sent["received_at"] > change["changed_at"]
        delivery = ready.result("GET", f"/integrations/{integration['id']}/deliveries/{sent['jti']}")
        assert delivery["queued_at"] == change["changed_at"]
    envelope = ready.call("GET", f"/{kai}/history")[1]
    assert envelope["result_info"] == {"cursor": None, "count": 2, "is_complete": True}
    shown = ready.command("user", "history", kai, "--account", ready.account_id).stdout
    assert "high → none  reset by test: False alarm" in shown
    assert "delivered to" in shown


def test_a_long_history_is_paged(ready: Service) -> None:
    """20 a page, the latest first; the command reads as many as are asked for."""
    for _ in range(11):
        kai = find(ready, None)
        assert json.loads(ready.command("user", "reset", kai, "--account", ready.account_id, "--json").stdout) == {}
    envelope = ready.call("GET", f"/{kai}/history")[1]
    assert envelope["result_info"]["count"] == 20
    rest = ready.call("GET", f"/{kai}/history?cursor={quote(envelope['result_info']['cursor'])}")[1]
    assert rest["result_info"]["cursor"] is None
    found = [*envelope["result"], *rest["result"]]
    assert [one["kind"] for one in found] == ["reset", "finding"] * 11
    arguments = ("user", "history", kai, "--account", ready.account_id, "--limit", "21", "--json")
    assert json.loads(ready.command(*arguments).stdout) == found[:21]


@pytest.mark.parametrize("reason", ["", "x" * 501, "a\tb", 7])
def test_a_reason_of_a_reset_is_a_short_text(ready: Service, reason: object) -> None:
    """An invalid reason is rejected with its pointer and resets nothing."""
    kai = find(ready)
    status, envelope = ready.call("POST", f"/{kai}/reset", {"reason": reason})
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, "/reason")
    assert ready.result("GET", f"/{kai}")["risk_level"] == "high"
