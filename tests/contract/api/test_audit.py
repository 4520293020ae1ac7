"""The audit log over HTTP and as a command, against a running service."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from riskrelay.core.credentials import Scope
from support.crossing import OF_ACCOUNTS, body_for, routes, things_of
from support.service import Service

TENANT = "https://acme.okta.com"


def log(service: Service, query: str = "") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = service.result("GET", f"/audit{query}")
    return entries


def test_each_change_has_its_actor_and_address(service: Service) -> None:
    """Token id and name, address, time; what the command line did is said so. Reading and findings leave nothing."""
    maker = service.result("POST", "/tokens", {"name": "terraform", "scopes": ["write", "read"]})
    own = service.exchange("GET", "/user/tokens/verify", Authorization=f"Bearer {service.token}")[2]["result"]["id"]
    header = {"Authorization": f"Bearer {maker['value']}"}
    body = {"integration_type": "Okta", "tenant_url": TENANT, "reference_id": "once"}
    made = service.call("POST", "/integrations", body, **header)[1]["result"]
    service.call("POST", "/integrations", body, **header)
    service.call("PUT", f"/integrations/{made['id']}", {"active": False, "tenant_url": TENANT}, **header)
    service.call("GET", "/integrations", **header)
    service.call("DELETE", f"/integrations/{made['id']}", **header)
    service.call("DELETE", f"/integrations/{made['id']}", **header)
    entries = log(service)
    terraform = {"token_id": maker["id"], "name": "terraform", "address": "127.0.0.1"}
    tester = {"token_id": own, "name": "test", "address": "127.0.0.1"}
    console = {"token_id": None, "name": "command line", "address": None}
    assert [(entry["actor"], entry["verb"], entry["kind"], entry["thing_id"]) for entry in entries] == [
        (terraform, "deleted", "integration", made["id"]),
        (terraform, "changed", "integration", made["id"]),
        (terraform, "created", "integration", made["id"]),
        (tester, "created", "token", maker["id"]),
        (console, "created", "token", own),
    ]
    assert maker["value"] not in json.dumps(entries)
    ages = [datetime.now(UTC) - datetime.fromisoformat(entry["at"]) for entry in entries]
    assert ages == sorted(ages)
    assert timedelta(0) <= ages[0] <= ages[-1] < timedelta(minutes=5)


def test_a_reset_and_a_behavior_are_recorded_without_the_e_mail(service: Service) -> None:
    """Who cleared whose risk, by the user's id, and not why: the text may be about the user, who can be erased."""
    service.enable_behaviors()
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    service.result("POST", f"/{change['user_id']}/reset", {"reason": "False alarm"})
    entries = log(service, "?kind=user")
    assert [(entry["verb"], entry["thing_id"], entry["note"]) for entry in entries] == [
        ("reset", change["user_id"], None)
    ]
    assert len(log(service, "?kind=behavior")) == len(service.result("GET", "/behaviors")["behaviors"])
    assert "kai@example.com" not in json.dumps(log(service))


def test_pages_follow_each_other(service: Service) -> None:
    """A page has 100 entries, newest first, and a cursor. The command reads as many pages as are requested."""
    ids = [service.result("POST", "/tokens", {"name": str(n), "scopes": ["read"]})["id"] for n in range(120)]
    expected = ids[::-1]
    found: list[str] = []
    cursor = ""
    while True:
        query = f"?kind=token&cursor={quote(cursor)}"
        envelope = service.call("GET", f"/audit{query}")[1]
        found += [entry["thing_id"] for entry in envelope["result"]]
        assert envelope["result_info"]["count"] == len(envelope["result"]) <= 100
        if envelope["result_info"]["cursor"] is None:
            break
        cursor = envelope["result_info"]["cursor"]
    assert found[:-1] == expected  # the last one is the token of this test
    arguments = ("audit", "list", "--account", service.account_id, "--kind", "token", "--json", "--limit")
    for limit in (3, 110):
        rows = json.loads(service.command(*arguments, str(limit)).stdout)
        assert [row["thing_id"] for row in rows] == expected[:limit]
    shown = service.command(*arguments[:-2], "--limit", "1").stdout
    assert shown.endswith(f"Z  created token {expected[0]} by test from 127.0.0.1\n")


def test_the_installations_log_is_read_with_a_token_of_the_installation(service: Service) -> None:
    """Accounts, keys and its own tokens; an account's token is refused."""
    operator = service.new_token(None, Scope.OPERATE)
    path = "/installation/audit"
    status, _, envelope = service.exchange("GET", path, Authorization=f"Bearer {operator}")
    assert status == 200
    assert {"account", "token"} <= {entry["kind"] for entry in envelope["result"]}
    assert service.account_id in {entry["thing_id"] for entry in envelope["result"]}
    assert service.exchange("GET", path, Authorization=f"Bearer {service.token}")[0] == 403
    service.token = operator
    listed = service.command("audit", "list", "--installation", "--kind", "key", "--json").stdout
    assert {entry["verb"] for entry in json.loads(listed)} == {"created"}


def cursor_of(*place: Any) -> str:
    return "cursor=" + base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


@pytest.mark.parametrize(
    "query",
    [
        "kind=keys",
        "cursor=x",
        cursor_of(),
        cursor_of("2026-01-01T00:00:00", UUID),  # without an offset
        cursor_of("2026-01-01T00:00:00Z", "\0" * 36),
        cursor_of(10**400, UUID),
    ],
)
def test_what_cannot_be_read_is_a_400(service: Service, query: str) -> None:
    """An unknown kind, or a cursor that no answer gave."""
    assert service.call("GET", f"/audit?{cursor_of('2026-01-01T00:00:00Z', UUID)}")[0] == 200
    assert service.call("GET", f"/audit?{query}")[0] == 400


def test_the_api_cannot_change_the_log(service: Service) -> None:
    """It is read only."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert service.call(method, "/audit", {})[0] == 405


BELOW = OF_ACCOUNTS + "zt_risk_scoring"
SENT = ("events", "events/{secret}", "services/collector", "services/collector/event", "try", "samples/replay")
DATA = {
    ("POST", f"{BELOW}/findings"),
    ("POST", f"{BELOW}/activity"),
    ("POST", f"{BELOW}/levels/try"),
    ("POST", f"{BELOW}/rules/try"),
    *(("POST", f"{BELOW}/sources/{{source_id}}/{name}") for name in SENT),
}
"""They add data, which is kept itself, or try something; nobody's decision is in them."""

SETTINGS = ("PUT", f"{BELOW}/integrations/{{integration_id}}/settings")
"""The contract's example is what an Okta integration has and must have; another receiver takes ES256."""


def changes() -> list[tuple[str, str]]:
    """Every route of accounts that changes something: what ends things last, parts before what they are part of, and
    an erasure, which ends parts of other things, after all."""
    found = [(method, path) for method, path in routes() if path.startswith(OF_ACCOUNTS) and method != "GET"]

    def turn(route: tuple[str, str]) -> tuple[bool, bool, bool, int]:
        method, path = route
        is_erasure = method == "DELETE" and path.endswith("/{user_id}")
        return is_erasure, method == "DELETE", path.endswith("/cancel"), -len(path)

    return sorted(set(found) - DATA, key=turn)


def test_every_route_that_changes_something_is_recorded(service: Service) -> None:
    """Each leaves at least one entry, and each entry says whose token it was; a new route too."""
    things = things_of(service)
    other = service.result("POST", "/integrations", {"integration_type": "SSF", "tenant_url": "https://example.com"})
    own = service.exchange("GET", "/user/tokens/verify", Authorization=f"Bearer {service.token}")[2]["result"]["id"]
    for method, template in changes():
        path = template
        if (method, template) == SETTINGS:
            path = path.replace("{integration_id}", other["id"])
        for name, value in things.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        if (method, template) == ("DELETE", f"{BELOW}/directory"):
            path += "?all=true"
        before = log(service)
        body = {"signing_algorithm": "ES256"} if (method, template) == SETTINGS else body_for(method, template)
        status, _, envelope = service.exchange(method, path, body, Authorization=f"Bearer {service.token}")
        assert status == 200, (method, template, envelope)
        new = [entry for entry in log(service) if entry not in before]
        assert new, (method, template)
        assert {entry["actor"]["token_id"] for entry in new} == {own}
