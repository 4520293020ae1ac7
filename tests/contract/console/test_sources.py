"""The console's pages about sources."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service, running
from support.visitor import Visitor

MAPPING = {
    "kind": "custom",
    "rules": [
        {"when": 'what = "dlp"', "gives": "finding", "behavior": "high_dlp", "user": "who", "time": "at", "id": "key"}
    ],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("sources")) as service:
        service.enable_behaviors()
        yield service


@pytest.fixture
def source(service: Service) -> dict[str, Any]:
    """A source that has taken one event and ignored another, whose text is hostile."""
    made: dict[str, Any] = service.result(
        "POST", "/sources", {"kind": "custom", "name": "<b>Tests</b>", "mapping": MAPPING}
    )
    event = {"what": "dlp", "who": "kai@example.com", "at": datetime.now(UTC).isoformat(), "key": made["id"]}
    service.result("POST", f"/sources/{made['id']}/events", [event, {"what": "<script>alert(1)</script>"}])
    return made


def signed_in(service: Service, *scopes: Scope) -> Visitor:
    visitor = Visitor(service)
    visitor.sign_in(service.new_token("acme", *scopes))
    return visitor


def test_a_source_is_shown_with_its_reasons_and_samples(service: Service, source: dict[str, Any]) -> None:
    """Counts, reasons in words and the mapping are on its page, and nothing of an event is markup."""
    visitor = signed_in(service)
    assert "&lt;b&gt;Tests" in visitor.ask("GET", "/console/accounts/acme/sources").text
    page = visitor.ask("GET", f"/console/accounts/acme/sources/{source['id']}").text
    assert "No rule of the mapping applies" in page
    assert "what = &#34;dlp&#34;" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    reader = signed_in(service, Scope.READ)
    page = reader.ask("GET", f"/console/accounts/acme/sources/{source['id']}").text
    assert "script&gt;alert" not in page
    assert "Save mapping" not in page


def test_a_source_is_created_and_changed_on_the_console(service: Service) -> None:
    """Create, paste a sample, save another mapping, replace the credential, replay, delete."""
    visitor = signed_in(service)
    path = "/console/accounts/acme/sources"
    csrf = visitor.ask("GET", path).csrf
    assert visitor.ask("POST", path, {"csrf": csrf, "kind": "custom", "name": "x"}).status == 400
    made = visitor.ask("POST", path, {"csrf": csrf, "kind": "duo", "name": "Duo here", "credential": "header"})
    assert made.status == 200
    assert "Authorization: Bearer rrk_" in made.text
    own = f"{path}/{next(one['id'] for one in service.result('GET', '/sources') if one['name'] == 'Duo here')}"
    tried = visitor.ask("POST", f"{own}/try", {"csrf": csrf, "events": '{"what": "dlp"}\nno JSON'})
    assert "This part of the body is not JSON" in tried.text
    wrong = visitor.ask("POST", f"{own}/mapping", {"csrf": csrf, "mapping": "kind: x\nrules: 7"})
    assert (wrong.status, "must be a list" in wrong.text) == (400, True)
    yaml = "kind: custom\nrules:\n- {when: 'true', gives: dlp_hit, user: who, time: at}\n"
    assert visitor.ask("POST", f"{own}/mapping", {"csrf": csrf, "mapping": yaml}).status == 303
    assert "rrk_" in visitor.ask("POST", f"{own}/credentials", {"csrf": csrf, "kind": "path"}).text
    assert visitor.ask("POST", f"{own}/replay", {"csrf": csrf}).status == 303
    assert visitor.ask("POST", own, {"csrf": csrf, "name": "Renamed"}).status == 303
    assert [one["active"] for one in service.result("GET", "/sources") if one["name"] == "Renamed"] == [False]
    assert visitor.ask("POST", f"{own}/delete", {"csrf": csrf}).status == 303
    assert visitor.ask("GET", own).status == 404


def test_a_token_that_only_reads_changes_no_source(service: Service, source: dict[str, Any]) -> None:
    """Every change is refused, and a sample may be tried."""
    reader = signed_in(service, Scope.READ)
    own = f"/console/accounts/acme/sources/{source['id']}"
    csrf = reader.ask("GET", own).csrf
    for name in ("", "/mapping", "/credentials", "/replay", "/delete"):
        assert reader.ask("POST", own + name, {"csrf": csrf}).status == 403, name
    assert reader.ask("POST", f"{own}/try", {"csrf": csrf, "events": "{}"}).status == 200


def test_a_source_that_refuses_everything_is_on_the_overview(service: Service) -> None:
    """The overview names it, with its state."""
    made = service.result("POST", "/sources", {"kind": "custom", "name": "Broken sender", "mapping": MAPPING})
    service.result("POST", f"/sources/{made['id']}/events", [{"what": "dlp"}] * 10)
    page = signed_in(service).ask("GET", "/console/accounts/acme").text
    assert "All events of the last day were refused." in page
    assert "Broken sender" in page
    assert "riskrelay_refusing_sources 1" in service.get("/metrics").decode()
