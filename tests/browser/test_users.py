"""Users, in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.browser import Person, accessibility_problems
from support.console_world import live_a_day
from support.service import Oracle, Service


@pytest.fixture(scope="module", autouse=True)
def oracle(service: Service) -> Iterator[Oracle]:
    """The receiver of a day in the account."""
    oracle = Oracle(service.log.parent)
    oracle.start()
    live_a_day(service, oracle)
    yield oracle
    oracle.stop()


def test_users_are_searched_and_filtered_and_the_address_says_so(person: Person) -> None:
    """Typing is enough; the level is in the URL, and the URL alone shows the same again."""
    page = person.open("/users")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(5)
    page.get_by_placeholder("Name or email contains").press_sequentially("SILVA", delay=5)
    expect(rows).to_have_count(1)
    expect(page).to_have_url(f"{person.service.url}/console/accounts/acme/users?q=SILVA")
    page.reload()
    expect(page.get_by_role("link", name="mara.silva@example.com")).to_be_visible()
    page.get_by_placeholder("Name or email contains").fill("")
    page.get_by_label("Level").select_option("medium")
    expect(rows).to_have_count(3)
    expect(page).to_have_url(f"{person.service.url}/console/accounts/acme/users?level=medium")
    page.get_by_placeholder("Name or email contains").fill("nobody")
    expect(page.get_by_text("No users match")).to_be_visible()


def test_a_user_is_reset_with_a_reason(person: Person, oracle: Oracle) -> None:
    """The level goes, the story tells it, and the receiver has taken it."""
    page = person.open("/users")
    page.get_by_role("link", name="ada.okafor@example.com").click()
    expect(page.get_by_text("Risk level raised to")).to_be_visible()
    page.get_by_label("Reason").fill("Reinstalled, <b>clean</b>")
    page.get_by_role("button", name="Reset user").click()
    expect(page.get_by_text("User reset.")).to_be_visible()
    expect(page.get_by_text("“Reinstalled, <b>clean</b>”").first).to_be_visible()
    expect(page.locator("dl.facts").get_by_text("none")).to_be_visible()
    expect(page.locator(".timeline > li").first).to_contain_text("Risk reset to")
    expect(page.locator(".timeline > li").first).to_contain_text("Okta production")
    oracle.wait_for("/security/api/v1/security-events", 9)


def test_a_user_is_reset_by_keyboard_alone(person: Person) -> None:
    """From the list: Tab to the user, Enter; Tab to the reason; Enter sends it."""
    page = person.open("/users?q=jonas")
    page.get_by_role("link", name="jonas.berg@example.com").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/users/*-*")
    page.get_by_label("Reason").focus()
    page.keyboard.type("Training")
    page.keyboard.press("Enter")
    expect(page.get_by_text("User reset.")).to_be_visible()


def test_a_bulk_reset_names_users_by_email(person: Person) -> None:
    """An address without a user is refused beside the field."""
    page = person.open("/users/resets")
    page.get_by_label("Users").fill("mara.silva@example.com, nobody@example.com")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("No user has the email address nobody@example.com")).to_be_visible()
    assert [problem for problem in person.problems if "400" not in problem] == []
    person.problems.clear()  # Chromium notes the status of the refused form
    page.get_by_label("Users").fill("Mara.Silva@example.com")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="1 user matches")).to_be_visible()


@pytest.mark.parametrize("level", ["", "?level=any", "?q=none"])
def test_nothing_serious_is_wrong_with_the_list(person: Person, level: str) -> None:
    """Says axe-core, in light and dark, full and empty."""
    assert accessibility_problems(person.open(f"/users{level}")) == []


def test_nothing_serious_is_wrong_with_bulk_resets(person: Person) -> None:
    """Says axe-core, in light and dark, with a preview."""
    page = person.open("/users/resets?level=medium")
    expect(page.get_by_role("button", name="Reset 2 users")).to_be_visible()
    assert accessibility_problems(page) == []


def test_nothing_serious_is_wrong_with_a_user(person: Person) -> None:
    """Says axe-core, in light and dark."""
    page = person.open("/users")
    page.get_by_role("link", name="mara.silva@example.com").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert accessibility_problems(page) == []


def test_users_are_readable_on_a_phone(phone: Person) -> None:
    """Nothing but the tables scrolls sideways at 360 px."""
    page = phone.open("/users")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="mara.silva@example.com").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
