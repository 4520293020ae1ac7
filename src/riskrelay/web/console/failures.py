"""What the console says when something cannot be done: what happened, and what to do."""

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
    """A page that says why there is no other.

    Attributes:
        details: one line for each mistake, when there were several.
        sign_in: whether signing in again is the way on.
    """

    status: int
    title: str
    advice: str
    details: tuple[str, ...] = ()
    sign_in: bool = False


NOT_FOUND = Failure(
    status=404, title="There is nothing here", advice="It may have been deleted, or the address is mistyped."
)
METHOD_NOT_ALLOWED = Failure(
    status=405, title="This page takes no such request", advice="Go back to the page before, and start from there."
)
MALFORMED_REQUEST = Failure(
    status=400,
    title="This request cannot be read",
    advice="It must name this service in exactly one Host header field. Check the proxy between your browser and the "
    "console.",
)
UNAVAILABLE = Failure(status=503, title="The service is busy", advice="Nothing was changed. Try again in a moment.")
_INTERNAL = Failure(
    status=500,
    title="Something of ours failed",
    advice="Nothing you did is at fault. Try again; if it stays so, the service's log says what happened.",
)
_FORBIDDEN = Failure(
    status=403,
    title="Your token does not allow this",
    advice="Sign in with a token that has the scope for it and is good for this account: `riskrelay token create "
    "--help`.",
)
_UNREADABLE = Failure(
    status=400, title="This form cannot be read", advice="Nothing was changed. Send it from the page again."
)
_ENDED = Failure(
    status=401,
    title="Your session is over",
    advice="Nothing was changed. Sign in again, then repeat what you wanted to do. Sessions end after an hour "
    "without use, after twelve hours, and when their token is revoked or has expired.",
    sign_in=True,
)
_FORGED = Failure(
    status=403,
    title="This did not come from the console's own page",
    advice="Nothing was changed. Open the page again and repeat it there: it may have been open since before you "
    "last signed in, or the console was opened under another address than its public URL.",
    sign_in=True,
)


def failure_of(error: Exception) -> Failure:
    """Return the page for an error: its class's row, or else the nearest one's above it.

    An error without a row gets a page that says nothing of it.
    """
    row = next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), _INTERNAL)
    return row if isinstance(row, Failure) else row(error)


def _invalid(error: Any) -> Failure:
    lines = tuple(fault.sentence for fault in error.faults)
    return Failure(
        status=400,
        title="This cannot be done as it was sent",
        advice="Nothing was changed. Go back and mend:",
        details=lines,
    )


def _rate_limited(error: Any) -> Failure:
    return Failure(status=429, title="Too many requests", advice=f"Wait {error.wait_seconds} s, then go on.")


def _unavailable(error: Any) -> Failure:
    cause = error.cause or UnavailableCause.REFUSED
    advice = (
        "The change may not have been stored. Try again in a moment. If it stays so, run `riskrelay doctor` on the "
        "machine that serves: it says what to do."
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
