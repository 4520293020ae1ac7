"""The overview and the behaviors, in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import Person, accessibility_problems
from support.console_world import live_a_day
from support.service import Oracle, Service
from support.waiting import until


@pytest.fixture(scope="module", autouse=True)
def day(service: Service) -> Iterator[None]:
    """A day in the account; one of its two receivers works."""
    oracle = Oracle(service.log.parent)
    oracle.start()
    live_a_day(service, oracle)
    yield
    oracle.stop()


def figure(page: Page, name: str) -> str:
    """The number that stands under a name."""
    return page.locator(".figure", has=page.get_by_text(name, exact=True)).locator("dd").first.inner_text()


def counted(page: Page, row: Locator) -> str:
    """The users of a behavior's row, after a reload: the service counts them every few seconds."""
    page.reload()
    return row.get_by_role("cell").last.inner_text().strip()


def test_the_overview_follows_what_happens_by_itself(person: Person) -> None:
    """The answer, counts, users, and the failing integration with its reason and its action; without a reload."""
    page = person.open("")
    expect(page.locator(".answer")).to_contain_text("Okta preview needs attention; 8 events are waiting.")
    expect(page.locator(".figure", has=page.get_by_text("Delivered", exact=True)).locator("dd").first).to_have_text("8")
    assert figure(page, "Waiting") == "8"
    assert figure(page, "Dead letters") == "0"
    expect(page.get_by_role("link", name="2 users with level high")).to_be_visible()
    needing_attention = page.get_by_role("region", name="Integrations needing attention")
    expect(needing_attention.get_by_text("Okta preview")).to_be_visible()
    expect(needing_attention.get_by_text("connection_refused")).to_be_visible()
    expect(needing_attention.get_by_role("button", name="Retry now")).to_be_visible()
    expect(needing_attention.get_by_text("Okta production")).to_have_count(0)


def test_each_chart_has_its_table(person: Person) -> None:
    """Drawn from it; open, it stays open when the chart refreshes."""
    page = person.open("?window=6h")
    expect(page.locator("#findings canvas")).to_be_visible()
    page.locator("#findings summary").click()
    table = page.get_by_role("region", name="Findings per minute by behavior")
    expect(table.get_by_role("columnheader", name="Impossible Travel")).to_be_visible()
    expect(table.get_by_role("row")).to_have_count(73)
    page.evaluate("htmx.trigger(document.getElementById('charts'), 'poll')")
    page.wait_for_load_state("networkidle")
    expect(table).to_be_visible()
    expect(page.get_by_role("link", name="6h")).to_have_attribute("aria-current", "true")
    legend = page.get_by_role("group", name="Lines of the chart").last
    legend.get_by_role("button", name="Impossible Travel").click()
    expect(legend.get_by_role("button", name="Impossible Travel")).to_have_attribute("aria-pressed", "false")


def test_a_page_shows_when_the_service_is_down_and_up_again(person: Person) -> None:
    """In words, and what it shows is called old until then."""
    page = person.open("")
    person.context.set_offline(True)
    page.evaluate("htmx.trigger(document.getElementById('now'), 'poll')")
    expect(page.get_by_text("The service does not answer")).to_be_visible()
    person.context.set_offline(False)
    page.evaluate("htmx.trigger(document.getElementById('now'), 'poll')")
    expect(page.get_by_text("The service does not answer")).to_be_hidden()
    person.problems.clear()  # the browser itself notes that it is offline


def test_the_effect_of_a_change_is_seen_before_it_is_saved(person: Person) -> None:
    """Who would move from where to where; the address holds the proposal; saving does it."""
    page = person.open("/behaviors")
    travel = page.get_by_role("row").filter(has=page.get_by_label("Risk level of Impossible Travel"))
    until(lambda: counted(page, travel) == "1")
    page.get_by_label("Risk level of Impossible Travel").select_option("high")
    effect = page.locator("#effect")
    expect(effect.get_by_text("1 user will move from medium to high")).to_be_visible()
    assert "level-imp_travel=high" in page.url
    assert "csrf" not in page.url
    page.reload()
    expect(effect.get_by_text("1 user will move from medium to high")).to_be_visible()
    person.open("/users?level=high")
    expect(page.get_by_role("link", name="kai.nakamura@example.com")).to_have_count(0)
    page.go_back()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Users' risk levels are updated")).to_be_visible()
    person.open("/users?level=high")
    expect(page.get_by_role("link", name="kai.nakamura@example.com")).to_be_visible()


def test_a_behavior_is_switched_off_by_keyboard_alone(person: Person) -> None:
    """Space on the box, Enter on Save."""
    page = person.open("/behaviors")
    page.get_by_label("Suspicious Security Domain Visited enabled").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("No user's risk level changes.")).to_be_visible()
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Behaviors saved.")).to_be_visible()
    expect(page.get_by_label("Suspicious Security Domain Visited enabled")).not_to_be_checked()


@pytest.mark.parametrize("path", ["", "/behaviors?proposed=yes&level-imp_travel=low"])
def test_axe_finds_no_serious_accessibility_problem(person: Person, path: str) -> None:
    """Says axe-core, in light and dark."""
    page = person.open(path)
    page.wait_for_load_state("networkidle")
    assert accessibility_problems(page) == []


@pytest.mark.parametrize("path", ["", "/behaviors"])
def test_the_screens_are_readable_on_a_phone(phone: Person, path: str) -> None:
    """Nothing but the tables scrolls sideways at 360 px."""
    page = phone.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
