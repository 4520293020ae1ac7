"""A person at the console, in real Chromium: `pip install playwright` drives the browser that the system has."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from support.programs import needed
from support.service import Service

PATIENCE_MS = 60_000  # a busy machine is no failure
WIDE = (1280, 900)
NARROW = (360, 740)
DESKTOP = (1440, 900)
PHONE = (390, 844)

Role = Literal["button", "link", "textbox", "combobox"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks at the console with.

    Attributes:
        size: width and height of the window, in CSS pixels.
        is_dark: whether the system is.
    """

    size: tuple[int, int] = WIDE
    is_dark: bool = False

    def __str__(self) -> str:
        return f"{'dark' if self.is_dark else 'light'}-{self.size[0]}"


LOOKS = (Look(DESKTOP), Look(PHONE, is_dark=True), Look(DESKTOP, is_dark=True), Look(PHONE))


def walked(test: Callable[..., None]) -> Callable[..., None]:
    """Walk through a test with each of LOOKS; outside of a soak with the first two, which differ in everything."""
    looks = LOOKS if os.environ.get("RISKRELAY_SOAK") else LOOKS[:2]
    parametrized = pytest.mark.parametrize("look", looks, ids=str, indirect=True, scope="module")
    marked: Callable[..., None] = pytest.mark.soak(parametrized(test))
    return marked


_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_SERIOUS = ("serious", "critical")
_RULES_BY_SCHEME: dict[Literal["light", "dark"], dict[str, list[str]]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast"]},
}

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that talks to nobody by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needed("chromium"), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody who uses the console of *service* in a window of their own.

    Args:
        is_dark: whether their system is.
    """

    def __init__(
        self, browser: Browser, service: Service, size: tuple[int, int] = WIDE, *, is_dark: bool = False
    ) -> None:
        self.service = service
        self.problems: list[str] = []
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if is_dark else "light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self._context.set_default_timeout(PATIENCE_MS)
        self.page = self._context.new_page()
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("request", self._note_request)

    @property
    def context(self) -> BrowserContext:
        return self._context

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.service.url).netloc:
            self.problems.append(f"left the origin: {request.url}")

    def open(self, path: str) -> Page:
        """Go to a page of the account, or of the console when the path starts with /console."""
        whole = path if path.startswith("/console") else f"/console/accounts/{self.service.account_id}{path}"
        self.page.goto(self.service.url + whole)
        return self.page

    def start_session(self) -> None:
        """Get the cookie of a session. The form and the page behind it would cost the browser a second of CPU."""
        url, origin = self.service.url + "/console/sign-in", {"Origin": self.service.url}
        answer = self._context.request.post(url, form={"token": self.service.token}, headers=origin, max_redirects=0)
        assert answer.status == 303, answer.text()

    def sign_in(self, token: str | None = None) -> None:
        """Sign in with the form; without a token, with the service's own."""
        self.open("/console/sign-in")
        self.page.get_by_label("API token").fill(token or self.service.token)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: not url.endswith("/sign-in"))

    def go_to(self, section: str) -> Page:
        """Follow a link of the navigation, which is behind a button on a narrow screen."""
        menu = self.page.get_by_role("button", name="Menu")
        if menu.is_visible():
            menu.click()
        self.page.get_by_role("navigation", name="Sections").get_by_role("link", name=section, exact=True).click()
        return self.page

    def expect_no_problem(self) -> None:
        """Nothing was written to the browser's console, and no request left the origin."""
        assert self.problems == [], "; ".join(self.problems)

    def close(self) -> None:
        """Leave, with nothing to complain about."""
        self._context.close()
        self.expect_no_problem()


def tab_along(page: Page, role: Role, name: str) -> None:
    """Press Tab until something has the focus."""
    wanted = page.get_by_role(role, name=name, exact=True)
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to the {role} {name}")


@cache
def _axe() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def accessibility_problems(page: Page) -> list[str]:
    """Return the serious and critical problems that axe-core finds. The dark scheme changes only the colors."""
    found: list[str] = []
    page.evaluate(_axe())
    for scheme, rules in _RULES_BY_SCHEME.items():
        page.emulate_media(color_scheme=scheme)
        result = page.evaluate("rules => axe.run({resultTypes: ['violations'], ...rules})", rules)
        found += [
            f"{scheme}: {violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in result["violations"]
            if violation["impact"] in _SERIOUS
            for node in violation["nodes"]
        ]
    return found
