"""Trials over HTTP, in the console and by the command, against a running service."""

import json
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor

KAI, SVC = "kai@example.com", "svc-backup@example.com"
NONE = {"none": 0, "low": 0, "medium": 0, "high": 0}
IGNORED = {"pattern": "svc-*@example.com", "effect": "ignore", "reason": "Service account"}


@pytest.fixture
def found(service: Service) -> Service:
    """An account with two users at high."""
    service.enable_behaviors()
    for email in (KAI, SVC):
        service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": email}})
    return service


def test_a_change_is_tried_and_not_made(found: Service) -> None:
    """Behaviors, durations and exceptions, one by one and together."""
    trial = found.result("POST", "/levels/try", {})
    assert (
        trial["past"]["before"]
        == trial["past"]["after"]
        == {"users": {**NONE, "high": 2}, "events": {**NONE, "high": 2}, "sessions_revoked": 0}
    )
    assert (trial["past"]["days"], trial["past"]["findings"], trial["now"]["examples"]) == (30, 2, [])
    changed = {
        "days": 7,
        "behaviors": {"high_dlp": {"enabled": True, "risk_level": "low"}},
        "levels": {"durations": {"high_dlp": {"expires_after_seconds": 3_600}}},
        "add_exceptions": [IGNORED],
    }
    trial = found.result("POST", "/levels/try", changed)
    assert trial["past"]["after"] == {
        "users": {**NONE, "none": 1, "low": 1},
        "events": {**NONE, "low": 1},
        "sessions_revoked": 0,
    }
    assert trial["now"]["before"] == {**NONE, "high": 2}
    assert trial["now"]["after"] == {**NONE, "none": 1, "low": 1}
    examples = {(one["email"], one["before"], one["after"]) for one in trial["now"]["examples"]}
    assert examples == {(KAI, "high", "low"), (SVC, "high", "none")}
    assert [row["max_risk_level"] for row in found.result("GET", "/summary")["users"]] == ["high", "high"]
    assert found.result("GET", "/exceptions") == []
    stored = found.result("POST", "/exceptions", IGNORED)
    trial = found.result("POST", "/levels/try", {"remove_exceptions": [stored["id"]]})
    assert (trial["now"]["before"]["none"], trial["now"]["after"]["high"]) == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"days": 0}, "/days"),
        ({"behaviors": {"unknown": {"enabled": True, "risk_level": "low"}}}, "/behaviors/unknown"),
        (
            {"levels": {"durations": {"high_dlp": {"expires_after_seconds": 0}}}},
            "/levels/durations/high_dlp/expires_after_seconds",
        ),
        ({"add_exceptions": [{**IGNORED, "pattern": "svc"}]}, "/add_exceptions/0/pattern"),
        ({"remove_exceptions": ["unknown"]}, "/remove_exceptions/0"),
    ],
)
def test_what_is_wrong_is_named(service: Service, wrong: dict[str, Any], pointer: str) -> None:
    """The member and what to change."""
    status, envelope = service.call("POST", "/levels/try", wrong)
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, pointer)


def test_examples_are_for_those_who_may_see_users(service: Service) -> None:
    """The scope pii-read suffices, because nothing is stored."""
    own = service.token
    for scope, status in ((Scope.READ, 403), (Scope.WRITE, 403), (Scope.PII_READ, 200)):
        service.token = service.new_token(service.account_id, scope)
        assert service.call("POST", "/levels/try", {})[0] == status, scope
    service.token = own


def test_the_command_tries_a_change(found: Service) -> None:
    """Options for behaviors, durations and exceptions; a mistake is explained."""
    account = ("--account", found.account_id)

    def attempt(*arguments: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(found.command("level", "try", *arguments, "--json", *account).stdout)
        return result

    assert attempt("--behavior", "high_dlp=low", "--days", "7")["now"]["after"]["low"] == 2
    assert attempt("--behavior", "high_dlp=off")["past"]["after"]["users"]["none"] == 2
    assert attempt("--expire", "high_dlp=1h", "--expire", "imp_travel=never")["now"]["after"]["high"] == 2
    assert attempt("--exception", "svc-*@example.com", "--cap", "medium")["now"]["after"]["medium"] == 1
    assert attempt("--exception", "group:Sales", "--exception", KAI)["now"]["after"]["none"] == 1
    shown = found.command("level", "try", "--behavior", "high_dlp=low", *account).stdout
    assert "2 users would change" in shown
    for wrong in ("--behavior=high_dlp", "--behavior=unknown=low", "--expire=high_dlp=soon"):
        assert found.command("level", "try", wrong, *account, check=False).returncode == 1


def test_the_console_tries_a_change(found: Service) -> None:
    """The result is shown beside the changes, faults are named, and without pii-read there is no access."""
    visitor = Visitor(found)
    visitor.sign_in()
    behaviors = f"/console/accounts/{found.account_id}/behaviors"
    path = f"{behaviors}/try"
    assert path in visitor.ask("GET", behaviors).text
    csrf = visitor.ask("GET", path).csrf
    fields = {"csrf": csrf, "days": "30", "becomes-high_dlp": "low", "coverage": "pattern"}
    page = visitor.ask("POST", path, {**fields, "covered": "svc-*@example.com", "effect": "ignore"})
    assert page.status == 200
    assert "The levels of 2 users would change" in page.text
    assert KAI in page.text
    two = visitor.ask("POST", path, {**fields, "covered": "svc-*@example.com\nk*@example.com\n", "effect": "ignore"})
    assert "The levels of 2 users would change" in two.text
    expiring = {"csrf": csrf, "days": "30", "expires-high_dlp": "1h", "expires-imp_travel": "7d"}
    assert "The levels of 0 users would change" in visitor.ask("POST", path, expiring).text
    for wrong in ({"days": "x"}, {"covered": "<b>"}, {"expires-high_dlp": "soon"}):
        page = visitor.ask("POST", path, {**fields, "effect": "ignore", **wrong})
        assert page.status == 400, wrong
        assert "<b>" not in page.text
    reader = Visitor(found)
    reader.sign_in(found.new_token(found.account_id, Scope.READ))
    assert reader.ask("GET", path).status == 403
    assert path not in reader.ask("GET", behaviors).text


def test_rules_are_tried(found: Service) -> None:
    """By the API, the command and the console; what is wrong with a rule is named by its place."""
    rule = {"name": "Any", "within_seconds": 3_600, "when": "true", "session_revoked": True}
    trial = found.result("POST", "/levels/try", {"add_rules": [rule]})
    assert (trial["past"]["before"]["sessions_revoked"], trial["past"]["after"]["sessions_revoked"]) == (0, 2)
    for wrong, pointer in (({"when": "findings["}, "/add_rules/0/when"), ({"name": ""}, "/add_rules/0/name")):
        status, envelope = found.call("POST", "/levels/try", {"add_rules": [{**rule, **wrong}]})
        assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, pointer)
    status, envelope = found.call("POST", "/levels/try", {"remove_rules": ["unknown"]})
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, "/remove_rules/0")
    tried = found.command("level", "try", "--rule", "none 1h true", "--account", found.account_id).stdout
    assert "Sessions revoked: 0 times before, 2 after." in tried
    visitor = Visitor(found)
    visitor.sign_in()
    path = f"/console/accounts/{found.account_id}/behaviors/try"
    fields = {"csrf": visitor.ask("GET", path).csrf, "days": "30", "rule_when": "true", "rule_within": "1h"}
    assert "Rules would have revoked sessions 2 times, instead of 0." in visitor.ask("POST", path, fields).text
