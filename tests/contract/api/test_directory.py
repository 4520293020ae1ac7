"""The directory over HTTP, in the console and by commands, against a running service."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor
from support.waiting import until

KAI = "kai@example.com"
HOST = {"kind": "host", "name": "LAPTOP-7", "email": KAI}


def pointers(envelope: dict[str, Any]) -> list[str]:
    return [error["source"]["pointer"] for error in envelope["errors"]]


def test_entries_are_put_read_and_deleted(service: Service) -> None:
    """A body is one entry, an array or NDJSON. A name is found in any spelling of its kind."""
    assert service.result("PUT", "/directory", HOST) == {"accepted": 1, "added": 1}
    more = [{**HOST, "name": "laptop-7"}, {"kind": "sub", "name": "aB", "email": KAI}]
    assert service.result("PUT", "/directory", more) == {"accepted": 2, "added": 1}
    found = service.result("GET", "/directory?name=Laptop-7&kind=host")
    assert [(row["kind"], row["email"]) for row in found] == [("host", KAI)]
    assert service.result("GET", "/directory?name=ab") == []
    listed = service.call("GET", f"/directory?email={KAI}")[1]
    assert [row["name"] for row in listed["result"]] == ["laptop-7", "aB"]
    assert listed["result_info"] == {"cursor": None, "count": 2}
    assert service.result("DELETE", "/directory?kind=sub&name=ab") == {"deleted": 0}
    assert service.result("DELETE", "/directory?kind=sub&name=aB") == {"deleted": 1}
    assert service.result("DELETE", "/directory?all=true") == {"deleted": 1}
    assert service.result("GET", "/directory/missed") == []


@pytest.mark.parametrize(
    "query",
    ["", "?kind=host", "?name=a", "?all=yes", "?all=true&kind=host", "?kind=host&name=a&all=yes", "?kind=x&name=a"],
)
def test_nothing_is_deleted_by_accident(service: Service, query: str) -> None:
    """A request names one entry or says that it means all."""
    service.result("PUT", "/directory", HOST)
    assert service.call("DELETE", f"/directory{query}")[0] == 400
    assert service.result("GET", "/directory") == [HOST]


def test_invalid_entries_are_named_and_nothing_is_stored(service: Service) -> None:
    """Every fault at its place, and no name in any message."""
    wrong = [HOST, {**HOST, "kind": "mail"}, {**HOST, "name": " secret-name"}, {**HOST, "email": "nobody"}, {}]
    status, envelope = service.call("PUT", "/directory", wrong)
    assert status == 400
    assert pointers(envelope) == ["/1/kind", "/2/name", "/3/email", "/4/kind", "/4/name", "/4/email"]
    assert "secret-name" not in json.dumps(envelope)
    assert service.result("GET", "/directory") == []
    for query in ("?kind=mail", "?email=nobody", "?cursor=x"):
        assert service.call("GET", f"/directory{query}")[0] == 400


def test_names_require_the_scope_for_users(service: Service) -> None:
    """Reading needs pii-read, changing needs write."""
    own = service.token
    service.result("PUT", "/directory", HOST)
    for scope, allowed in ((Scope.READ, []), (Scope.PII_READ, ["GET"]), (Scope.WRITE, ["PUT", "DELETE"])):
        service.token = service.new_token(service.account_id, scope)
        for method, path in (("GET", "/directory"), ("GET", "/directory/missed"), ("PUT", "/directory")):
            status, _ = service.call(method, path, HOST if method == "PUT" else None)
            assert status == (200 if method in allowed else 403), (scope, method)
    service.token = own


def test_a_file_is_imported_by_the_command(service: Service, tmp_path: Path) -> None:
    """CSV with a column for each kind or one entry a line, NDJSON; a fault names its line."""
    account = ("--account", service.account_id)
    wide, narrow, objects = (tmp_path / name for name in ("wide.csv", "narrow.csv", "some.ndjson"))
    lines = [f"user{number}@example.com,user{number},,HOST-{number}" for number in range(6_000)]
    wide.write_text("﻿Email,user_name,upn,host\n" + "\n".join(lines) + '\n"lou@example.com","l,ou",,\n,ghost,,\n')
    totals = json.loads(service.command("directory", "import", str(wide), "--json", *account).stdout)
    assert totals == {"accepted": 12_001, "added": 12_001}
    assert service.result("GET", "/directory?name=l,ou")[0]["email"] == "lou@example.com"
    objects.write_text(
        '{"kind":"sub","name":"x","email":"kai@example.com"}\n\n{"email":"kai@example.com","host":"HOST-1"}\n'
    )
    totals = json.loads(service.command("directory", "import", str(objects), "--json", *account).stdout)
    assert totals == {"accepted": 2, "added": 1}
    listed = service.command("directory", "list", "--limit", "12002", "--json", *account)
    assert len(json.loads(listed.stdout)) == 12_002
    assert KAI in service.command("directory", "lookup", "host-1", *account).stdout
    narrow.write_text("kind,name,email\nhost,a,kai@example.com\n\nhost,b,nobody\nmail,c,kai@example.com\n")
    refused = service.command("directory", "import", str(narrow), *account, check=False)
    assert refused.returncode == 1
    assert "line 4, email: must be an e-mail address" in refused.stderr
    assert "line 5, kind: must be" in refused.stderr
    for text, said in {
        "email,host\nkai@example.com,a,b\n": "line 2 has more values",
        "mail,host\n": "line 1 must name the columns",
        '{"host": "a"}\n': "line 1 must have",
        '{"host": "a", "email": "k@e"}\n{"host": ': "line 2 is not JSON",
        '{"host": 7, "email": "k@e"}\n': "line 1, host: must be a string",
        "": "line 1 must name the columns",
    }.items():
        narrow.write_text(text)
        assert said in service.command("directory", "import", str(narrow), *account, check=False).stderr
    assert service.command("directory", "delete", "--all", *account).returncode == 0
    assert service.result("GET", "/directory") == []


def test_events_of_sources_find_their_users_by_name(service: Service) -> None:
    """Names that the directory does not have refuse the event, and are counted; trying an event counts nothing."""
    service.enable_behaviors()
    rule = {"when": "true", "gives": "finding", "behavior": "high_dlp", "names": {"host": "host", "sub": "sub"}}
    mapping = {"kind": "custom", "description": "Tests.", "rules": [{**rule, "time": "at", "id": "key"}]}
    source = service.result("POST", "/sources", {"kind": "custom", "name": "Tests", "mapping": mapping})
    path, secret = f"/sources/{source['id']}", {"Authorization": f"Bearer {source['credential']['secret']}"}
    events = [{"key": key, "at": datetime.now(UTC).isoformat(), "host": "Laptop-7", "sub": "u7"} for key in ("1", "2")]
    service.result("POST", f"{path}/try", events)
    refused = service.call("POST", f"{path}/events", events, **secret)[1]["result"]
    assert [(one["reason"], one["count"]) for one in refused["refused"]] == [("unknown_user", 2)]
    until(lambda: service.result("GET", "/directory/missed") != [])
    found = service.result("GET", "/directory/missed")
    assert [(one["kind"], one["name"], one["signals"]) for one in found] == [("host", "Laptop-7", 2), ("sub", "u7", 2)]
    service.result("PUT", "/directory", HOST)
    taken = service.call("POST", f"{path}/events", events, **secret)[1]["result"]
    assert (taken["findings"], taken["refused"]) == (2, [])
    assert [user["email"] for user in service.result("GET", "/summary")["users"]] == [KAI]
    assert [one["name"] for one in service.result("GET", "/directory/missed")] == ["u7"]
    visitor = Visitor(service)
    visitor.sign_in()
    page = visitor.ask("GET", f"/console/accounts/{service.account_id}/directory").text
    assert "Signals that name only these are being lost" in page
    assert "u7" in page.partition('id="entry"')[0]


def test_the_console_shows_searches_adds_and_deletes(service: Service) -> None:
    """For those who may see users; what is wrong stands beside its field; every name is text."""
    visitor = Visitor(service)
    visitor.sign_in()
    path = f"/console/accounts/{service.account_id}/directory"
    csrf = visitor.ask("GET", path).csrf
    fields = {"csrf": csrf, "kind": "host", "name": "<b>Laptop</b>", "email": "nobody"}
    page = visitor.ask("POST", path, fields)
    assert page.status == 400
    assert "must be an e-mail address" in page.text
    assert "<b>Laptop" not in page.text
    assert visitor.ask("POST", path, {**fields, "email": KAI}).status == 303
    for query in ("", "?q=%3Cb%3Elaptop%3C%2Fb%3E", f"?q={KAI}"):
        page = visitor.ask("GET", path + query)
        assert "&lt;b&gt;Laptop" in page.text.replace("laptop", "Laptop"), query
        assert KAI in page.text
    assert KAI not in visitor.ask("GET", f"{path}?q=other").text
    assert visitor.ask("POST", f"{path}/delete", {"csrf": csrf, "kind": "x", "name": "a"}).status == 400
    deleted = {"csrf": csrf, "kind": "host", "name": "<B>laptop</B>"}
    assert visitor.ask("POST", f"{path}/delete", deleted).status == 303
    assert service.result("GET", "/directory") == []
    reader = Visitor(service)
    reader.sign_in(service.new_token(service.account_id, Scope.READ))
    assert reader.ask("GET", path).status == 403
