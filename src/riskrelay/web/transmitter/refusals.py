"""What receivers are told when they are refused: the specifications' own forms, never the account API's envelope.

Bodies are `{"error", "error_description"}`; the description says what to do.
"""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from riskrelay.core.errors import (
    BodyTooLarge,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    RiskrelayError,
    Unavailable,
    UnsupportedMediaType,
)

_RETRY_AFTER_SECONDS = 2
_MAX_FAULTS = 10  # guessed: what a person reads in one description

_BY_ERROR: dict[type[RiskrelayError], tuple[int, str, str]] = {
    NotFound: (404, "not_found", "there is no such thing for this receiver; check the id"),
    BodyTooLarge: (413, "invalid_request", "send a smaller body"),
    UnsupportedMediaType: (415, "invalid_request", "send the body with the Content-Type that this endpoint takes"),
    Unavailable: (503, "temporarily_unavailable", "send the same request again after a moment, as Retry-After says"),
}
_BY_STATUS = {
    400: ("invalid_request", "send exactly one Host header field, with the host name of this service"),
    404: ("not_found", "there is no such endpoint; the transmitter's metadata lists them"),
    405: ("invalid_request", "this endpoint does not take this method; the header Allow lists what it takes"),
}


class BearerRefusal(Exception):
    """A request that comes without a token that would do. Rule: RFC 6750 §3, §3.1.

    Args:
        error: None: the request carries no token at all, and then the challenge carries no error either.
        attributes: more of the challenge, such as `scope` and `resource_metadata`.
    """

    def __init__(self, status: int, error: str | None, description: str, attributes: Mapping[str, str]) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.attributes = attributes


def answer(error: Exception) -> Response:
    """The answer to a receiver's request that failed with *error*; nothing of an unknown error is shown."""
    if isinstance(error, BearerRefusal):
        return _challenge(error)
    if isinstance(error, Invalid):
        return refusal(400, "invalid_request", _described(error))
    if isinstance(error, Forbidden):
        return refusal(403, "access_denied", str(error) or "this receiver may not do this; ask the operator")
    if isinstance(error, RateLimited):
        return refusal(429, "too_many_requests", str(error), {"Retry-After": str(error.wait_seconds)})
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return refusal(error.status_code, *_BY_STATUS[error.status_code], error.headers)
    found = next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), None)
    if found is None:
        return refusal(500, "server_error", "the service failed; tell its operator if it goes on")
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if isinstance(error, Unavailable) else None
    return refusal(*found, headers)


def _described(error: Invalid) -> str:
    """The first faults, and how many more there are."""
    shown = error.faults[:_MAX_FAULTS]
    more = len(error.faults) - len(shown) + error.more
    return "; ".join([*(fault.sentence for fault in shown), *([f"... and {more:,} more faults"] if more else [])])


def refusal(status: int, error: str | None, description: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as JSON. Rule: RFC 6749 §5.2 (the characters that a description may have)."""
    body = {"error": error, "error_description": _plain(description)}
    content = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


def _challenge(error: BearerRefusal) -> Response:
    shown = {"realm": "riskrelay"}
    if error.error is not None:
        shown |= {"error": error.error, "error_description": _plain(error.description)}
    pairs = ", ".join(f'{name}="{value}"' for name, value in (shown | dict(error.attributes)).items())
    return refusal(error.status, error.error, error.description, {"WWW-Authenticate": f"Bearer {pairs}"})


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
