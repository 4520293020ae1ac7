"""Pages for errors in the console: the problem, and the fix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
    SessionEnded,
    Unauthenticated,
    Unavailable,
    UnavailableCause,
    UnknownToken,
    UnsupportedMediaType,
    UserMismatch,
)
from riskrelay.web.console.visits import ForgedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The texts of an error page.

    Attributes:
        details: one line for each mistake, if there are several.
        sign_in: whether the user has to sign in again.
    """

    status: int
    title: str
    advice: str
    details: tuple[str, ...] = ()
    sign_in: bool = False


NOT_FOUND = Failure(
    status=404, title="Page not found", advice="The page may have been deleted, or the address may be wrong."
)
METHOD_NOT_ALLOWED = Failure(
    status=405, title="Method not allowed", advice="Return to the previous page and try again."
)
MALFORMED_REQUEST = Failure(
    status=400,
    title="Invalid request",
    advice="The request must have exactly one Host header field. Check the proxy between your browser and the console.",
)
UNAVAILABLE = Failure(status=503, title="The service is busy", advice="Nothing was changed. Try again in a moment.")
_INTERNAL = Failure(
    status=500,
    title="Internal error",
    advice="The service failed to handle the request. Try again. If the problem continues, see the log of the service.",
)
_FORBIDDEN = Failure(
    status=403,
    title="Permission denied",
    advice="Your token lacks the required scope, or it belongs to another account. Sign in with another token. "
    "To create one, see `riskrelay token create --help`.",
)
_UNREADABLE = Failure(
    status=400, title="Invalid form", advice="Nothing was changed. Reload the page and submit the form again."
)
_ENDED = Failure(
    status=401,
    title="Session expired",
    advice="Nothing was changed. Sign in again, then repeat the action. A session ends after one hour without use, "
    "after twelve hours, or when its token expires or is revoked.",
    sign_in=True,
)
_FORGED = Failure(
    status=403,
    title="Invalid form",
    advice="Nothing was changed. Reload the page and try again. The page may be older than your current session, or "
    "the address may differ from the public URL of the service.",
    sign_in=True,
)


def failure_of(error: Exception) -> Failure:
    """Return the page for an error: the row of its class, or of its nearest base class.

    An error without a row gets a general page.
    """
    row = next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), _INTERNAL)
    return row if isinstance(row, Failure) else row(error)


def _invalid(error: Any) -> Failure:
    lines = tuple(fault.sentence for fault in error.faults)
    return Failure(
        status=400,
        title="Invalid input",
        advice="Nothing was changed. Go back and fix these fields:",
        details=lines,
    )


def _rate_limited(error: Any) -> Failure:
    return Failure(status=429, title="Too many requests", advice=f"Wait {error.wait_seconds} s, then try again.")


def _unavailable(error: Any) -> Failure:
    cause = error.cause or UnavailableCause.REFUSED
    advice = (
        "The change may not have been stored. Try again in a moment. If the problem continues, run `riskrelay doctor` "
        "on the machine that runs the service."
    )
    return Failure(status=503, title=f"The service cannot use its database: {cause}", advice=advice)


_BY_ERROR: Mapping[type[Exception], Failure | Callable[[Any], Failure]] = {
    ForgedRequest: _FORGED,
    Invalid: _invalid,
    RateLimited: _rate_limited,
    NotFound: NOT_FOUND,
    Forbidden: _FORBIDDEN,
    Unavailable: _unavailable,
    **dict.fromkeys((Unauthenticated, NoCredentials, MalformedCredentials, UnknownToken, SessionEnded), _ENDED),
    **dict.fromkeys((BodyTooLarge, UnsupportedMediaType), _UNREADABLE),
    # No request ends with these unless the code is wrong: they are handled where they are raised.
    **dict.fromkeys((UserMismatch, Misconfigured, LeaseLost, LaneWithdrawn), _INTERNAL),
}
"""The page of every error, or what makes it from the error."""
