"""The cookie that holds a session's secret."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from riskrelay.core.credentials import SESSION_LIFE


class SessionCookie:
    """The session's cookie: HttpOnly, SameSite=Strict, and Secure, except with a public URL of http on this machine.

    Attributes:
        is_possible: False: the public URL is http on another host, so signing in is refused.

    Rule: RFC 6265bis §4.1.3.2 (`__Host-`: Secure, for this host only, for all paths).
    """

    def __init__(self, public_origin: str) -> None:
        parts = urlsplit(public_origin)
        self._is_secure = parts.scheme == "https"
        self.is_possible = self._is_secure or is_loopback(parts.hostname or "")
        # Cookies are shared by all ports of a host, so the name has the port if one machine runs several services.
        self._name = "__Host-riskrelay" if self._is_secure else f"riskrelay-{parts.port or 80}"

    def read(self, request: Request) -> str | None:
        """Return the secret from a request's cookie."""
        return request.cookies.get(self._name)

    def set(self, response: Response, secret: str) -> None:
        """Set the cookie to *secret*, until the latest end of the session."""
        response.set_cookie(
            self._name,
            secret,
            max_age=int(SESSION_LIFE.total_seconds()),
            secure=self._is_secure,
            httponly=True,
            samesite="strict",
        )

    def clear(self, response: Response) -> None:
        """Delete the cookie."""
        response.delete_cookie(self._name, secure=self._is_secure, httponly=True, samesite="strict")


def is_loopback(host: str) -> bool:
    """Return whether a host of a URL is this machine.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("risk.example.com")
    (True, True, True, False)
    """
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
