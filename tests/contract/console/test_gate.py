"""Who gets to the console's screens: every route of it, with no session, with another account's, and with forgeries.

The routes are read from the application itself, so a new screen is held to this without further ado.
"""

import re
from collections.abc import Iterator

import pytest

from riskrelay.core.credentials import Scope
from support.crossing import OF_THE_CONSOLE, routes
from support.service import Service, running
from support.visitor import Page, Visitor

OPEN = {"/console/sign-in", "/console/static/{name}"}
SCREENS = [(method, path) for method, path in routes() if path.startswith(OF_THE_CONSOLE) and path not in OPEN]
OF_ACCOUNTS = [(method, path) for method, path in SCREENS if "{account_id}" in path]
CHANGES = [path for method, path in SCREENS if method == "POST"]
SOME_ID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


def concrete(path: str, account_id: str = "acme") -> str:
    """The path with ids of nothing in it."""
    return re.sub(r"{\w+}", SOME_ID, path.replace("{account_id}", account_id).replace(":path}", "}"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("gate")) as service:
        yield service


@pytest.fixture
def visitor(service: Service) -> Visitor:
    """Signed in to acme with every scope."""
    visitor = Visitor(service)
    assert visitor.sign_in().status == 303
    return visitor


def says(page: Page, words: str) -> bool:
    """Whether it is a page of the console's own that says so."""
    return words in page.text and 'href="/console"' in page.text


def test_every_screen_requires_a_session(service: Service) -> None:
    """A page leads to the sign-in and back; a change is refused; a piece of a page reloads the whole."""
    for cookie in ("", "riskrelay-1=x", "nonsense"):
        stranger = Visitor(service)
        stranger.cookie = cookie
        for method, path in SCREENS:
            page = stranger.ask(method, concrete(path), None if method == "GET" else {})
            if method == "GET":
                assert page.status == 303, path
                assert page.headers["Location"].startswith("/console/sign-in?next=%2Fconsole"), path
            else:
                assert page.status == 401, path
                assert says(page, "Session expired")
            piece = stranger.ask(method, concrete(path), None if method == "GET" else {}, HX_Request="true")
            assert (piece.status, piece.headers["HX-Refresh"], piece.text) == (401, "true", "")


def test_another_accounts_token_gets_nothing(service: Service, visitor: Visitor) -> None:
    """Whether the account exists or not: one and the same page."""
    service.new_token("beta")
    pages = {
        (page.status, says(page, "Permission denied"))
        for account_id in ("beta", "nobody")
        for method, path in OF_ACCOUNTS
        for page in [ask(visitor, method, concrete(path, account_id))]
    }
    assert pages == {(403, True)}


def ask(visitor: Visitor, method: str, path: str) -> Page:
    """A request as the console's own page would send it."""
    if method == "GET":
        return visitor.ask("GET", path)
    return visitor.ask("POST", path, {"csrf": visitor.ask("GET", "/console/nothing").csrf})


def test_a_token_without_scopes_that_fit_gets_nothing(service: Service) -> None:
    """Every screen of an account needs one, and no scope is good for all of them."""
    poor = Visitor(service)
    poor.sign_in(service.new_token("acme", Scope.INGEST))
    for method, path in OF_ACCOUNTS:
        assert ask(poor, method, concrete(path)).status == 403, path


def test_a_change_from_elsewhere_is_refused(visitor: Visitor) -> None:
    """Without the word of the session's own pages, with another session's, from another origin, or from none."""
    csrf = visitor.ask("GET", "/console/nothing").csrf
    other = Visitor(visitor.service)
    other.sign_in()
    foreign = other.ask("GET", "/console/nothing").csrf
    assert foreign != csrf
    for path in CHANGES:
        for fields, headers in (
            ({}, {}),
            ({"csrf": foreign}, {}),
            ({"csrf": csrf}, {"Origin": "https://evil.example"}),
            ({"csrf": csrf}, {"Origin": "null"}),
            ({"csrf": csrf}, {"Origin": "http://[::1"}),
            ({"csrf": csrf}, {"Origin": ""}),
        ):
            page = visitor.ask("POST", concrete(path), fields, **headers)
            assert page.status == 403, (path, fields, headers)
            assert says(page, "Invalid form")
    assert visitor.ask("GET", "/console/accounts/acme").status == 200  # the session was not harmed


def test_a_sign_in_from_elsewhere_is_refused(service: Service) -> None:
    """So that nobody is signed in as somebody else without knowing it."""
    for origin in ("https://evil.example", "null", ""):
        stranger = Visitor(service)
        page = stranger.ask("POST", "/console/sign-in", {"token": service.token}, Origin=origin)
        assert (page.status, stranger.cookie) == (403, None)


def test_tries_to_sign_in_are_limited(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By address and token: the 31st of one within a moment has to wait; another token signs in there."""
    service = Service(tmp_path_factory.mktemp("throttle"))
    service.start()
    try:
        answers = [Visitor(service).sign_in("rr_wrong").status for _ in range(30)]
        assert answers == [401] * 30
        page = Visitor(service).sign_in("rr_wrong")
        assert page.status == 429
        assert "Too many attempts. Wait" in page.text
        assert Visitor(service).sign_in().status == 303
    finally:
        service.stop()


def test_signing_in_never_leads_to_another_site(service: Service) -> None:
    """Whatever the form says."""
    for following in ("https://evil.example", "//evil.example", "/\\evil.example", "/console/accounts/a\r\nX: y", ""):
        assert Visitor(service).sign_in(following=following).headers["Location"] == "/console"


def test_every_page_has_the_headers_that_keep_it_safe(visitor: Visitor) -> None:
    """Also those of failures; nothing is kept by caches, nothing foreign or inline may run."""
    for path in (
        "/console/sign-in",
        "/console",
        "/console/accounts/acme",
        "/console/nothing",
        "/console/accounts/beta",
    ):
        headers = visitor.ask("GET", path).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"


def test_a_missing_object_has_a_page_of_the_console(visitor: Visitor) -> None:
    """404 and 405, signed in or not."""
    assert says(visitor.ask("GET", "/console/nothing"), "Page not found")
    assert visitor.ask("GET", "/console/nothing").status == 404
    page = visitor.ask("DELETE", "/console/accounts/acme", {})
    assert page.status == 405
    assert says(page, "Method not allowed")


def test_signing_in_over_plain_http_requires_loopback(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The page says what to change; a right token starts no session."""
    service = Service(tmp_path_factory.mktemp("plain"), RISKRELAY_PUBLIC_URL="http://risk.example.com")
    service.start()
    try:
        stranger = Visitor(service)
        page = stranger.ask("GET", "/console/sign-in")
        assert "Sign-in is disabled" in page.text
        assert "RISKRELAY_PUBLIC_URL" in page.text
        assert stranger.sign_in().status == 400
        assert stranger.cookie is None
    finally:
        service.stop()
