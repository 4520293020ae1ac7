"""Exceptions over HTTP, in the console and by commands, against a running service."""

import json
import re
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor

SVC = "svc-backup@example.com"
PATTERN = {"pattern": "svc-*@example.com", "effect": "ignore", "reason": "Service account"}
NOTHING = {"user": None, "group": None, "pattern": None, "behavior": None, "level": None, "ends_at": None}


def find(service: Service, email: str) -> dict[str, Any]:
    """The user of a high finding, as the API shows it."""
    service.enable_behaviors()
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": email}})
    visitor = Visitor(service)
    visitor.sign_in()
    page = visitor.ask("GET", f"/console/accounts/{service.account_id}/users?level=any&q={email}").text
    (user_id,) = set(re.findall(r"/users/([0-9a-f-]{36})", page))
    user: dict[str, Any] = service.result("GET", f"/{user_id}")
    return user


def test_an_exception_is_added_read_changed_and_deleted(service: Service) -> None:
    """What is read can be sent back; the findings of its users are marked, with its reason as long as it is stored."""
    added = service.result("POST", "/exceptions", PATTERN)
    own = f"/exceptions/{added['id']}"
    assert added == {**NOTHING, **PATTERN, "id": added["id"], "created_at": added["created_at"], "has_ended": False}
    assert service.result("POST", "/exceptions", PATTERN) == added
    listed = service.call("GET", "/exceptions")[1]
    assert (listed["result"], listed["result_info"]) == ([added], {"cursor": None, "count": 1})
    user = find(service, SVC)
    assert "risk_level" not in user
    mark = {"id": added["id"], "effect": "ignore", "level": None, "reason": "Service account"}
    assert [event["exception"] for event in user["events"]] == [mark]
    changed = {**added, "effect": "cap", "level": "low", "behavior": "high_dlp", "ends_at": "2999-01-01T00:00:00Z"}
    assert service.result("PUT", own, changed) == changed == service.result("GET", own)
    assert [row["max_risk_level"] for row in service.result("GET", "/summary")["users"]] == ["low"]
    assert service.result("PUT", own, {**changed, "ends_at": "2020-01-01T00:00:00Z"})["has_ended"]
    assert [row["max_risk_level"] for row in service.result("GET", "/summary")["users"]] == ["high"]
    assert service.result("DELETE", own) == {}
    assert service.call("GET", own)[0] == service.call("DELETE", own)[0] == service.call("PUT", own, changed)[0] == 404
    (event,) = find(service, SVC)["events"][-1:]
    assert event["exception"] == {**mark, "effect": None, "reason": None}
    verbs = [(entry["verb"], entry["thing_id"]) for entry in service.result("GET", "/audit?kind=exception")]
    assert verbs == [(verb, added["id"]) for verb in ("deleted", "changed", "changed", "created")]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"pattern": None}, ""),
        ({"user": "kai@example.com"}, ""),
        ({"pattern": "svc@example.com"}, "/pattern"),
        ({"pattern": None, "user": "nobody"}, "/user"),
        ({"pattern": None, "group": " VIP"}, "/group"),
        ({"behavior": "unknown"}, "/behavior"),
        ({"effect": "forget"}, "/effect"),
        ({"effect": "cap"}, "/level"),
        ({"level": "low"}, "/level"),
        ({"reason": ""}, "/reason"),
        ({"ends_at": "tomorrow"}, "/ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
    ],
)
def test_what_is_wrong_is_named(service: Service, wrong: dict[str, Any], pointer: str) -> None:
    """The member and what to change; nothing is stored."""
    status, envelope = service.call("POST", "/exceptions", {**PATTERN, **wrong})
    assert (status, [error["source"]["pointer"] for error in envelope["errors"]]) == (400, [pointer])
    assert service.result("GET", "/exceptions") == []


def test_exceptions_are_for_those_who_may_see_users(service: Service) -> None:
    """Reading needs pii-read, changing needs write."""
    own = service.token
    for scope, allowed in ((Scope.READ, []), (Scope.PII_READ, ["GET"]), (Scope.WRITE, ["POST"])):
        service.token = service.new_token(service.account_id, scope)
        for method in ("GET", "POST"):
            status, _ = service.call(method, "/exceptions", PATTERN if method == "POST" else None)
            assert status == (200 if method in allowed else 403), (scope, method)
    service.token = own


def test_groups_are_imported_and_shown(service: Service) -> None:
    """With an entry of the directory; a user in the group is excepted."""
    entry = {"kind": "upn", "name": "kai", "email": "kai@example.com", "groups": ["VIP", "Sales", "VIP"]}
    service.result("PUT", "/directory", entry)
    assert service.result("GET", "/directory") == [{**entry, "groups": ["VIP", "Sales"]}]
    service.result("POST", "/exceptions", {"group": "vip", "effect": "cap", "level": "low", "reason": "Travels."})
    assert find(service, "kai@example.com")["risk_level"] == "low"
    status, envelope = service.call("PUT", "/directory", {**entry, "groups": [" "]})
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, "/groups/0")
    service.result("PUT", "/directory", {**entry, "groups": []})
    assert "groups" not in service.result("GET", "/directory")[0]


def test_the_commands(service: Service) -> None:
    """Service accounts, another effect, an end, deletion; what does not go together is refused."""
    account = ("--account", service.account_id)

    def run(*arguments: str, check: bool = True) -> Any:
        ended = service.command("exception", *arguments, "--json", *account, check=check)
        return json.loads(ended.stdout) if check else (ended.returncode, ended.stderr)

    for named, coverage in (("svc-*@example.com", "pattern"), (SVC, "user")):
        added = run("add", "--service-account", named)
        assert (added[coverage], added["effect"], added["reason"]) == (named, "ignore", "Service account")
    changed = run("set", added["id"], "--effect", "cap", "--level", "low", "--behavior", "high_dlp")
    assert (changed["effect"], changed["level"], changed["behavior"]) == ("cap", "low", "high_dlp")
    back = run("set", added["id"], "--effect", "ignore", "--behavior", "all", "--ends", "2999-01-01T00:00:00Z")
    assert (back["level"], back["behavior"], back["ends_at"]) == (None, None, "2999-01-01T00:00:00Z")
    assert run("end", added["id"])["has_ended"]
    assert [one["has_ended"] for one in run("list")] == [False, True]
    assert ",true," in service.command("exception", "list", "--output", "csv", *account).stdout
    assert run("delete", added["id"]) == {}
    for wrong in (
        [],
        ["--user", SVC],
        ["--user", SVC, "--group", "VIP", "--reason", "a"],
        ["--service-account", SVC, "--effect", "cap"],
    ):
        assert run("add", *wrong, check=False)[0] == 2
    assert "at least one option" in run("set", added["id"], check=False)[1]


def test_the_console_shows_adds_ends_and_deletes(service: Service) -> None:
    """Each fault is shown beside its field, texts are escaped, and without pii-read no user is shown."""
    visitor = Visitor(service)
    visitor.sign_in()
    path = f"/console/accounts/{service.account_id}/exceptions"
    csrf = visitor.ask("GET", path).csrf
    fields = {"csrf": csrf, "coverage": "pattern", "covered": SVC, "effect": "ignore", "level": "low", "reason": "<b>a"}
    page = visitor.ask("POST", path, fields)
    assert page.status == 400
    assert "must have a *" in page.text
    assert "<b>a" not in page.text
    sent = {**fields, "covered": "svc-*@example.com", "ends_on": "2999-01-31", "behavior": "high_dlp"}
    assert visitor.ask("POST", path, sent).status == 303
    (added,) = service.result("GET", "/exceptions")
    assert (added["ends_at"], added["behavior"], added["level"]) == ("2999-01-31T00:00:00Z", "high_dlp", None)
    page = visitor.ask("GET", path)
    assert "&lt;b&gt;a" in page.text
    assert "svc-*@example.com" in page.text
    find(service, SVC)
    (user_id,) = set(re.findall(r"/users/([0-9a-f-]{36})", visitor.ask("GET", path[:-10] + "users?level=any").text))
    assert "Exception" in visitor.ask("GET", f"{path[:-10]}users/{user_id}").text
    assert visitor.ask("POST", f"{path}/{added['id']}/end", {"csrf": csrf}).status == 303
    assert service.result("GET", f"/exceptions/{added['id']}")["has_ended"]
    assert "ended" in visitor.ask("GET", path).text
    assert visitor.ask("POST", f"{path}/{added['id']}/delete", {"csrf": csrf}).status == 303
    assert service.result("GET", "/exceptions") == []
    for missing in ("end", "delete"):
        assert visitor.ask("POST", f"{path}/{added['id']}/{missing}", {"csrf": csrf}).status == 404
    reader = Visitor(service)
    reader.sign_in(service.new_token(service.account_id, Scope.READ))
    assert reader.ask("GET", path).status == 403
