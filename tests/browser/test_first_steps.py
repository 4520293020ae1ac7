"""From an empty installation to a verified event, and the ways around the console, in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from riskrelay.web.console.navigation import SECTIONS
from support.browser import Person, accessibility_problems, walked
from support.service import Oracle, Service


@pytest.fixture(scope="module")
def oracle(service: Service) -> Iterator[Oracle]:
    """A receiver that accepts everything."""
    oracle = Oracle(service.log.parent)
    oracle.start()
    yield oracle
    oracle.stop()


def type_during_a_poll(page: Page, field: Locator, text: str) -> None:
    """Fill a field and leave it while the page waits for its newer version, which must not replace the text."""
    held: list[Route] = []

    def hold_polls(route: Route) -> None:
        if "x-console-poll" in route.request.headers:
            held.append(route)
        else:
            route.continue_()

    page.route("**/*", hold_polls)
    with page.expect_request(lambda request: "x-console-poll" in request.headers):
        pass
    field.fill(text)
    field.blur()
    page.evaluate(
        "() => { window.answered = new Promise((done) => "
        "document.addEventListener('htmx:afterRequest', () => setTimeout(done, 200), {once: true})); }"
    )
    while not held:  # the request was seen; its route comes after it
        page.wait_for_timeout(10)
    held[0].continue_()
    page.evaluate("() => window.answered")
    page.unroute_all(behavior="ignoreErrors")
    expect(field).to_have_value(text)


@walked
def test_the_first_steps_lead_to_a_verified_event(person: Person, oracle: Oracle) -> None:
    """Each step is done on the overview; the last one shows that the receiver accepted the event."""
    page = person.open("")
    expect(page.get_by_text("No receiver is connected yet")).to_be_visible()
    expect(page.get_by_text("0 of 5 done. Next: connect a receiver.")).to_be_visible()
    page.get_by_label("Tenant URL").fill(oracle.url)
    page.get_by_label("Reference").fill("Okta production")
    page.get_by_role("button", name="Connect receiver").click()
    expect(page.get_by_text("Waiting for the first verification")).to_be_visible()

    person.open("")
    page.get_by_label("Behavior").select_option(label="Impossible Travel (medium)")
    page.get_by_role("button", name="Enable behavior").click()
    expect(page.get_by_text("Behavior enabled.")).to_be_visible()
    page.get_by_label("Name").fill("Okta system log")
    page.get_by_role("button", name="Connect source").click()
    expect(page.get_by_text("Copy it now. It is shown only once.")).to_be_visible()

    person.open("")
    expect(page.get_by_text("3 of 5 done. Next: send a test finding.")).to_be_visible()
    assert accessibility_problems(page) == []
    type_during_a_poll(page, page.get_by_label("User's email"), "kai@example.com")
    page.get_by_role("button", name="Send test finding").click()
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
    oracle.wait_for("/security/api/v1/security-events", 1)
    expect(page.get_by_text("The receiver is healthy")).to_be_visible()
    person.open("/users")
    expect(page.get_by_role("link", name="kai@example.com")).to_be_visible()


@walked
def test_the_keyboard_leads_everywhere(person: Person, oracle: Oracle) -> None:
    """g and a letter open a section; / searches; ? helps; Ctrl+K finds screens and objects, and Enter opens them."""
    page, keyboard = person.open(""), person.page.keyboard
    keyboard.type("gi")
    page.wait_for_url("**/integrations")
    page.wait_for_load_state()
    expect(page.get_by_role("heading", name="Integrations")).to_be_visible()
    keyboard.type("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keyboard.type("nothing like it")
    expect(page.get_by_text("No integrations match")).to_be_visible()
    page.locator("main").focus()
    keyboard.type("?")
    help_dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_dialog.get_by_text("Go to Dead letters")).to_be_visible()
    assert accessibility_problems(page) == []
    keyboard.press("Escape")
    expect(help_dialog).to_have_count(0)

    keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Search")
    expect(palette.get_by_role("option", name="Overview")).to_have_attribute("aria-selected", "true")
    keyboard.type("audit")
    expect(palette.get_by_role("option", name="Audit log", exact=True)).to_be_visible()
    assert accessibility_problems(page) == []
    keyboard.press("Enter")
    expect(page).to_have_url(f"{person.service.url}/console/accounts/acme/settings/audit")
    keyboard.press("Control+k")
    keyboard.type("nobody has this name")
    expect(palette.get_by_text("Nothing matches")).to_be_visible()


def test_every_section_is_readable_on_a_phone_in_the_dark(browser: Browser, service: Service) -> None:
    """The menu leads to each, nothing scrolls sideways at 390 px, and axe finds nothing serious."""
    person = Person(browser, service, (390, 844), is_dark=True)
    person.sign_in()
    for section in SECTIONS:
        person.go_to(section.title)
        expect(person.page.get_by_role("heading", level=1, name=section.title)).to_be_visible()
        assert person.page.evaluate("document.documentElement.scrollWidth") <= 390, section.title
    assert accessibility_problems(person.open("")) == []
    person.close()


def test_the_theme_is_kept(person: Person) -> None:
    """Dark on a light system, sent by the server with the next page, and back to the system's."""
    page = person.open("")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 16, 19)"
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="System").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") is None
