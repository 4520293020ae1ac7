"""An operator's day with an integration, in a browser, against `riskrelay receive` in a process of its own."""

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from support.browser import Person, accessibility_problems, tab_along, walked
from support.console_world import finding
from support.local_receiver import LocalReceiver
from support.service import Oracle, Service


@pytest.fixture
def receiver(service: Service) -> Iterator[LocalReceiver]:
    service.enable_behaviors()
    receiver = LocalReceiver(service)
    yield receiver
    receiver.stop()


def report(service: Service, email: str) -> None:
    """Something happens that receivers are told of."""
    service.result("POST", "/findings", finding(email, None, "high_dlp", {}))


def expect_figure(page: Page, name: str, value: int) -> None:
    """Wait until a figure of the health header has that value."""
    expect(page.locator(f".figure:has(dt:text-is('{name}')) dd").first).to_have_text(str(value))


def create(page: Page, person: Person, reference: str, tenant_url: str) -> None:
    """Go through the wizard."""
    person.open("/integrations")
    page.get_by_role("link", name="New integration").click()
    page.get_by_label("Tenant URL").fill(tenant_url)
    page.get_by_label("Reference").fill(reference)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Waiting for the first verification")).to_be_visible()


@walked
def test_an_integration_from_its_making_to_a_replayed_dead_letter(person: Person, receiver: LocalReceiver) -> None:
    """Made, verified, broken, understood, mended, drained; refused for good, and replayed."""
    page, service = person.page, person.service
    create(page, person, "Okta day", receiver.url)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    receiver.well_known = page.evaluate("navigator.clipboard.readText()")
    assert "/.well-known/sse-configuration/" in receiver.well_known

    receiver.run()
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_text("The receiver accepted an event")).to_be_visible()
    expect(page.locator(".badge.ok", has_text="verified")).to_be_visible()
    page.get_by_role("link", name="View integration").click()
    expect_figure(page, "Delivered", 1)

    receiver.run("--status", "401")
    for number in range(3):
        report(service, f"held-{number}@example.com")
    expect(page.locator(".health")).to_contain_text("the endpoint answered 401")
    expect_figure(page, "Pending", 3)
    expect(page.get_by_text("3 events are waiting. The oldest has waited")).to_be_visible()
    expect(page.get_by_text("Fix the receiver, then update or resume the integration.")).to_be_visible()
    receiver.run()
    page.get_by_role("button", name="Resume delivery").click()
    expect_figure(page, "Pending", 0)
    expect_figure(page, "Delivered", 4)
    expect(page.locator(".health")).to_contain_text("healthy")

    receiver.run("--audience", "https://elsewhere.example.com")
    report(service, "refused@example.com")
    expect_figure(page, "Dead letters", 1)
    receiver.run()
    person.go_to("Dead letters")
    page.get_by_role("row", name="Okta day").get_by_role("link", name="Preview replay").click()
    expect(page.get_by_role("heading", name="1 delivery matches")).to_be_visible()
    page.get_by_role("button", name="Replay 1 delivery").click()
    expect(page.get_by_text("Replay started.")).to_be_visible()
    expect(page.locator("#running").get_by_text("completed")).to_be_visible()
    expect(page.get_by_text("1 of 1 deliveries replayed")).to_be_visible()
    page.get_by_role("navigation", name="Integration").get_by_role("link", name="Health").click()
    expect_figure(page, "Dead letters", 0)
    expect_figure(page, "Delivered", 5)
    assert accessibility_problems(page) == []


@pytest.fixture(scope="module")
def oracle(service: Service) -> Iterator[Oracle]:
    """A receiver that takes everything, or below /reject nothing."""
    oracle = Oracle(service.log.parent)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture(scope="module")
def own(service: Service, oracle: Oracle) -> str:
    """An integration with a dead letter, by its path in the console."""
    service.enable_behaviors()
    body = {"integration_type": "Okta", "tenant_url": f"{oracle.url}/reject", "reference_id": "Okta refusing"}
    made = service.result("POST", "/integrations", body)
    report(service, "dead@example.com")
    oracle.wait_for("/reject/security/api/v1/security-events", 1)
    return f"/integrations/{made['id']}"


@walked
def test_a_delivery_shows_what_was_tried_and_what_it_says(person: Person, own: str) -> None:
    """Attempts with their phases, the answer, the decoded SET, and that its signature verifies; retried from there."""
    page = person.open(f"{own}/deliveries?state=dead")
    page.locator("tbody tr a").first.click()
    expect(page.get_by_text("The receiver responded with 400")).to_be_visible()
    expect(page.get_by_text("this path refuses everything")).to_be_visible()
    expect(page.get_by_role("region", name="Phases of attempt 1").get_by_text("first byte")).to_be_visible()
    expect(page.get_by_role("img", name="Phases of attempt 1")).to_be_visible()
    expect(page.get_by_text("signature verified")).to_be_visible()
    expect(page.get_by_text('"dead@example.com"')).to_be_visible()
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("The delivery is due now.")).to_be_visible()
    expect(page.get_by_role("region", name="Attempt 2", exact=True)).to_be_visible()


def test_filters_stand_in_the_address(person: Person, own: str) -> None:
    """The state, user and time of deliveries; of the tail also the integration, and that it is paused."""
    page = person.open(f"{own}/deliveries")
    page.get_by_label("State").select_option("delivered")
    expect(page.get_by_text("No deliveries match")).to_be_visible()
    assert page.url.endswith("?state=delivered")
    page.get_by_role("link", name="Show all deliveries").click()
    page.get_by_placeholder("User's email").fill("DEAD@example.com")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Time range").select_option("last hour")
    expect(page).to_have_url(re.compile(r"\?q=DEAD%40example.com&since=1h$"))
    expect(page.get_by_text("1 delivery")).to_be_visible()
    page.get_by_label("Event type").select_option("session revoked")
    expect(page.get_by_text("No deliveries match")).to_be_visible()
    page = person.open("/live")
    page.get_by_role("link", name="Okta refusing").first.click()
    expect(page.get_by_text("Okta refusing.")).to_be_visible()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Updates are paused.")).to_be_visible()
    assert "integration=" in page.url
    assert "paused=1" in page.url


def test_the_tail_shows_what_happens(person: Person, own: str) -> None:
    """Without anybody's doing."""
    page = person.open("/live")
    expect(page.get_by_text("Updates every 2 s.")).to_be_visible()
    report(person.service, "fresh@example.com")
    expect(page.get_by_text("fresh@example.com").first).to_be_visible()


def test_what_has_the_focus_keeps_it(person: Person, own: str) -> None:
    """Also when the piece that it is in looks again, and is another one then."""
    page = person.open("/live")
    focused = page.get_by_role("link", name="Okta refusing").first
    focused.focus()
    for _ in range(2):  # when the second answer comes, the first is on the screen
        with page.expect_response(lambda response: "x-console-poll" in response.request.headers):
            pass
    expect(focused).to_be_focused()


def test_dead_letters_are_replayed_by_keyboard_alone(person: Person, own: str) -> None:
    """From the group to its preview, and on; its progress can be read."""
    page = person.open("/dead-letters")
    tab_along(page, "link", "Preview replay")
    page.keyboard.press("Enter")
    found = page.get_by_role("heading", name=re.compile("deliver(y matches|ies match)"))  # other tests leave some, too
    expect(found).to_be_visible()
    count = int(found.inner_text().split()[0])
    tab_along(page, "button", "Replay 1 delivery" if count == 1 else f"Replay {count} deliveries")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Replay started.")).to_be_visible()
    expect(page.get_by_text(f"{count} of {count} deliveries replayed")).to_be_visible()


def test_the_deliveries_of_chosen_users_are_replayed(person: Person, own: str) -> None:
    """Users are found by a part of their address; what else was chosen stays; the replay says how many were listed."""
    report(person.service, "other@example.com")
    page = person.open(f"{own}/replays")
    page.get_by_label("Queued from (UTC)").fill("2026-01-01T00:00")
    page.get_by_label("Find users").press_sequentially("dead@")
    page.get_by_role("link", name="Add dead@example.com").click()
    expect(page.get_by_label("Users", exact=True)).to_have_value("dead@example.com")
    expect(page.get_by_label("Queued from (UTC)")).to_have_value("2026-01-01T00:00")
    expect(page.get_by_text("added")).to_be_visible()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="1 delivery matches")).to_be_visible()
    page.get_by_role("button", name="Replay 1 delivery").click()
    expect(page.locator("#running")).to_contain_text("about 1 listed user")
    expect(page.get_by_text("1 of 1 deliveries replayed")).to_be_visible()
    page = person.open(f"{own}/deliveries?q=dead@example.com")
    page.get_by_role("link", name="Replay deliveries about this user").click()
    expect(page.get_by_label("Users", exact=True)).to_have_value("dead@example.com")


@walked
def test_the_keyboard_alone_is_sufficient(person: Person, oracle: Oracle) -> None:
    """Made, tested, paused with a reason, resumed, limited and deleted: Tab leads everywhere, Enter does it."""
    page = person.open("/integrations/new")
    tab_to = partial(tab_along, page)
    tab_to("textbox", "Tenant URL")
    page.keyboard.type(oracle.url)
    tab_to("textbox", "Reference")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for the first verification")).to_be_visible()
    tab_to("button", "Send test event")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The receiver accepted an event")).to_be_visible()
    tab_to("link", "View integration")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Performance")).to_be_visible()
    tab_to("textbox", "Reason for pausing")
    page.keyboard.type("maintenance")
    page.keyboard.press("Enter")
    expect(page.locator(".health")).to_contain_text("Paused by an operator")
    expect(page.locator(".health")).to_contain_text("maintenance")
    tab_to("button", "Resume delivery")
    page.keyboard.press("Enter")
    expect(page.locator(".health")).to_contain_text("healthy")
    tab_to("link", "Setup")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/integrations/*/settings")
    tab_to("textbox", "Pushes per second")
    page.keyboard.type("50")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Pushes per second")).to_have_value("50")
    tab_to("textbox", "Type the reference to confirm")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Integration deleted.")).to_be_visible()


def test_a_credential_is_shown_once(person: Person) -> None:
    """A new credential is copied, listed without its secret, and revoked."""
    made = person.service.result(
        "POST",
        "/integrations",
        {"integration_type": "SSF", "tenant_url": "https://ssf.example.com", "reference_id": "Other receiver"},
    )
    page = person.open(f"/integrations/{made['id']}/receivers")
    page.get_by_label("static token").check()
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create credential").click()
    expect(page.get_by_text("It is shown only once")).to_be_visible()
    expect(page.locator("code", has_text="rrs_")).to_be_visible()
    person.open(f"/integrations/{made['id']}/receivers")
    expect(page.get_by_role("row", name="laptop")).to_be_visible()
    expect(page.locator("code", has_text="rrs_")).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Credential revoked.")).to_be_visible()
    expect(page.get_by_text("No credentials yet")).to_be_visible()


PARTS = ("", "/deliveries", "/replays?state=dead", "/receivers", "/setup", "/settings")
SCREENS = ("/integrations", "/integrations/new", "/dead-letters", "/live", "/live?paused=1&state=expired")


def test_axe_finds_no_serious_accessibility_problem(person: Person, own: str) -> None:
    """Says axe-core of every screen, in light and dark."""
    page = person.page
    for path in (*SCREENS, *(own + part for part in PARTS)):
        person.open(path)
        assert accessibility_problems(page) == [], path
    person.open(f"{own}/deliveries")
    page.locator("tbody tr a").first.click()
    expect(page.get_by_role("heading", name="Security event token")).to_be_visible()
    assert accessibility_problems(page) == []


def test_the_screens_are_readable_on_a_phone(phone: Person, own: str) -> None:
    """Nothing but tables scrolls sideways at 360 px."""
    page = phone.page
    for path in (*SCREENS, *(own + part for part in PARTS)):
        phone.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    phone.open(f"{own}/deliveries")
    page.locator("tbody tr a").first.click()
    expect(page.get_by_role("heading", name="Security event token")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
