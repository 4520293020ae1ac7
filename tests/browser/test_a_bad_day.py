"""What else an operator meets in a day: a slow receiver, a silent source, a bulk reset, a trial."""

import sqlite3
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from support.browser import Person, accessibility_problems, tab_along, walked
from support.console_world import finding
from support.local_receiver import LocalReceiver
from support.service import Service
from support.waiting import until

SLOW_MS = 1_200
NUMBERS = "cells => cells.map(cell => Number(cell.dataset.value))"


@pytest.fixture(scope="module")
def receiver(service: Service) -> Iterator[LocalReceiver]:
    """A receiver that responds late, and three users about whom it was notified."""
    service.enable_behaviors()
    receiver = LocalReceiver(service)
    body = {"integration_type": "Okta", "tenant_url": receiver.url, "reference_id": "Okta slow"}
    receiver.well_known = service.result("POST", "/integrations", body)["well_known_url"]
    receiver.run("--delay-ms", str(SLOW_MS))
    for name in ("ada", "kai", "li"):
        service.result("POST", "/findings", finding(f"{name}@example.com", None, "imp_travel", {}))
    yield receiver
    receiver.stop()


def see_a_slow_receiver(person: Person) -> None:
    """The integration stays healthy; its chart and its table say how late events are accepted."""
    integration_id = person.service.result("GET", "/integrations")[0]["id"]
    delivered = f"/integrations/{integration_id}/deliveries?state=delivered"
    until(lambda: len(person.service.result("GET", delivered)) == 3)
    page = person.open("/integrations")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/integrations/*-*")
    expect(page.get_by_text("3 of 3 attempts were accepted (100.0 %)")).to_be_visible()
    expect(page.locator(".health")).to_contain_text("healthy")
    expect(page.locator("#latency canvas")).to_be_visible()
    tab_along(page, "link", "1h")
    page.keyboard.press("Enter")
    page.wait_for_url("**?window=1h")
    page.locator("#latency summary").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Delivery latency")
    values = table.locator("td[data-value]:not([data-value=''])").evaluate_all(
        "all => all.map(one => +one.dataset.value)"
    )
    assert max(values) >= SLOW_MS
    tab_along(page, "link", "View all deliveries")
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name="ada@example.com")).to_be_visible()
    expect(page.get_by_text("3 deliveries")).to_be_visible()


def see_a_silent_source(person: Person) -> None:
    """On the overview and in the list, with the reason."""
    service = person.service
    body = {"kind": "okta_system_log", "name": "Sign-ins", "silent_after_seconds": 3600}
    source_id = service.result("POST", "/sources", body)["id"]
    with sqlite3.connect(urlsplit(service.settings["RISKRELAY_DATABASE_URL"]).path.removeprefix("/")) as database:
        two_hours_ago = "CAST(unixepoch('now', '-2 hours') AS INTEGER) * 1000000"
        database.execute(f"UPDATE sources SET last_event_at = {two_hours_ago} WHERE source_id = ?", [source_id])
    page = person.open("")
    expect(page.locator("#rates").get_by_text("silent")).to_be_visible()
    page.keyboard.type("gs")
    page.wait_for_url("**/sources")
    expect(page.get_by_text("No event for longer than the source allows.")).to_be_visible()
    tab_along(page, "link", "Sign-ins")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No event for longer than the source allows. Check the sender.")).to_be_visible()
    assert accessibility_problems(page) == []


def try_a_policy(person: Person) -> None:
    """The answer comes first: how many users would change, and how many events receivers would get."""
    page = person.open("/behaviors/try")
    tab_along(page, "combobox", "Impossible Travel becomes")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    tab_along(page, "button", "Try change")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The levels of 3 users would change now.")).to_be_visible()
    expect(page.get_by_role("region", name="Now", exact=True).last.get_by_role("row", name="high")).to_contain_text("3")
    expect(page.get_by_label("Impossible Travel becomes")).to_have_value("high")


def reset_users(person: Person) -> None:
    """From the list over the preview to the progress; the users are no longer at risk."""
    page = person.open("/users?level=medium")
    expect(page.get_by_text("3 users")).to_be_visible()
    tab_along(page, "link", "Reset these users")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="3 users match")).to_be_visible()
    tab_along(page, "textbox", "Reason")
    page.keyboard.type("Trip of the whole team")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Bulk reset started.")).to_be_visible()
    expect(page.get_by_role("heading", name="3 of 3 users reset")).to_contain_text("completed")
    tab_along(page, "link", "View users at risk")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No users at risk")).to_be_visible()


@walked
def test_a_day_with_the_keyboard_only(person: Person, receiver: LocalReceiver) -> None:
    """Each state says why, and leads to what can be done about it."""
    see_a_slow_receiver(person)
    see_a_silent_source(person)
    try_a_policy(person)
    reset_users(person)
