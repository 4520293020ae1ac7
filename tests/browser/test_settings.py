"""Settings, in a browser."""

import pytest
from playwright.sync_api import expect

from support.browser import Person, accessibility_problems
from support.inboxes import hook

SCREENS = ["/settings", "/settings/audit", "/settings/keys", "/settings/notifications", "/settings/health"]


def test_a_token_is_made_used_and_revoked(person: Person) -> None:
    """Shown once, copied with a button; who signed in with it is signed out with its revocation."""
    page = person.open("/settings")
    page.get_by_label("Name", exact=True).fill("Night shift")
    page.get_by_label("pii-read").check()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("It is shown only once")).to_be_visible()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    token: str = page.evaluate("navigator.clipboard.readText()")
    assert token.startswith("rr_")
    other = Person(person.context.browser, person.service)  # type: ignore[arg-type]
    other.sign_in(token)
    expect(other.page.get_by_text("Permission denied")).to_be_visible()
    other.open("/users")
    expect(other.page.get_by_role("heading", name="Users")).to_be_visible()
    expect(other.page.get_by_role("link", name="Behaviors")).to_have_count(0)
    row = page.get_by_role("row", name="Night shift")
    row.get_by_role("button", name="Revoke Night shift").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke Night shift").click()
    expect(page.get_by_text("Token revoked")).to_be_visible()
    other.open("/users")
    expect(other.page.get_by_label("API token")).to_be_visible()
    other.problems.clear()  # the browser itself notes the 403
    other.close()
    person.open("/settings/audit?kind=token")
    expect(page.get_by_role("row", name="revoked").first).to_be_visible()


def test_a_token_without_scopes_is_refused_with_the_reason(person: Person) -> None:
    """Nothing was made."""
    page = person.open("/settings")
    before = page.locator("tbody tr").count()
    page.get_by_label("Name", exact=True).fill("Nothing")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("alert")).to_contain_text("The token was not created")
    assert page.locator("tbody tr").count() == before
    person.problems.clear()  # the browser itself notes the 400


def test_keys_are_rotated_by_the_installation_only(person: Person) -> None:
    """An account's token sees them; one of the installation rotates, and says so when it is early."""
    page = person.open("/settings/keys")
    expect(page.get_by_role("row", name="current")).to_have_count(2)
    expect(page.get_by_role("button", name="Rotate keys now")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    person.sign_in(person.service.new_token(None))
    person.open("/settings/keys")
    expect(page.get_by_text("not yet published for an hour")).to_be_visible()
    page.get_by_label("A key is compromised").check()
    page.get_by_role("button", name="Rotate keys now").click()
    expect(page.get_by_text("Keys rotated.")).to_be_visible()
    expect(page.get_by_role("cell", name="retired", exact=True)).to_have_count(2)


def test_a_channel_is_added_and_tested(person: Person) -> None:
    """With the button: the message is sent for real, and the page shows the result. The form names what is wrong."""
    page = person.open("/settings/notifications")
    page.get_by_label("Name", exact=True).fill("Ops chat")
    page.get_by_label("Email address or URL").fill("https://10.0.0.1/hook")
    page.get_by_role("button", name="Add channel").click()
    expect(page.get_by_text("must not be a private or special address")).to_be_visible()
    with hook() as inbox:
        page.get_by_label("Email address or URL").fill(f"{inbox.url}/hook")
        page.get_by_label("Source silent").uncheck()
        page.get_by_role("button", name="Add channel").click()
        expect(page.get_by_text("Channel added.")).to_be_visible()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_text("Test message sent.")).to_be_visible()
        assert [path for path, _, _ in inbox.requests] == ["/hook"]
        inbox.statuses.append(404)
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_role("alert")).to_contain_text("the receiver answered HTTP 404")
    assert accessibility_problems(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Delete channel").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete channel").click()
    expect(page.get_by_text("Channel deleted.")).to_be_visible()
    person.problems.clear()  # the browser itself notes the 400


def test_health_shows_results_and_remedies(person: Person) -> None:
    """Here: plain http is named, delivery runs. The installation's token may examine everything, as doctor does."""
    page = person.open("/settings/health")
    expect(page.get_by_role("row", name="public url")).to_contain_text("without the Secure attribute")
    expect(page.get_by_role("button", name="Run full check")).to_have_count(0)
    page.wait_for_function("() => fetch(location).then(r => r.text()).then(t => t.includes('Delivery is running'))")
    page.get_by_role("button", name="Sign out").click()
    person.sign_in(person.service.new_token(None))
    person.open("/settings/health")
    page.get_by_role("button", name="Run full check").click()
    expect(page.get_by_role("row", name="receivers ok")).to_contain_text("receivers can be reached")
    expect(page.get_by_role("row", name="public url")).to_contain_text("returns the keys of this installation")


@pytest.mark.parametrize("path", SCREENS)
def test_axe_finds_no_serious_accessibility_problem(person: Person, path: str) -> None:
    """Says axe-core, in light and dark."""
    assert accessibility_problems(person.open(path)) == []


def test_settings_are_readable_on_a_phone(phone: Person) -> None:
    """Nothing but the tables scrolls sideways at 360 px."""
    for path in SCREENS:
        assert phone.open(path).evaluate("document.documentElement.scrollWidth") <= 360, path
