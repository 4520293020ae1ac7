"""Exceptions in the console: one that was added is changed."""

import html
from collections.abc import Iterator
from typing import Any

import pytest

from support.service import Service
from support.visitor import Page, Visitor

EXCEPTIONS = "/console/accounts/acme/exceptions"
STORED = {"user": "svc-backup@example.com", "effect": "cap", "level": "low", "reason": "Backup", "ends_at": None}
FORM = {
    "coverage": "user",
    "covered": "svc-backup@example.com",
    "behavior": "",
    "effect": "cap",
    "level": "low",
    "reason": "Backup",
    "ends_on": "",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("exceptions"))
    service.start()
    yield service
    assert service.stop() == 0


def change(service: Service, exception_id: str, **fields: str) -> Page:
    visitor = Visitor(service)
    assert visitor.sign_in().status == 303
    page = visitor.ask("GET", f"{EXCEPTIONS}/{exception_id}")
    assert page.status == 200
    return visitor.ask("POST", f"{EXCEPTIONS}/{exception_id}", {**FORM, **fields, "csrf": page.csrf})


def stored(service: Service, exception_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.result("GET", f"/exceptions/{exception_id}")
    return found


def test_the_form_has_what_is_stored_and_saves_what_was_changed(service: Service) -> None:
    """Each member can be changed, and the id stays."""
    exception_id = service.result("POST", "/exceptions", STORED)["id"]
    visitor = Visitor(service)
    visitor.sign_in()
    listed = visitor.ask("GET", EXCEPTIONS)
    assert f'href="{EXCEPTIONS}/{exception_id}#add"' in listed.text
    page = visitor.ask("GET", f"{EXCEPTIONS}/{exception_id}")
    assert 'value="svc-backup@example.com"' in html.unescape(page.text)
    assert 'value="Backup"' in page.text
    answer = change(
        service,
        exception_id,
        coverage="pattern",
        covered="svc-*@example.com",
        behavior="imp_travel",
        level="medium",
        reason="All service accounts",
        ends_on="2100-01-02",
    )
    assert (answer.status, answer.headers["Location"]) == (303, f"{EXCEPTIONS}?done=exception-changed")
    after = stored(service, exception_id)
    assert (after["pattern"], after["behavior"], after["level"]) == ("svc-*@example.com", "imp_travel", "medium")
    assert (after["reason"], after["ends_at"]) == ("All service accounts", "2100-01-02T00:00:00Z")


def test_an_end_that_is_not_changed_keeps_its_time_of_day(service: Service) -> None:
    """The form only has the date."""
    sent = {**STORED, "user": "ci@example.com", "ends_at": "2100-01-02T15:30:00Z"}
    exception_id = service.result("POST", "/exceptions", sent)["id"]
    changed = change(service, exception_id, covered="ci@example.com", ends_on="2100-01-02", reason="Builds")
    assert changed.status == 303
    after = stored(service, exception_id)
    assert (after["reason"], after["ends_at"]) == ("Builds", "2100-01-02T15:30:00Z")


def test_a_wrong_change_is_answered_in_the_form(service: Service) -> None:
    """What was typed stays, and nothing is stored."""
    exception_id = service.result("POST", "/exceptions", {**STORED, "user": "other@example.com"})["id"]
    answer = change(service, exception_id, covered="no address", reason="Typed")
    assert answer.status == 400
    assert 'value="Typed"' in answer.text
    assert stored(service, exception_id)["reason"] == "Backup"


def test_an_unknown_exception_is_not_found(service: Service) -> None:
    """In the form and when it is saved."""
    visitor = Visitor(service)
    visitor.sign_in()
    assert visitor.ask("GET", f"{EXCEPTIONS}/0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1c").status == 404
