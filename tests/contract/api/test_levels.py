"""How levels end, over HTTP, on the command line and in the console, against a running service."""

import json
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor
from support.waiting import until

WEEK = {"expires_after_seconds": 604_800, "medium_seconds": 0, "low_seconds": 0}
NONE = {"durations": {}, "seconds_between_events": 0}


def test_levels_last_until_an_account_changes_that(service: Service) -> None:
    """The default is none; what is sent is what is shown, and GET /behaviors stays as it was."""
    assert service.result("GET", "/levels") == NONE
    behaviors = service.result("GET", "/behaviors")
    sent = {"durations": {"high_dlp": {"expires_after_seconds": 604_800.0}}, "seconds_between_events": 60}
    stored = {"durations": {"high_dlp": WEEK}, "seconds_between_events": 60}
    assert service.result("PUT", "/levels", sent) == stored
    assert service.result("GET", "/levels") == stored
    assert service.result("GET", "/behaviors") == behaviors
    service.result("PUT", "/behaviors", {"behaviors": {"high_dlp": {"enabled": True, "risk_level": "low"}}})
    assert service.result("GET", "/levels") == stored
    assert service.result("PUT", "/levels", {}) == NONE
    assert [entry["kind"] for entry in service.result("GET", "/audit")][:3] == ["levels", "behavior", "levels"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"durations": {"nothing": WEEK}}, "/durations/nothing"),
        ({"durations": {"high_dlp": {}}}, "/durations/high_dlp/expires_after_seconds"),
        (
            {"durations": {"high_dlp": {"expires_after_seconds": 0}}},
            "/durations/high_dlp/expires_after_seconds",
        ),
        ({"durations": {"high_dlp": {**WEEK, "low_seconds": 1e9}}}, "/durations/high_dlp/low_seconds"),
        ({"durations": {"high_dlp": {**WEEK, "medium_seconds": None}}}, "/durations/high_dlp/medium_seconds"),
        ({"seconds_between_events": -1}, "/seconds_between_events"),
    ],
)
def test_a_wrong_setting_is_explained_and_changes_nothing(service: Service, body: Any, pointer: str) -> None:
    """With the member that is wrong."""
    status, envelope = service.call("PUT", "/levels", body)
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, pointer)
    assert service.result("GET", "/levels") == NONE


def test_a_level_ends_by_itself(service: Service) -> None:
    """A second after the finding, and the user is no longer at risk."""
    service.enable_behaviors()
    service.result("PUT", "/levels", {"durations": {"high_dlp": {"expires_after_seconds": 1}}})
    user = {"email": "kai@example.com"}
    assert len(service.result("POST", "/findings", {"behavior": "high_dlp", "user": user})["changes"]) == 1
    until(lambda: service.result("GET", "/summary")["users"] == [])


def test_commands_show_and_change_them(service: Service) -> None:
    """One behavior at a time; what is no duration or does not expire is explained."""

    def run(*arguments: str) -> str:
        return service.command("level", *arguments, "--account", service.account_id).stdout

    assert "No findings expire" in run("show")
    changed = json.loads(run("expire", "high_dlp", "--after", "7d", "--then-low", "90min", "--json"))
    assert changed["durations"] == {"high_dlp": {**WEEK, "low_seconds": 5_400}}
    run("between", "10min")
    shown = run("show")
    assert "7d" in shown
    assert "90min" in shown
    assert "10min" in shown
    assert json.loads(run("keep", "high_dlp", "--json"))["durations"] == {}
    for wrong in (["expire", "high_dlp", "--after", "soon"], ["between", "-1"]):
        refused = service.command("level", *wrong, "--account", service.account_id, check=False)
        assert refused.returncode in (1, 2)


def test_the_console_shows_and_changes_them(service: Service) -> None:
    """By durations as people write them; a wrong one is explained beside its field."""
    path = f"/console/accounts/{service.account_id}/behaviors/levels"
    visitor = Visitor(service)
    visitor.sign_in()
    csrf = visitor.ask("GET", path).csrf
    fields = {"csrf": csrf, "behavior": "high_dlp", "expires_after_seconds": "7 d", "low_seconds": "90min"}
    assert visitor.ask("POST", path, fields).status == 303
    assert visitor.ask("POST", f"{path}/between", {"csrf": csrf, "seconds_between_events": "1h"}).status == 303
    stored = {"durations": {"high_dlp": {**WEEK, "low_seconds": 5_400}}, "seconds_between_events": 3_600}
    assert service.result("GET", "/levels") == stored
    page = visitor.ask("GET", path).text
    assert all(f"<td>{text}</td>" in page for text in ("7d", "90min"))
    for wrong in ("soon", "", "0s"):
        refused = visitor.ask("POST", path, {**fields, "expires_after_seconds": wrong})
        assert (refused.status, 'class="problem"' in refused.text) == (400, True)
    assert visitor.ask("POST", f"{path}/keep", {"csrf": csrf, "behavior": "high_dlp"}).status == 303
    assert service.result("GET", "/levels") == {**NONE, "seconds_between_events": 3_600}
    reader = Visitor(service)
    reader.sign_in(service.new_token(service.account_id, Scope.READ))
    shown = reader.ask("GET", path)
    assert (shown.status, "<button" in shown.text.partition("<main")[2].partition("</main>")[0]) == (200, False)
    assert reader.ask("POST", path, {**fields, "csrf": shown.csrf}).status == 403
