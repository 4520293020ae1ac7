"""Bulk resets over HTTP, as commands and in the console, against a running service."""

import json
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor
from support.waiting import until

HIGH = {"filter": {"level": "high"}}


@pytest.fixture
def ready(service: Service) -> Service:
    """Three users with high risk, one with medium."""
    service.enable_behaviors()
    behaviors = [*["high_dlp"] * 3, "imp_travel"]
    batch = [{"behavior": one, "user": {"email": f"u{n}@example.com"}} for n, one in enumerate(behaviors)]
    service.result("POST", "/findings", batch)
    return service


def at_risk(service: Service) -> list[str]:
    return sorted(user["email"] for user in service.result("GET", "/summary")["users"])


def until_over(service: Service, reset_id: str) -> dict[str, Any]:
    until(lambda: service.result("GET", f"/resets/{reset_id}")["status"] == "completed")
    found: dict[str, Any] = service.result("GET", f"/resets/{reset_id}")
    return found


def test_a_dry_run_counts_and_changes_nothing(ready: Service) -> None:
    """The sample has people, for those who may see them."""
    answer = ready.result("POST", "/resets", {**HIGH, "dry_run": True})
    assert (answer["count"], answer["reset"]) == (3, None)
    assert {one["email"] for one in answer["sample"]} == {f"u{n}@example.com" for n in range(3)}
    assert len(at_risk(ready)) == 4
    assert ready.result("GET", "/resets") == []
    writer = {"Authorization": f"Bearer {ready.new_token(ready.account_id, Scope.WRITE)}"}
    assert ready.call("POST", "/resets", {**HIGH, "dry_run": True}, **writer)[1]["result"]["sample"] == []


def test_the_users_that_match_are_reset(ready: Service) -> None:
    """The others stay; the bulk reset shows its progress."""
    started = ready.result("POST", "/resets", {**HIGH, "reason": "False alarms"})["reset"]
    done = until_over(ready, started["id"])
    wanted = {"level": "high", "behavior": None, "last_event_from": None, "last_event_to": None, "listed_users": None}
    counts = {"total": 3, "users_reset": 3, "users_skipped": 0}
    assert done == {**started, **counts, "status": "completed", "filter": wanted, "reason": "False alarms"}
    assert ready.result("GET", "/resets") == [done]
    assert at_risk(ready) == ["u3@example.com"]
    assert ready.call("POST", f"/resets/{done['id']}/cancel")[0] == 400
    assert ready.call("POST", "/resets/nobody/pause")[0] == 404
    assert ready.call("GET", "/resets/nobody")[0] == 404


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({}, "/filter"),
        ({"level": "none"}, "/filter/level"),
        ({"behavior": "nothing"}, "/filter/behavior"),
        ({"users": []}, "/filter/users"),
        ({"users": ["kai@example.com"]}, "/filter/users/0"),
        ({"last_event_to": "yesterday"}, "/filter/last_event_to"),
    ],
)
def test_a_wrong_filter_is_refused(ready: Service, wanted: dict[str, Any], pointer: str) -> None:
    """The pointer names the member; nobody is reset."""
    status, envelope = ready.call("POST", "/resets", {"filter": wanted})
    assert (status, [one["source"]["pointer"] for one in envelope["errors"]]) == (400, [pointer])
    assert len(at_risk(ready)) == 4


def test_commands_preview_until_they_are_confirmed(ready: Service, tmp_path: Path) -> None:
    """By filter and by a file of ids; one user or many, not both."""

    def command(*arguments: str) -> Any:
        return json.loads(ready.command(*arguments, "--account", ready.account_id, "--json").stdout)

    (medium,) = [one for one in ready.result("GET", "/summary")["users"] if one["max_risk_level"] == "medium"]
    file = tmp_path / "users.txt"
    file.write_text(f"{medium['user_id']}\n")
    shown = ready.command("user", "reset", "--level", "high", "--account", ready.account_id).stdout
    assert "3 users match." in shown
    assert "--yes" in shown
    assert len(at_risk(ready)) == 4
    arguments = ("user", "reset", "--file", str(file), "--reason", "Training", "--yes")
    until_over(ready, command(*arguments)["reset"]["id"])
    assert medium["email"] not in at_risk(ready)
    again = command("user", "reset", "--behavior", "high_dlp", "--from", "2026-01-01", "--yes")["reset"]
    until_over(ready, again["id"])
    assert [one["status"] for one in command("reset", "list")] == ["completed"] * 2
    assert at_risk(ready) == []
    for wrong in (("user", "reset"), ("user", "reset", medium["user_id"], "--level", "high")):
        assert ready.command(*wrong, "--account", ready.account_id, check=False).returncode == 1


def test_the_console_previews_and_starts(ready: Service) -> None:
    """The preview names the users; who may only read starts nothing."""
    path = f"/console/accounts/{ready.account_id}/users/resets"
    reader, visitor = Visitor(ready), Visitor(ready)
    reader.sign_in(ready.new_token(ready.account_id, Scope.READ))
    visitor.sign_in()
    shown = reader.ask("GET", f"{path}?level=high")
    assert "3 users match" in shown.text
    assert "u0@example.com" not in shown.text
    assert "Reset 3 users" not in shown.text
    assert reader.ask("POST", path, {"csrf": shown.csrf, "level": "high", "reason": "x"}).status == 403
    page = visitor.ask("GET", f"{path}?level=high")
    assert "u0@example.com" in page.text
    assert visitor.ask("GET", f"{path}?users=nobody").status == 400
    assert visitor.ask("GET", f"{path}?last_event_to=soon").status == 400
    fields = {"csrf": page.csrf, "level": "high", "reason": "False alarms"}
    assert visitor.ask("POST", path, fields).status == 303
    until(lambda: at_risk(ready) == ["u3@example.com"])
    assert "“False alarms”" in visitor.ask("GET", path).text
