"""What a token without all scopes sees of integrations, and what it may do."""

from collections.abc import Iterator

import pytest

from riskrelay.core.credentials import Scope
from support.service import Oracle, Service
from support.visitor import Visitor

CHANGES = ("verify", "pause", "resume", "settings", "limits", "signing", "delete", "replays", "receivers")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("scopes"))
    oracle = Oracle(service.log.parent)
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
    yield service
    assert service.stop() == 0
    oracle.stop()


@pytest.fixture(scope="module")
def own(service: Service) -> str:
    """The integration, by its path in the console."""
    (integration,) = service.result("GET", "/integrations")
    return f"/console/accounts/acme/integrations/{integration['id']}"


def delivery_of(visitor: Visitor, own: str) -> str:
    """The path of the newest delivery."""
    page = visitor.ask("GET", f"{own}/deliveries").text
    return f"{own}/deliveries/" + page.partition(f"{own}/deliveries/")[2].partition('"')[0]


def test_the_read_scope_changes_nothing(service: Service, own: str) -> None:
    """No button is shown, and no change is taken."""
    reader = Visitor(service)
    reader.sign_in(service.new_token("acme", Scope.READ))
    for path in (own, f"{own}/deliveries", f"{own}/replays?state=delivered&queued_from=2026-01-01", f"{own}/settings"):
        page = reader.ask("GET", path)
        assert page.status == 200
        for label in (
            "Send test event",
            "Resume delivery</button>",
            "Replay 1 delivery",
            "Save changes</button>",
            "Delete integration",
        ):
            assert label not in page.text
    csrf = reader.ask("GET", own).csrf
    for name in CHANGES:
        assert reader.ask("POST", f"{own}/{name}", {"csrf": csrf}).status == 403, name
    assert service.result("GET", "/integrations")[0]["active"]


def test_without_the_scope_for_users_none_are_shown(service: Service, own: str) -> None:
    """Neither in the decoded SET nor in the tail; who may, does."""
    reader, trusted = Visitor(service), Visitor(service)
    reader.sign_in(service.new_token("acme", Scope.READ, Scope.WRITE, Scope.OPERATE))
    trusted.sign_in(service.new_token("acme", Scope.READ, Scope.PII_READ))
    for path in (delivery_of(trusted, own), "/console/accounts/acme/live"):
        assert "kai@example.com" in trusted.ask("GET", path).text
        page = reader.ask("GET", path)
        assert page.status == 200
        assert "kai@example.com" not in page.text


def test_changes_in_the_console_are_in_the_audit_log(service: Service, own: str) -> None:
    """As what is done over the API: who, what, whose."""
    visitor = Visitor(service)
    visitor.sign_in()
    csrf = visitor.ask("GET", own).csrf
    assert visitor.ask("POST", f"{own}/pause", {"csrf": csrf, "reason": "maintenance"}).status == 303
    assert visitor.ask("POST", f"{own}/resume", {"csrf": csrf}).status == 303
    latest = service.result("GET", "/audit")[:2]
    assert [(entry["verb"], entry["kind"]) for entry in latest] == [
        ("resumed", "integration"),
        ("paused", "integration"),
    ]


def test_a_place_that_is_none_is_not_found_or_the_beginning(service: Service, own: str) -> None:
    """Paths that name nothing are 404; places in the query that are none of ours are ignored."""
    visitor = Visitor(service)
    visitor.sign_in()
    for path in (f"{own}/deliveries/nonsense", f"{delivery_of(visitor, own)}99", f"{own}x", f"{own}%00/deliveries"):
        assert visitor.ask("GET", path).status == 404, path
    for after in ("nonsense", "W3sieCI6OTk5OTk5OTk5OTk5OTk5OTk5OTl9XQ==", "WyJcdTAwMDAiLCAieCJd"):
        for path in (f"{own}/deliveries", "/console/accounts/acme/dead-letters", "/console/accounts/acme/integrations"):
            assert visitor.ask("GET", f"{path}?after={after}").status == 200
