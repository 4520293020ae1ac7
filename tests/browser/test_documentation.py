"""The documentation in a browser: search, examples and "Try it", with what the content security policy allows."""

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import NARROW, Person, accessibility_problems


def open_page(person: Person, path: str) -> Page:
    """Go to a page of the documentation."""
    person.page.goto(person.service.url + path)
    return person.page


def test_the_search_finds_a_page_with_the_keyboard_only(stranger: Person) -> None:
    """`/` focuses the field, the arrow keys choose, Enter opens the section, Escape closes the list."""
    page = open_page(stranger, "/docs")
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search the documentation")
    expect(field).to_be_focused()
    page.keyboard.type("dead letters")
    first = page.get_by_role("option").first
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.type("riskrelaydeadletters")
    expect(first).to_contain_text("RiskrelayDeadLetters")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/guides/operate#riskrelaydeadletters")


def test_the_search_says_that_nothing_was_found(stranger: Person) -> None:
    """And a text that looks like HTML or a pattern is a text."""
    page = open_page(stranger, "/docs")
    field = page.get_by_role("combobox", name="Search the documentation")
    field.fill("<img src=x> (.*")
    expect(page.get_by_text("Nothing found.")).to_be_visible()


def test_a_request_can_be_tried(stranger: Person) -> None:
    """With the token of the reader: the page shows the status, the answer and the command, which names the variable
    instead of the token. The token is stored nowhere."""
    service = stranger.service
    made = service.create_integration("https://tried.example.com")
    page = open_page(stranger, "/docs/api/integrations")
    page.get_by_label("Token for “Try it”").fill(service.token)
    operation = page.locator("#getIntegration")
    operation.get_by_text("Try it").click()
    operation.get_by_label("account_id").fill(service.account_id)
    operation.get_by_label("integration_id").fill(made["id"])
    operation.get_by_role("button", name="Send GET request").click()
    answer = operation.get_by_role("status")
    expect(answer).to_contain_text("200 OK")
    shown = json.loads(answer.locator("pre").inner_text())
    assert shown["result"] == made
    command = operation.locator("[data-curl] pre").inner_text()
    assert command == (
        f"curl -X GET '{service.url}/accounts/{service.account_id}/zt_risk_scoring/integrations/{made['id']}' \\\n"
        '  -H "Authorization: Bearer $RISKRELAY_TOKEN"'
    )
    assert service.token not in page.content()
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert service.token not in stored


def test_a_body_can_be_changed_and_a_refusal_is_shown(stranger: Person) -> None:
    """A value of a path never becomes another path; the answer of an error has its explanation."""
    page = open_page(stranger, "/docs/api/integrations")
    page.get_by_label("Token for “Try it”").fill(stranger.service.token)
    operation = page.locator("#createIntegration")
    operation.get_by_text("Try it").click()
    operation.get_by_label("account_id").fill(stranger.service.account_id)
    operation.get_by_label("Body").fill('{"integration_type": "okta", "tenant_url": "https://x.example.com"}')
    operation.get_by_role("button", name="Send POST request").click()
    answer = operation.get_by_role("status")
    expect(answer).to_contain_text("400 Bad Request")
    expect(answer).to_contain_text("/docs/errors/1103")
    operation.get_by_label("account_id").fill("../../healthz?x=")
    expect(operation.locator("[data-curl] pre")).to_contain_text("/accounts/..%2F..%2Fhealthz%3Fx%3D/")
    stranger.problems = [problem for problem in stranger.problems if "400" not in problem]


def test_the_language_of_one_example_is_that_of_all(stranger: Person) -> None:
    """One click shows Go everywhere, also for an operation without Terraform."""
    page = open_page(stranger, "/docs/api/integrations")
    page.locator("#createIntegration").get_by_text("Go", exact=True).click()
    expect(page.locator("#listIntegrations [data-language=go]")).to_be_visible()
    expect(page.locator("#listIntegrations [data-language=sh]")).to_be_hidden()


@pytest.mark.parametrize("path", ["/docs", "/docs/guides/operate", "/docs/api/delivery", "/docs/errors/1103"])
def test_axe_finds_no_serious_accessibility_problem(stranger: Person, path: str) -> None:
    """Says axe-core, in light and dark."""
    assert accessibility_problems(open_page(stranger, path)) == []


def test_pages_fit_a_phone(browser: Browser, stranger: Person) -> None:
    """Nothing is wider than the screen; the contents open on demand."""
    phone = Person(browser, stranger.service, NARROW)
    for path in ("/docs", "/docs/settings", "/docs/concepts/life-of-an-event", "/docs/api/users"):
        page = open_page(phone, path)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
    page.get_by_text("Contents", exact=True).click()
    expect(page.get_by_role("navigation", name="Documentation").locator("summary", has_text="Concepts")).to_be_visible()
    phone.close()
