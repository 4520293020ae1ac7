"""What every page has."""

import pytest
from jinja2 import UndefinedError

from riskrelay.web.console.assets import Assets
from riskrelay.web.console.failures import NOT_FOUND
from riskrelay.web.console.pages import Pages
from support.services import HandClock


@pytest.mark.parametrize(
    ("origin", "expected"), [("https://a.example", "max-age=31536000"), ("http://localhost", None)]
)
def test_https_stays_https(origin: str, expected: str | None) -> None:
    """RFC 6797: a browser that was here by https does not come by http again."""
    page = Pages(HandClock(), Assets(), origin).bare_page("error.html", 404, failure=NOT_FOUND)
    assert page.headers.get("strict-transport-security") == expected


def test_a_name_that_is_missing_is_an_error() -> None:
    """And never an empty place in a page."""
    with pytest.raises(UndefinedError):
        Pages(HandClock(), Assets(), "http://localhost").bare_page("error.html", 404)
