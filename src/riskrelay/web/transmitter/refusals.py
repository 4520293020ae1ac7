"""Error responses to receivers, in the specifications' forms and not in the account API's envelope.

Bodies are `{"error", "error_description"}`; the description contains the fix.
"""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from riskrelay.core.errors import (
    BodyTooLarge,
    Forbidden,
    Invalid,
    LaneWithdrawn,
    LeaseLost,
    MalformedCredentials,
    Misconfigured,
    NoCredentials,
    NotFound,
    RateLimited,
    RiskrelayError,
    SessionEnded,
    Unauthenticated,
    Unavailable,
    UnknownToken,
    UnsupportedMediaType,
    UserMismatch,
)

_RETRY_AFTER_SECONDS = 2
_MAX_FAULTS = 10  # guessed: as many as a person reads in one description

_FAILED = (500, "server_error", "the service failed; if the error persists, contact the operator")
_BY_ERROR: dict[type[RiskrelayError], tuple[int, str, str]] = {
    NotFound: (404, "not_found", "not found for this receiver; check the id"),
    BodyTooLarge: (413, "invalid_request", "send a smaller body"),
    UnsupportedMediaType: (415, "invalid_request", "send the body with the Content-Type that this endpoint supports"),
    Unavailable: (503, "temporarily_unavailable", "send the same request again after the time in Retry-After"),
    Forbidden: (403, "access_denied", "this receiver is not allowed to do this; ask the operator"),
    RateLimited: (429, "too_many_requests", "send the same request again after the time in Retry-After"),
    Invalid: (400, "invalid_request", "the request is not valid"),
    # No request ends with these unless the code is wrong. A receiver without a token that would do gets a
    # `BearerRefusal`, because a 401 needs a challenge.
    **dict.fromkeys((Unauthenticated, NoCredentials, MalformedCredentials, UnknownToken, SessionEnded), _FAILED),
    **dict.fromkeys((UserMismatch, Misconfigured, LeaseLost, LaneWithdrawn), _FAILED),
}
"""The status, the error and what to do, of every error; `_own_words` are more precise where an error has them."""

_BY_STATUS = {
    400: ("invalid_request", "send exactly one Host header field, with the host name of this service"),
    404: ("not_found", "unknown endpoint; the transmitter's metadata lists the endpoints"),
    405: (
        "invalid_request",
        "this endpoint does not support this method; the Allow header lists the supported methods",
    ),
}


class BearerRefusal(Exception):
    """The request has no sufficient token. Rule: RFC 6750 §3, §3.1.

    Args:
        error: None: the request has no token, and the challenge has no error.
        attributes: further attributes of the challenge, such as `scope` and `resource_metadata`.
    """

    def __init__(self, status: int, error: str | None, description: str, attributes: Mapping[str, str]) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.attributes = attributes


def answer(error: Exception) -> Response:
    """Return the response to a receiver's request that failed with *error*, without details of an unknown error."""
    if isinstance(error, BearerRefusal):
        return _challenge(error)
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return refusal(error.status_code, *_BY_STATUS[error.status_code], error.headers)
    status, word, description = next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), _FAILED)
    return refusal(status, word, _own_words(error) or description, _retry_after(error))


def _own_words(error: Exception) -> str:
    """Return the error's own message; empty: it has none that a receiver may read."""
    if isinstance(error, Invalid):
        return _first_faults(error)
    return str(error) if isinstance(error, Forbidden | RateLimited) else ""


def _retry_after(error: Exception) -> dict[str, str] | None:
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.wait_seconds)}
    return {"Retry-After": str(_RETRY_AFTER_SECONDS)} if isinstance(error, Unavailable) else None


def _first_faults(error: Invalid) -> str:
    """Return the first faults as text, and the number of others."""
    shown = error.faults[:_MAX_FAULTS]
    more = len(error.faults) - len(shown) + error.more
    return "; ".join([*(fault.sentence for fault in shown), *([f"... and {more:,} more faults"] if more else [])])


def refusal(status: int, error: str | None, description: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal as JSON. Rule: RFC 6749 §5.2 (the characters that a description may have)."""
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
