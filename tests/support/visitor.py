"""Somebody at the console without a browser: what HTTP itself says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import urlencode, urlsplit

from support.service import Service


@dataclass(frozen=True)
class Page:
    """What came back."""

    status: int
    headers: HTTPMessage
    text: str

    @property
    def csrf(self) -> str:
        """What the page's forms send back."""
        found = re.search(r'name="csrf" value="(\w+)"', self.text)
        assert found is not None, self.text
        return found[1]


Fields = dict[str, str] | Sequence[tuple[str, str]]


class Visitor:
    """Follows no redirect, keeps the cookie that it is given."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookie: str | None = None

    def ask(self, method: str, path: str, fields: Fields | None = None, **headers: str) -> Page:
        """One request, with *headers* (written with _ for -) over those that a browser sends."""
        origin = {"Origin": self.service.url} if method != "GET" else {}
        cookie = {} if self.cookie is None else {"Cookie": self.cookie}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**origin, **cookie, **form, **given}.items() if value}
        connection = HTTPConnection(urlsplit(self.service.url).netloc, timeout=60)
        try:
            connection.request(method, path, None if fields is None else urlencode(fields), sent)
            answer = connection.getresponse()
            page = Page(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()
        if "Set-Cookie" in page.headers:
            self.cookie = page.headers["Set-Cookie"].partition(";")[0]
        return page

    def sign_in(self, token: str | None = None, following: str = "") -> Page:
        """Start a session; without a token, with the service's own."""
        fields = {"token": token or self.service.token, "next": following}
        return self.ask("POST", "/console/sign-in", fields)
