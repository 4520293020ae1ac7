"""Rules over HTTP, in the console and by commands, against a running service."""

import json
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor
from support.waiting import until

KAI = "kai@example.com"
LOWS = '$count($distinct(findings[level="low"].behavior)) >= 2'
RULE = {"name": "Two lows", "within_seconds": 86_400, "when": LOWS, "level": "medium"}
NEW = {"description": None, "enabled": True, "session_revoked": False, "stopped": None}
NO_FAILURES = {"count": 0, "last": None, "last_at": None}


def find(service: Service) -> None:
    """Two low findings of different behaviors."""
    service.enable_behaviors()
    for behavior in ("high_risk_domain", "crowdstrike_medium_zta"):
        service.result("POST", "/findings", {"behavior": behavior, "user": {"email": KAI}})


def levels(service: Service) -> list[str]:
    return [row["max_risk_level"] for row in service.result("GET", "/summary")["users"]]


def test_a_rule_is_added_read_changed_and_deleted(service: Service) -> None:
    """What is read can be sent back; the history and the export of a user name the rule, also after it is deleted."""
    find(service)
    added = service.result("POST", "/rules", RULE)
    own = f"/rules/{added['id']}"
    assert added == {**NEW, **RULE, "id": added["id"], "created_at": added["created_at"], "failures": NO_FAILURES}
    assert service.result("POST", "/rules", RULE) == added == service.result("GET", own)
    assert service.result("GET", "/rules") == [added]
    until(lambda: levels(service) == ["medium"])
    changed = {**added, "level": "high", "session_revoked": True, "description": "Small things add up."}
    assert service.result("PUT", own, changed) == changed
    until(lambda: levels(service) == ["high"])
    user_id = service.result("GET", "/summary")["users"][0]["user_id"]
    exported = service.call("GET", f"/{user_id}/export")[1]["result"]
    assert exported["user"]["rules"] == [added["id"]]
    assert service.result("DELETE", own) == {}
    until(lambda: levels(service) == ["low"])
    history = service.result("GET", f"/{user_id}/history")
    named = [{"id": added["id"], "name": "Two lows"}]
    assert [(one["kind"], one["rules"]) for one in history[:3]] == [("rule", named)] * 3
    assert history[0]["reason"].startswith('No longer applies: rule "Two lows"; remaining: ')
    assert {one["behavior"] for one in history[1]["findings"]} == {"high_risk_domain", "crowdstrike_medium_zta"}
    assert service.call("GET", own)[0] == service.call("DELETE", own)[0] == service.call("PUT", own, changed)[0] == 404
    verbs = [(entry["verb"], entry["thing_id"]) for entry in service.result("GET", "/audit?kind=rule")]
    assert verbs == [(verb, added["id"]) for verb in ("deleted", "changed", "created")]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": 'A "name"'}, "/name"),
        ({"description": "two\nlines"}, "/description"),
        ({"within_seconds": 59}, "/within_seconds"),
        ({"within_seconds": 90 * 86_400 + 1}, "/within_seconds"),
        ({"when": "findings["}, "/when"),
        ({"when": "$count(findings)"}, "/when"),
        ({"when": "1" * 2_001}, "/when"),
        ({"level": "extreme"}, "/level"),
        ({"level": None}, "/level"),
    ],
)
def test_what_is_wrong_is_named(service: Service, wrong: dict[str, Any], pointer: str) -> None:
    """The member and what to change; nothing is stored."""
    status, envelope = service.call("POST", "/rules", {**RULE, **wrong})
    assert (status, [error["source"]["pointer"] for error in envelope["errors"]]) == (400, [pointer])
    assert service.result("GET", "/rules") == []


def test_an_expression_is_tried(service: Service) -> None:
    """For a user, or for findings of the request, which can have a source; what it sees and used is said."""
    find(service)
    asked = {"when": 'findings[behavior="high_risk_domain"]', "within_seconds": 3_600}
    result = service.result("POST", "/rules/try", {**asked, "user": KAI})
    assert (result["holds"], result["failure"]) == (True, None)
    assert [(one["behavior"], one["is_used"]) for one in result["findings"]] == [
        ("high_risk_domain", True),
        ("crowdstrike_medium_zta", False),
    ]
    samples = [{"behavior": "high_dlp", "source": "Okta"}, {"behavior": "high_dlp", "seconds_ago": 7_200}]
    sourced = {"when": '$count(findings[source="Okta"]) = 1', "within_seconds": 3_600, "findings": samples}
    result = service.result("POST", "/rules/try", sourced)
    assert (result["holds"], len(result["findings"])) == (True, 1)
    failing = service.result("POST", "/rules/try", {**asked, "when": "$number(findings[0].behavior) > 1", "user": KAI})
    assert (failing["holds"], failing["failure"]) == (False, "a value cannot be converted to a number (D3030)")
    assert service.call("POST", "/rules/try", {**asked, "user": "nobody@example.com"})[0] == 404
    assert service.call("POST", "/rules/try", asked)[0] == 400
    assert service.call("POST", "/rules/try", {**asked, "user": KAI, "findings": []})[0] == 400


def test_rules_are_read_and_changed_by_the_scopes_of_settings(service: Service) -> None:
    """Trying shows findings of users, so it needs pii-read."""
    own = service.token
    service.token = service.new_token(service.account_id, Scope.READ)
    assert service.call("GET", "/rules")[0] == 200
    assert service.call("POST", "/rules", RULE)[0] == 403
    assert service.call("POST", "/rules/try", {"when": "true", "within_seconds": 60, "user": KAI})[0] == 403
    service.token = own


def test_rules_have_a_screen(service: Service) -> None:
    """A person starts from an example, tries it with a user, saves, changes and deletes it."""
    find(service)
    visitor = Visitor(service)
    visitor.sign_in()
    path = f"/console/accounts/{service.account_id}/rules"
    page = visitor.ask("GET", f"{path}?example=two-highs")
    assert 'value="Two high findings"' in page.text
    fields = {"csrf": page.csrf, "name": "Two lows", "within": "1d", "when": LOWS, "level": "medium", "enabled": "yes"}
    assert f"The rule holds for {KAI}." in visitor.ask("POST", f"{path}/try", {**fields, "user": KAI}).text
    nobody = visitor.ask("POST", f"{path}/try", {**fields, "user": "nobody@example.com"})
    assert (nobody.status, "No user of this account has this email." in nobody.text) == (400, True)
    for wrong, problem in (({"within": "soon"}, "within"), ({"when": "findings["}, "is not JSONata")):
        page = visitor.ask("POST", path, {**fields, **wrong, "name": "<b>a"})
        assert (page.status, problem in page.text, "<b>a" in page.text) == (400, True, False)
    assert visitor.ask("POST", path, fields).status == 303
    (rule,) = service.result("GET", "/rules")
    until(lambda: levels(service) == ["medium"])
    own = f"{path}/{rule['id']}"
    assert "Two lows" in visitor.ask("GET", path).text
    assert "Two lows" in visitor.ask("GET", own).text
    user_id = service.result("GET", "/summary")["users"][0]["user_id"]
    assert own in visitor.ask("GET", f"{path[:-5]}users/{user_id}").text
    assert visitor.ask("POST", own, {**fields, "enabled": ""}).status == 303
    assert not service.result("GET", f"/rules/{rule['id']}")["enabled"]
    until(lambda: levels(service) == ["low"])
    assert visitor.ask("POST", f"{own}/delete", {"csrf": fields["csrf"]}).status == 303
    assert service.result("GET", "/rules") == []
    assert visitor.ask("GET", own).status == 404


def test_rules_have_commands(service: Service) -> None:
    """They are named by id or name; what an option does not name stays."""
    find(service)
    account = ("--account", service.account_id)

    def run(*arguments: str) -> Any:
        return json.loads(service.command("rule", *arguments, "--json", *account).stdout)

    added = run("add", "Two lows", "--when", LOWS, "--level", "medium")
    assert run("list") == [added] == [run("show", "Two lows")]
    changed = run("set", "Two lows", "--within", "12h", "--off")
    assert changed == {**added, "within_seconds": 43_200, "enabled": False}
    assert run("set", added["id"], "--level", "none", "--revoke")["level"] is None
    assert LOWS in service.command("rule", "show", added["id"], *account).stdout
    assert "The rule holds." in service.command("rule", "try", "--rule", "Two lows", "--user", KAI, *account).stdout
    assert not run("try", "--when", LOWS, "--finding", "high_dlp=2h", "--finding", "high_dlp")["holds"]
    assert run("remove", "Two lows") == {}
    missing = service.command("rule", "show", "Two lows", *account, check=False)
    assert (missing.returncode, "rule Two lows not found" in missing.stderr) == (1, True)
