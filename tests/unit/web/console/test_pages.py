"""What every page has."""

import pytest
from jinja2 import UndefinedError
from starlette.requests import Request

from riskrelay.web.console.assets import Assets
from riskrelay.web.console.failures import NOT_FOUND
from riskrelay.web.console.pages import Pages
from support.services import HandClock

REQUEST = Request(
    {"type": "http", "headers": [(b"cookie", b"riskrelay-theme=dark")], "method": "GET", "path": "/console"}
)


@pytest.mark.parametrize(
    ("origin", "expected"), [("https://a.example", "max-age=31536000"), ("http://localhost", None)]
)
def test_https_stays_https(origin: str, expected: str | None) -> None:
    """RFC 6797: a browser that was here by https does not come by http again."""
    page = Pages(HandClock(), Assets(), origin).bare_page(REQUEST, "error.html", 404, failure=NOT_FOUND)
    assert page.headers.get("strict-transport-security") == expected


def test_a_page_without_a_session_has_the_chosen_theme() -> None:
    """With the switch that changes it."""
    page = Pages(HandClock(), Assets(), "http://localhost").bare_page(REQUEST, "error.html", 404, failure=NOT_FOUND)
    text = bytes(page.body).decode()
    assert 'data-theme="dark"' in text
    assert 'data-theme-choice="light"' in text


def test_a_name_that_is_missing_is_an_error() -> None:
    """And never an empty place in a page."""
    with pytest.raises(UndefinedError):
        Pages(HandClock(), Assets(), "http://localhost").bare_page(REQUEST, "error.html", 404)
