"""The cookie of a session."""

import pytest
from starlette.responses import Response

from riskrelay.web.console.cookies import SessionCookie


@pytest.mark.parametrize(
    ("public_origin", "name", "is_secure", "is_possible"),
    [
        ("https://risk.example.com", "__Host-riskrelay", True, True),
        ("https://127.0.0.1:8700", "__Host-riskrelay", True, True),
        ("http://127.0.0.1:8700", "riskrelay-8700", False, True),
        ("http://localhost", "riskrelay-80", False, True),
        ("http://[::1]:8700", "riskrelay-8700", False, True),
        ("http://risk.example.com", "riskrelay-80", False, False),
        ("http://10.0.0.1:8700", "riskrelay-8700", False, False),
        ("http://localhost.example.com", "riskrelay-80", False, False),
    ],
)
def test_only_loopback_omits_secure(public_origin: str, name: str, is_secure: bool, is_possible: bool) -> None:
    """Everywhere else it is Secure, or nobody can sign in."""
    cookie, response = SessionCookie(public_origin), Response()
    assert cookie.is_possible == is_possible
    cookie.set(response, "secret")
    header = response.headers["set-cookie"]
    assert header.startswith(f"{name}=secret; ")
    assert ("; Secure" in header) == is_secure
    assert "; HttpOnly" in header
    assert "; SameSite=strict" in header
    assert "; Path=/" in header
    assert "domain" not in header.lower()
