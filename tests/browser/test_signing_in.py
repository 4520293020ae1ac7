"""Signing in and out, in a browser."""

from datetime import timedelta

from playwright.sync_api import expect

from riskrelay.core.credentials import Scope
from support.browser import Person, accessibility_problems


def test_a_token_signs_in_and_the_button_signs_out(stranger: Person) -> None:
    """It leads to the account of the token; afterwards the same address asks for a token again."""
    page = stranger.page
    stranger.sign_in()
    expect(page).to_have_url(f"{stranger.service.url}/console/accounts/acme")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    stranger.open("")
    expect(page.get_by_label("API token")).to_be_visible()


def test_signing_in_leads_to_the_page_that_was_asked_for(stranger: Person) -> None:
    """With its filters."""
    stranger.open("?shown=all")
    page = stranger.page
    page.get_by_label("API token").fill(stranger.service.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{stranger.service.url}/console/accounts/acme?shown=all")


def test_a_wrong_token_is_reported(stranger: Person) -> None:
    """In words, beside the field, which has lost what was typed."""
    stranger.open("/console/sign-in")
    page = stranger.page
    page.get_by_label("API token").fill("rr_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This token is unknown, expired or revoked.")).to_be_visible()
    expect(page.get_by_label("API token")).to_have_value("")
    assert [problem for problem in stranger.problems if "401" not in problem] == []
    stranger.problems.clear()  # the browser itself notes a 401


def test_a_token_of_the_installation_chooses_an_account(stranger: Person) -> None:
    """From a list; a token of an account sees no other one."""
    stranger.service.new_token("beta", Scope.READ)
    stranger.sign_in(stranger.service.new_token(None))
    page = stranger.page
    page.get_by_role("link", name="beta").click()
    expect(page).to_have_url(f"{stranger.service.url}/console/accounts/beta")
    page.get_by_role("link", name="Switch account").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(person: Person) -> None:
    """HttpOnly, SameSite=Strict, and it ends with the session's life."""
    person.open("")
    (cookie,) = person.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    life = cookie["expires"] - person.page.evaluate("Date.now() / 1000")
    assert 0 < life <= timedelta(hours=12).total_seconds()
    assert person.page.evaluate("document.cookie") == ""


def test_the_sign_in_can_be_used_by_keyboard_alone(stranger: Person) -> None:
    """The field has the focus; Enter sends the form; Tab leads to the skip link first."""
    stranger.open("/console/sign-in")
    page = stranger.page
    expect(page.get_by_label("API token")).to_be_focused()
    page.keyboard.type(stranger.service.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_axe_finds_no_serious_accessibility_problem(stranger: Person) -> None:
    """Says axe-core of the sign-in, of the choice of an account, and of the page that says there is nothing."""
    stranger.open("/console/sign-in")
    assert accessibility_problems(stranger.page) == []
    stranger.sign_in(stranger.service.new_token(None))
    assert accessibility_problems(stranger.page) == []
    stranger.open("/console/nothing")
    assert accessibility_problems(stranger.page) == []
    stranger.problems.clear()  # the browser itself notes the 404
