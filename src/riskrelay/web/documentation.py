"""The API's own documentation: the contract, a readable page of it, and a page per error code."""

import gzip
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.web.account_api.problem_table import PROBLEMS
from riskrelay.web.error_pages import render_error_index, render_error_page
from riskrelay.web.paced_responses import paced_response
from riskrelay.web.reference import Reference

# In the wheel the contract lies beside this file; in a checkout at its one place, specs/.
_CANDIDATES = (Path(__file__).parent / "openapi.yaml", Path(__file__).parents[3] / "specs" / "openapi.yaml")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is five times as fast
_CACHE = "public, max-age=300"  # chosen: after an upgrade a browser shows the old pages for five minutes at most
_HTML = "text/html; charset=utf-8"
_OF_A_BODY = ("Content-Type", "Content-Encoding")
_NO_WEIGHT = re.compile(r"q=0(\.0{0,3})?", re.IGNORECASE)
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_CODES = frozenset(problem.code for problem in PROBLEMS)


@cache
def contract() -> dict[str, Any]:
    """Return the OpenAPI document."""
    path = next(path for path in _CANDIDATES if path.is_file())
    document: dict[str, Any] = yaml.load(path.read_text(), _LOADER)  # noqa: S506  a safe loader
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """A document in one content coding.

    Attributes:
        headers: everything but the length, with the ETag.
    """

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document that is the same for all clients until the next version of the service.

    It is compressed once, when it is built.
    """

    plain: Representation
    compressed: Representation

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Page":
        """Build a document, with its validators and its content security policy."""
        tag = sha256(body).hexdigest()[:32]
        headers = {"Content-Type": media_type, "Cache-Control": _CACHE, "Vary": "Accept-Encoding"}
        if media_type == _HTML:
            headers["Content-Security-Policy"] = _content_security_policy(body)
        plain = Representation(body=body, headers={**headers, "ETag": f'"{tag}"'})
        compressed = Representation(
            body=gzip.compress(body, mtime=0),
            headers={**headers, "ETag": f'"{tag}-gzip"', "Content-Encoding": "gzip"},  # RFC 9110 §8.8.3.3
        )
        return cls(plain=plain, compressed=compressed)

    def answer(self, request: Request, status: int = 200) -> Response:
        """Answer 304 when the client has it. Rule: RFC 9110 §12.5.3, §13.1.2, §15.4.5."""
        chosen = self.compressed if _accepts_gzip(request.headers.getlist("accept-encoding")) else self.plain
        if status == 200 and _matches(request.headers.getlist("if-none-match"), chosen.headers["ETag"]):
            kept = {name: value for name, value in chosen.headers.items() if name not in _OF_A_BODY}
            return Response(status_code=304, headers=kept)
        return paced_response(request, chosen.body, status, chosen.headers)


def _content_security_policy(page: bytes) -> str:
    """Return a policy that allows only the page's own style sheets, by their hashes. Rule: CSP 3 §2.3.1."""
    sheets = [b64encode(sha256(sheet).digest()).decode() for sheet in _STYLE.findall(page)]
    allowed = " ".join(f"'sha256-{sheet}'" for sheet in sheets) or "'none'"
    return f"default-src 'none'; style-src {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _accepts_gzip(fields: Sequence[str]) -> bool:
    """Return whether an Accept-Encoding contains gzip. Rule: RFC 9110 §12.5.3."""
    for part in ",".join(fields).split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() == "gzip":
            return _NO_WEIGHT.fullmatch(weight.strip()) is None
    return False


def _matches(fields: Sequence[str], tag: str) -> bool:
    """Return whether an If-None-Match contains *tag*, by weak comparison. Rule: RFC 9110 §8.8.3.2, §13.1.2."""
    named = {part.strip().removeprefix("W/") for field in fields for part in field.split(",")}
    return tag in named or "*" in named


@cache
def _contract_page() -> Page:
    return Page.of(msgspec.json.encode(contract()), "application/json")


@cache
def _reference_page() -> Page:
    return Page.of(Reference(contract()).page().encode(), _HTML)


@cache
def _error_index() -> Page:
    return Page.of(render_error_index().encode(), _HTML)


@lru_cache(maxsize=len(PROBLEMS))
def _error_page(code: int) -> Page:
    return Page.of((render_error_page(code) or "").encode(), _HTML)


async def openapi(request: Request) -> Response:
    """Answer the contract as JSON."""
    return _contract_page().answer(request)


async def reference(request: Request) -> Response:
    """Answer the contract as a page."""
    return _reference_page().answer(request)


async def error_index(request: Request) -> Response:
    """Answer the list of error codes."""
    return _error_index().answer(request)


async def error_page(request: Request) -> Response:
    """Return the page of one error code."""
    text = request.path_params["code"]
    # A code has four or five digits; a longer text is not converted to a number.
    code = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if code not in _CODES:
        return _error_index().answer(request, 404)
    return _error_page(code).answer(request)
