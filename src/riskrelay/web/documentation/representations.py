"""Public documents that are the same for all clients: their codings, validators and content security policies."""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from riskrelay.web.paced_responses import paced_response

HTML = "text/html; charset=utf-8"
SVG = "image/svg+xml"

_BRIEFLY = "public, max-age=300"  # chosen: after an upgrade a browser shows the old pages for five minutes at most
_FOREVER = "public, max-age=31536000, immutable"  # for a URL that names the version of its content
_OF_A_BODY = ("Content-Type", "Content-Encoding")
_NO_WEIGHT = re.compile(r"q=0(\.0{0,3})?", re.IGNORECASE)

# Only files of this origin, no inline scripts or styles, no forms, no frames. Rule: CSP 3 §6.1.
_OF_PAGES = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# A picture that is opened by itself is a document: it may use its own styles and nothing else.
_OF_PICTURES = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
_POLICIES = {HTML: _OF_PAGES, SVG: _OF_PICTURES}


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
    version: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Page":
        """Build a document, with its validators and its content security policy."""
        tag = sha256(body).hexdigest()[:32]
        headers = {"Content-Type": media_type, "Cache-Control": _BRIEFLY, "Vary": "Accept-Encoding"}
        if media_type in _POLICIES:
            headers["Content-Security-Policy"] = _POLICIES[media_type]
        plain = Representation(body=body, headers={**headers, "ETag": f'"{tag}"'})
        compressed = Representation(
            body=gzip.compress(body, mtime=0),
            headers={**headers, "ETag": f'"{tag}-gzip"', "Content-Encoding": "gzip"},  # RFC 9110 §8.8.3.3
        )
        is_smaller = len(compressed.body) < len(body)  # a PNG is not
        return cls(plain=plain, compressed=compressed if is_smaller else plain, version=tag[:16])

    def answer(self, request: Request, status: int = 200) -> Response:
        """Answer 304 when the client has it. Rule: RFC 9110 §12.5.3, §13.1.2, §15.4.5."""
        chosen = self.compressed if _accepts_gzip(request.headers.getlist("accept-encoding")) else self.plain
        headers = self._cached(request, chosen.headers)
        if status == 200 and _matches(request.headers.getlist("if-none-match"), headers["ETag"]):
            kept = {name: value for name, value in headers.items() if name not in _OF_A_BODY}
            return Response(status_code=304, headers=kept)
        return paced_response(request, chosen.body, status, headers)

    def _cached(self, request: Request, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return *headers*; a URL with the version of the content can be cached without limit."""
        is_this = request.query_params.get("v") == self.version
        return {**headers, "Cache-Control": _FOREVER} if is_this else headers


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
