"""Filters and places in the console's URLs: whatever they hold, PostgreSQL is never asked what it refuses."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from support.databases import PostgresServer
from support.machines import SOAK
from support.service import Service
from support.visitor import Visitor


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("queries"), None, **postgres.service_settings())
    service.start()
    service.enable_behaviors()
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module")
def screens(service: Service) -> list[str]:
    """Every screen but that of one delivery."""
    own = f"/integrations/{service.create_integration('https://receiver.example.com')['id']}"
    (user,) = service.result("GET", "/summary")["users"]
    parts = ("", "/deliveries", "/replays", "/receivers", "/setup", "/settings")
    lists = ("/users", f"/users/{user['user_id']}", "/integrations", "/live", "/dead-letters", "/behaviors")
    settings = ("/settings", "/settings/audit", "/settings/keys", "/settings/health")
    return ["", *lists, "/integrations/new", *settings, *(own + part for part in parts)]


def place(*parts: object) -> str:
    """A place in a list as it stands in a URL."""
    return urlsafe_b64encode(json.dumps(parts).encode()).decode()


NUL, SURROGATE, CONTROL = "a\0b", "\ud800", "\x01\x1b[31m\x7f\u202e"
MOMENTS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-11-24T10:00:00")
TYPED = [quote(text) for text in (NUL, CONTROL, "%", "_", "\\", "'")] + ["%ff", "%ed%a0%80", "\\ud800"]
PLACES = [
    *(place(text) for text in (NUL, SURROGATE, CONTROL)),
    *(place(text, text) for text in (NUL, SURROGATE, CONTROL)),
    *(place(moment, text) for moment in MOMENTS for text in ("x", NUL, SURROGATE)),
    *(place(number, moment, "x") for number in (-1, 0, 3, 2**31 - 1, 2**63) for moment in MOMENTS),
    *(place(0, MOMENTS[0], text) for text in (NUL, SURROGATE)),
    *(place({lane: number}) for lane in ("0", NUL, SURROGATE) for number in (-1, 2**62 - 1, 2**64)),
]
NAMES = ("q", "level", "state", "reason", "queued_from", "queued_to", "integration", "kind", "window", "paused", "done")


@pytest.mark.soak
def test_a_text_that_no_column_can_hold(service: Service, screens: list[str]) -> None:
    """Under every name that a screen knows, alone and with the other filters on: a page, never a failure. In CI each
    screen gets a third of the texts."""
    visitor = Visitor(service)
    visitor.sign_in()
    for number, screen in enumerate(screens):
        for text in TYPED if SOAK else TYPED[number % 3 :: 3]:
            whole = "&".join(f"{name}={text}" for name in NAMES)
            asked = (whole, f"proposed=1&high_dlp.enabled={text}&after={text}", f"state=dead&reason={text}")
            for query in (*asked, f"state=dead&queued_from={text}", f"kind=integration&q={text}"):
                page = visitor.ask("GET", f"/console/accounts/acme{screen}?{query}")
                assert page.status in (200, 400), (screen, query, page.status)


@pytest.mark.soak
def test_a_place_that_no_column_can_hold(service: Service, screens: list[str]) -> None:
    """As if it were the beginning, or as if nothing came behind it. In CI each screen gets a third of the places."""
    visitor = Visitor(service)
    visitor.sign_in()
    for number, screen in enumerate(screens):
        for after in PLACES if SOAK else PLACES[number % 3 :: 3]:
            for query in (f"after={after}", f"q=kai&after={after}")[: 2 if screen == "/users" else 1]:
                page = visitor.ask("GET", f"/console/accounts/acme{screen}?{query}")
                assert page.status == 200, (screen, query, page.status)


def test_an_account_that_no_column_can_hold(service: Service) -> None:
    """For who may see all accounts, too: there is none."""
    visitor = Visitor(service)
    visitor.sign_in(service.new_token(None))
    for account in ("a%00b", "%ff", "a%01"):
        assert visitor.ask("GET", f"/console/accounts/{account}").status == 404, account


def test_a_path_that_no_column_can_hold(service: Service, screens: list[str]) -> None:
    """It names nothing."""
    visitor = Visitor(service)
    visitor.sign_in()
    own = screens[-1].removesuffix("/settings")
    places = ("-" * 36 + ".99999.999999999999999999", "-" * 36 + ".-99999.0", "a%00b", "a%00b.0.1")
    paths = [f"{own}/deliveries/{one}" for one in places]
    paths += ["/users/a%00b", "/integrations/a%00b", "/integrations/%ff/replays", "/a%00b"]
    for path in paths:
        assert visitor.ask("GET", f"/console/accounts/acme{path}").status == 404, path
