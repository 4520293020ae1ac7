"""What came from outside shows as text, field by field: markup, scripts, attributes, ANSI sequences, turned text."""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from support.service import Service, running
from support.visitor import Visitor

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "<div hx-get=/console/sign-out hx-trigger=load>",
    "{{ 7*7 }}${7*7}",
    "javascript:alert(1)",
    "a\u202etxt.exe",
)
CONTROL = ("\x1b[31mred\x1b[0m", "\x9b31m")

Place = Callable[[Service, str], str]
"""Puts a text somewhere; returns the page of the account that shows it."""


def _user(service: Service, user: dict[str, Any], **more: Any) -> str:
    body = {"behavior": "high_dlp", "user": user, **more}
    service.result("POST", "/findings", body)
    (found,) = [row for row in service.result("GET", "/summary")["users"] if row["email"] == user["email"]]
    return str(found["user_id"])


def user_name(service: Service, text: str) -> str:
    user_id = _user(service, {"email": f"name{abs(hash(text))}@example.com", "name": text})
    return f"/users/{user_id}"


def user_name_in_the_list(service: Service, text: str) -> str:
    email = f"list{abs(hash(text))}@example.com"
    _user(service, {"email": email, "name": text})
    return f"/users?q={email}"


def user_email(service: Service, text: str) -> str:
    return f"/users/{_user(service, {'email': _email(text)})}"


def user_email_in_the_list(service: Service, text: str) -> str:
    _user(service, {"email": _email(text)})
    return f"/users?q={quote(_email(text))}"


def _email(text: str) -> str:
    """An address that holds as much of *text* as an address may."""
    return re.sub(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]", "_", text)[:300] + "@example.com"


def evidence(service: Service, text: str) -> str:
    email = f"evidence{abs(hash(text))}@example.com"
    return f"/users/{_user(service, {'email': email}, details={'said': text})}"


def token_name(service: Service, text: str) -> str:
    service.result("POST", "/tokens", {"name": text, "scopes": ["read"]})
    return "/settings"


def actor_name(service: Service, text: str) -> str:
    made = service.result("POST", "/tokens", {"name": text, "scopes": ["read", "write"]})
    own, service.token = service.token, made["value"]
    service.enable_behaviors()
    weight = {"behaviors": {"imp_travel": {"enabled": True, "risk_level": "low"}}}
    service.result("PUT", "/behaviors", weight)
    weight["behaviors"]["imp_travel"]["risk_level"] = "medium"
    service.result("PUT", "/behaviors", weight)
    service.token = own
    return "/settings/audit"


def _forget_integrations(service: Service) -> None:
    """The overview names only so many of those that hurt."""
    for integration in service.result("GET", "/integrations"):
        service.result("DELETE", f"/integrations/{integration['id']}")


def reference_id(service: Service, text: str) -> str:
    _forget_integrations(service)
    body = {"integration_type": "Okta", "tenant_url": "https://example.okta.com", "reference_id": text}
    made = service.result("POST", "/integrations", body)
    service.result("POST", f"/integrations/{made['id']}/pause")
    return ""


def pause_reason(service: Service, text: str) -> str:
    _forget_integrations(service)
    made = service.create_integration("https://example.okta.com")
    service.result("POST", f"/integrations/{made['id']}/pause", {"reason": text})
    return ""


def searched(service: Service, text: str) -> str:
    return f"/users?q={quote(text)}"


def wanted_level(service: Service, text: str) -> str:
    return f"/users?level={quote(text)}&q={quote(text)}"


def unknown_path(service: Service, text: str) -> str:
    return f"/{quote(text, safe='')}?q={quote(text)}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("escaping")) as service:
        service.enable_behaviors()
        yield service


@pytest.fixture(scope="module")
def visitor(service: Service) -> Visitor:
    visitor = Visitor(service)
    visitor.sign_in()
    return visitor


def shown(text: str) -> str:
    """How a page must show *text*: escaped, with what turns the direction named."""
    return html.escape(text).replace("\u202e", "⟨U+202E⟩")


@pytest.mark.parametrize(
    "place",
    [
        user_name,
        user_name_in_the_list,
        user_email,
        user_email_in_the_list,
        evidence,
        token_name,
        actor_name,
        reference_id,
        pause_reason,
        searched,
    ],
    ids=lambda place: place.__name__,
)
def test_the_field_shows_what_was_sent_as_text(service: Service, visitor: Visitor, place: Place) -> None:
    """Every payload, letter by letter, and no markup of it."""
    for payload in PAYLOADS:
        path = place(service, payload)
        page = visitor.ask("GET", f"/console/accounts/acme{path}")
        assert page.status == 200, (payload, page.text)
        text = page.text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        sent = _email(payload) if place in (user_email, user_email_in_the_list) else payload
        expected = shown(json.dumps(sent, ensure_ascii=False)[1:-1] if place is evidence else sent)
        assert expected in text, payload
        assert page.text.count("<script") == 5, payload  # our own files
        assert "<img src=x" not in page.text
        assert "<div hx-get=/console/sign-out" not in page.text
        assert "\u202e" not in page.text


@pytest.mark.parametrize("place", [evidence, searched, unknown_path, wanted_level], ids=lambda place: place.__name__)
def test_control_characters_never_reach_a_page(service: Service, visitor: Visitor, place: Place) -> None:
    """Where an API takes control characters at all."""
    for payload in (*CONTROL, *PAYLOADS):
        page = visitor.ask("GET", f"/console/accounts/acme{place(service, payload)}")
        assert page.status in (200, 404)
        assert not any(control in page.text for control in "\x1b\x9b\u202e")
        assert page.text.count("<script") == 5, payload


def test_the_account_and_the_token_of_the_visitor_are_text(service: Service) -> None:
    """In the layout of every page."""
    account_id = "<b>ac&me\"'"
    visitor = Visitor(service)
    visitor.sign_in(service.new_token(account_id))
    page = visitor.ask("GET", f"/console/accounts/{quote(account_id, safe='')}")
    assert page.status == 200
    assert "<b>" not in page.text
    assert "&lt;b&gt;ac&amp;me&#34;&#39;" in page.text
