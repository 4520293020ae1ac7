"""Requests without exactly one usable Host header field are refused before anything else is done."""

import re
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\]|[\w.~!$&'()*+,;=%-]+)(?::\d{0,5})?")


def is_usable_host(value: bytes) -> bool:
    """Return whether *value* is a host with an optional port. Rule: RFC 9110 §7.2, RFC 3986 §3.2.2.

    >>> is_usable_host(b"risk.example.com:8700"), is_usable_host(b"[::1]"), is_usable_host(b""), is_usable_host(b"a/b")
    (True, True, False, False)
    """
    return len(value) <= 300 and _HOST.fullmatch(value) is not None


class RequireHost:
    """Answers 400 to a request whose Host is missing, repeated or no host. Rule: RFC 9112 §3.2.

    An HTTP/1.0 client may leave it out: load balancers check health so.

    Args:
        refuse: makes the answer.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, HTTPException], Response]) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _has_one_host(scope):
            answer = self._refuse(Request(scope), HTTPException(400))
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _has_one_host(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if not hosts:
        return scope.get("http_version") != "1.1"
    return len(hosts) == 1 and is_usable_host(hosts[0].strip())
