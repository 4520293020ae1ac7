"""Lists as files, the search over everything, and the first steps, as HTTP says them."""

import csv
import io
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service
from support.visitor import Visitor

ACCOUNT = "/console/accounts/acme"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("lists"))
    service.start()
    service.enable_behaviors()
    user = {"email": "kai@example.com", "name": "=HYPERLINK(0)"}
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": user})
    body = {"integration_type": "Okta", "tenant_url": "https://example.okta.com", "reference_id": "+Okta day"}
    service.result("POST", "/integrations", body)
    other = {**user, "email": "pat@example.com"}
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": other})
    yield service
    assert service.stop() == 0


def signed_in(service: Service, *scopes: Scope) -> Visitor:
    visitor = Visitor(service)
    assert visitor.sign_in(service.new_token("acme", *scopes) if scopes else None).status == 303
    return visitor


@pytest.mark.parametrize(
    ("path", "heads", "cell"),
    [
        ("/users", ["Email", "Name", "Level"], "'=HYPERLINK(0)"),
        ("/users?level=any&q=kai", ["Email", "Name", "Level"], "kai@example.com"),
        ("/integrations", ["Integration", "Product", "Tenant URL"], "'+Okta day"),
        ("/sources", ["Source", "Kind", "State"], None),
        ("/exceptions", ["Covers", "Kind", "Behavior"], None),
        ("/directory", ["Name", "Kind", "Email"], None),
        ("/dead-letters", ["Integration", "Reason", "Events"], None),
        ("/settings", ["Name", "Permissions", "Created"], "first token"),
        ("/settings/audit", ["Time", "Actor", "Change"], "integration"),
    ],
)
def test_a_list_is_a_file(service: Service, path: str, heads: list[str], cell: str | None) -> None:
    """With the filters of the page, for download, and with formulas as text."""
    page = signed_in(service).ask("GET", f"{ACCOUNT}{path}{'&' if '?' in path else '?'}format=csv")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert page.headers["Content-Disposition"].startswith("attachment; ")
    assert page.headers["Cache-Control"] == "no-store"
    rows = list(csv.reader(io.StringIO(page.text)))
    assert rows[0][:3] == heads
    assert cell is None or any(cell in row for row in rows[1:])


def test_a_file_needs_the_scope_of_its_page(service: Service) -> None:
    """Users are personal data, and tokens are for operators."""
    reader = signed_in(service, Scope.READ)
    for path in ("/users", "/directory", "/exceptions", "/settings", "/settings/audit"):
        assert reader.ask("GET", f"{ACCOUNT}{path}?format=csv").status == 403
    assert reader.ask("GET", f"{ACCOUNT}/integrations?format=csv").status == 200


def test_the_search_names_users_with_pii_read_only(service: Service) -> None:
    """And never a screen that the token can't open."""
    everything = signed_in(service).ask("GET", f"{ACCOUNT}/search?q=ka").text
    assert "kai@example.com" in everything
    assert "<script" not in everything
    reader = signed_in(service, Scope.READ)
    assert "kai@example.com" not in reader.ask("GET", f"{ACCOUNT}/search?q=ka").text
    screens = reader.ask("GET", f"{ACCOUNT}/search").text
    assert "Integrations" in screens
    assert "Audit log" not in screens


def test_deliveries_are_a_file_with_the_filters_of_the_page(service: Service) -> None:
    """A user's email is a filter and a column only with pii-read."""
    integration_id = service.result("GET", "/integrations")[0]["id"]
    path = f"{ACCOUNT}/integrations/{integration_id}/deliveries?format=csv"

    def rows_of(visitor: Visitor, filters: str = "") -> list[dict[str, str]]:
        page = visitor.ask("GET", path + filters)
        assert (page.status, page.headers["Content-Disposition"]) == (200, 'attachment; filename="deliveries.csv"')
        return list(csv.DictReader(io.StringIO(page.text)))

    visitor = signed_in(service)
    (whole,) = rows_of(visitor)
    assert (whole["User"], whole["Change"]) == ("pat@example.com", "none → high")
    assert whole["Event type"] == "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"
    for filters, count in (("&q=PAT@example.com", 1), ("&q=pat@", 0), ("&state=expired", 0), ("&since=1h", 1)):
        assert len(rows_of(visitor, filters)) == count, filters
    same = f"&q=pat@example.com&since=1h&type={quote_plus(whole['Event type'])}"
    assert len(rows_of(visitor, same)) == 1
    reader = signed_in(service, Scope.READ)
    (shown,) = rows_of(reader, "&q=nobody@example.com")
    assert "User" not in shown
    assert "pat@example.com" not in reader.ask("GET", path.partition("?")[0]).text


@pytest.mark.parametrize("search", ["HYPERLINK", "okta DAY", "0" * 320, "%", "'", "<b>", "\u202e", "a\0b"])
def test_any_text_can_be_searched(service: Service, search: str) -> None:
    """It is shown as text, and finds what has it in its name."""
    visitor = signed_in(service)
    page = visitor.ask("GET", f"{ACCOUNT}/search?q={quote_plus(search)}")
    assert page.status == 200
    assert ("kai@example.com" in page.text) == (search == "HYPERLINK")
    assert ("+Okta day" in page.text) == (search == "okta DAY")
    assert "<b>" not in page.text


def test_a_test_finding_needs_the_scope_of_findings(service: Service) -> None:
    """A token that may write, but not ingest, sends none."""
    writer = signed_in(service, Scope.READ, Scope.WRITE)
    csrf = writer.ask("GET", ACCOUNT).csrf
    fields = {"csrf": csrf, "email": "new@example.com", "behavior": "high_dlp"}
    assert writer.ask("POST", f"{ACCOUNT}/first-steps/finding", fields).status == 403
    everyone = signed_in(service)
    fields = {**fields, "csrf": everyone.ask("GET", ACCOUNT).csrf}
    assert everyone.ask("POST", f"{ACCOUNT}/first-steps/finding", {**fields, "email": "no address"}).status == 400
    assert everyone.ask("POST", f"{ACCOUNT}/first-steps/finding", fields).status == 303
    assert "new@example.com" in everyone.ask("GET", f"{ACCOUNT}/users").text


def test_dismissed_first_steps_stay_hidden(service: Service) -> None:
    """In this browser, for this account."""
    visitor = signed_in(service)
    page = visitor.ask("GET", ACCOUNT)
    assert "First steps" in page.text
    dismissed = visitor.ask("POST", f"{ACCOUNT}/first-steps/dismiss", {"csrf": page.csrf})
    cookie = dismissed.headers["Set-Cookie"]
    assert f"Path={ACCOUNT}" in cookie
    session = signed_in(service).cookie
    page = visitor.ask("GET", ACCOUNT, None, Cookie=f"{session}; {cookie.partition(';')[0]}")
    assert page.status == 200
    assert "First steps" not in page.text
