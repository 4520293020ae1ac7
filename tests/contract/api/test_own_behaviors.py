"""Behaviors of an account's own over HTTP, and in the console, against a running service."""

from typing import Any

import pytest

from support.service import Service
from support.visitor import Visitor

KAI = {"email": "kai@example.com"}
VPN = {"id": "vpn_from_abroad", "name": "VPN from Abroad", "risk_level": "medium"}


def add(service: Service, **members: Any) -> dict[str, Any]:
    added: dict[str, Any] = service.result("POST", "/behaviors", {**VPN, "enabled": True, **members})
    return added


def send(service: Service, *behaviors: str) -> tuple[int, dict[str, Any]]:
    return service.call("POST", "/findings", [{"behavior": behavior, "user": KAI} for behavior in behaviors])


def faults(envelope: dict[str, Any]) -> list[tuple[int, str]]:
    return [(error["code"], error["source"]["pointer"]) for error in envelope["errors"]]


def test_an_added_behavior_is_one_like_the_eight(service: Service) -> None:
    """It is disabled; it is listed behind the eight; PUT enables it, and leaves its name; findings of it count."""
    before = service.result("GET", "/behaviors")["behaviors"]
    assert service.result("POST", "/behaviors", VPN) == {**VPN, "description": "", "enabled": False}
    row = {"name": VPN["name"], "description": "", "enabled": False, "risk_level": "medium"}
    listed = service.result("GET", "/behaviors")["behaviors"]
    assert list(listed.items()) == [*before.items(), (VPN["id"], row)]
    assert send(service, VPN["id"])[1]["result"]["ignored"] == 1
    setting = {"enabled": True, "risk_level": "high", "name": "other"}
    changed = service.result("PUT", "/behaviors", {"behaviors": {VPN["id"]: setting}})["behaviors"]
    assert changed == {**before, VPN["id"]: {**row, "enabled": True, "risk_level": "high"}}
    (change,) = send(service, VPN["id"])[1]["result"]["changes"]
    assert change["current_level"] == "high"
    (event,) = service.result("GET", f"/{change['user_id']}")["events"]
    assert (event["name"], event["risk_level"]) == (VPN["name"], "high")


def test_adding_again_changes_nothing_and_another_body_is_refused(service: Service) -> None:
    """So a client can repeat its request; the id names one behavior."""
    first = add(service)
    assert add(service) == first
    status, envelope = service.call("POST", "/behaviors", {**VPN, "name": "Another"})
    assert (status, faults(envelope)) == (400, [(1103, "/id")])
    entries = service.result("GET", "/audit?kind=behavior")
    assert [(entry["verb"], entry["thing_id"]) for entry in entries] == [("created", VPN["id"])]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "high_dlp"},
        {"id": "VPN"},
        {"id": "1st"},
        {"id": "a-b"},
        {"id": ""},
        {"id": "a" * 51},
        {"name": ""},
        {"name": " VPN"},
        {"name": "a\u202eb"},
        {"name": "n" * 101},
        {"description": "d" * 1_001},
        {"description": "a\nb"},
        {"risk_level": "extreme"},
        {"enabled": "yes"},
    ],
)
def test_a_refused_member_is_named(service: Service, wrong: dict[str, Any]) -> None:
    """One fault at its place, and nothing is added."""
    status, envelope = service.call("POST", "/behaviors", {**VPN, **wrong})
    assert (status, [pointer for _, pointer in faults(envelope)]) == (400, [f"/{name}" for name in wrong])
    assert len(service.result("GET", "/behaviors")["behaviors"]) == 8


def test_a_change_moves_users_and_the_eight_are_changed_elsewhere(service: Service) -> None:
    """What is absent or null stays; the new name is the one that events have."""
    add(service, description="From abroad.")
    (change,) = send(service, VPN["id"])[1]["result"]["changes"]
    path = f"/behaviors/{VPN['id']}"
    changed = service.result("PUT", path, {"name": "Foreign VPN", "risk_level": "high", "enabled": None})
    assert changed == {
        "id": VPN["id"],
        "name": "Foreign VPN",
        "description": "From abroad.",
        "enabled": True,
        "risk_level": "high",
    }
    user = service.result("GET", f"/{change['user_id']}")
    assert (user["risk_level"], user["events"][0]["name"]) == ("high", "Foreign VPN")
    for unknown in ("high_dlp", "unheard_of"):
        assert service.call("PUT", f"/behaviors/{unknown}", {"name": "x"})[0] == 404
        assert service.call("DELETE", f"/behaviors/{unknown}")[0] == 404


def test_a_retired_behavior_is_ignored_and_its_findings_keep_the_level(service: Service) -> None:
    """As a disabled one; nothing lists or changes it; its id brings it back, disabled."""
    add(service, risk_level="high")
    (change,) = send(service, VPN["id"])[1]["result"]["changes"]
    assert service.result("DELETE", f"/behaviors/{VPN['id']}") == {}
    assert service.call("DELETE", f"/behaviors/{VPN['id']}")[0] == 404
    assert VPN["id"] not in service.result("GET", "/behaviors")["behaviors"]
    setting = {"enabled": True, "risk_level": "low"}
    status, envelope = service.call("PUT", "/behaviors", {"behaviors": {VPN["id"]: setting}})
    assert (status, faults(envelope)) == (400, [(1106, f"/behaviors/{VPN['id']}")])
    result = send(service, VPN["id"])[1]["result"]
    assert (result["accepted"], result["ignored"], result["changes"]) == (0, 1, [])
    user = service.result("GET", f"/{change['user_id']}")
    assert (user["risk_level"], user["events"][0]["name"]) == ("high", VPN["name"])
    assert service.result("POST", "/behaviors", {**VPN, "name": "Again"})["enabled"] is False
    assert service.result("GET", f"/{change['user_id']}")["risk_level"] == "medium"


def test_an_unknown_behavior_is_refused_with_the_accounts_own_named(service: Service) -> None:
    """Together with every other fault of the body; another account's behaviors are unknown here."""
    add(service)
    status, envelope = send(service, VPN["id"], "unheard_of", "high_dlp", "Not An Id")
    assert (status, faults(envelope)) == (400, [(1106, "/1/behavior"), (1106, "/3/behavior")])
    assert all(f"high_risk_domain, {VPN['id']}" in error["message"] for error in envelope["errors"])
    body = [{"behavior": VPN["id"], "user": {"email": "nobody"}}, {"behavior": "unheard_of", "user": KAI}]
    assert faults(service.call("POST", "/findings", body)[1]) == [(1103, "/0/user/email"), (1106, "/1/behavior")]
    single = service.call("POST", "/findings", {"behavior": "unheard_of", "user": KAI})
    assert (single[0], faults(single[1])) == (400, [(1106, "/behavior")])
    before = service.account_id, service.token
    service.account_id = f"other-{service.account_id}"
    service.token = service.new_token(service.account_id)
    assert send(service, VPN["id"])[0] == 400
    assert len(service.result("GET", "/behaviors")["behaviors"]) == 8
    service.account_id, service.token = before


def test_the_console_adds_renames_and_retires(service: Service) -> None:
    """Each fault is shown beside its field, the typed values are kept, and names are escaped."""
    visitor = Visitor(service)
    visitor.sign_in()
    path = f"/console/accounts/{service.account_id}/behaviors"
    csrf = visitor.ask("GET", path).csrf
    fields = {"csrf": csrf, "id": "Odd Id", "name": "<b>Odd</b>", "risk_level": "high"}
    page = visitor.ask("POST", f"{path}/own", fields)
    assert page.status == 400
    assert "lower-case letters, digits and underscores, and begin" in page.text
    assert "<b>Odd" not in page.text
    assert "&lt;b&gt;Odd" in page.text
    assert visitor.ask("POST", f"{path}/own", {**fields, "id": "odd_one"}).status == 303
    assert service.result("GET", "/behaviors")["behaviors"]["odd_one"]["enabled"] is False
    form = {"csrf": csrf, "enabled": "odd_one", "level-odd_one": "low"}
    assert visitor.ask("POST", path, form).status == 303
    row = service.result("GET", "/behaviors")["behaviors"]["odd_one"]
    assert (row["name"], row["enabled"], row["risk_level"]) == ("<b>Odd</b>", True, "low")
    (change,) = send(service, "odd_one")[1]["result"]["changes"]
    own = f"{path}/own/odd_one"
    assert visitor.ask("POST", own, {"csrf": csrf, "name": ""}).status == 400
    assert visitor.ask("POST", own, {"csrf": csrf, "name": "Odd", "description": "Odd."}).status == 303
    assert "Odd." in visitor.ask("GET", own).text
    assert visitor.ask("POST", f"{own}/retire", {"csrf": csrf}).status == 303
    assert visitor.ask("GET", own).status == 404
    assert "odd_one" not in visitor.ask("GET", path).text
    for shown in ("", "/users", f"/users/{change['user_id']}"):
        page = visitor.ask("GET", f"/console/accounts/{service.account_id}{shown}")
        assert page.status == 200
    assert "Odd" in page.text


def test_the_commands_add_change_and_retire(service: Service) -> None:
    """`riskrelay behavior add, set, retire`."""
    account = ("--account", service.account_id)
    name = ("--name", "VPN from Abroad")
    assert service.command("behavior", "add", "vpn_from_abroad", *name, "--on", *account).returncode == 0
    listed = service.result("GET", "/behaviors")["behaviors"]["vpn_from_abroad"]
    assert (listed["name"], listed["enabled"], listed["risk_level"]) == ("VPN from Abroad", True, "medium")
    renamed = ("--name", "Foreign VPN", "--level", "high", "--off")
    assert "Foreign VPN" in service.command("behavior", "set", "vpn_from_abroad", *renamed, *account).stdout
    refused = service.command("behavior", "set", "high_dlp", "--name", "x", *account, check=False)
    assert refused.returncode == 1
    assert "built-in" in refused.stderr
    assert service.command("behavior", "retire", "vpn_from_abroad", *account).returncode == 0
    assert service.command("behavior", "set", "vpn_from_abroad", "--on", *account, check=False).returncode == 1
