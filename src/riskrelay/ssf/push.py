"""What a receiver's answer to a pushed SET means (RFC 8935)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from riskrelay.ssf.outcomes import NO_PHASES, Outcome, OutcomeKind, Phases

RETRY_AFTER_CAP = timedelta(hours=24)  # faults.md row 26
_DETAIL_CHARACTERS = 500

# The registered error codes: RFC 8935 §2.4, and the one that SSF 1.0 §11 adds for a verification with a wrong state.
REGISTERED_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_key",
        "invalid_issuer",
        "invalid_audience",
        "authentication_failed",
        "access_denied",
        "invalid_state",
    }
)


class _ErrorBody(msgspec.Struct):
    err: str
    description: str = ""


def outcome_of(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, phases: Phases = NO_PHASES
) -> Outcome:
    """Read a receiver's answer.

    Args:
        status: the HTTP status code.
        headers: case-insensitive.
        body: at most the first 64 KiB; anything, of any receiver. It never changes the outcome of a 2xx.
        now: aware UTC, to read a `Retry-After` that is a date.
        phases: how long it took; told on.

    Returns: the outcome; it never raises, whatever the receiver sent.
    Rule: RFC 8935 §2.2 (202, any 2xx taken), §2.3 (400 with `err`), §2.4 (codes); 3xx are never followed.
    """
    if 200 <= status < 300:
        return Outcome(OutcomeKind.ACCEPTED, "accepted", status=status, phases=phases)
    return msgspec.structs.replace(_failure_of(status, headers, body, now), phases=phases)


def _failure_of(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
    """Read an answer that is no 2xx."""
    detail = _printable(body)
    if status == 400:
        error = _read_error(body)
        if error is None:
            return Outcome(OutcomeKind.TRANSIENT, "bad_request_without_err", status=status, detail=detail)
        return rejection(error.err, error.description, status)
    if status in (401, 403):
        return Outcome(OutcomeKind.AUTH, f"http_{status}", status=status, detail=detail)
    if status == 410:
        return Outcome(OutcomeKind.GONE, "http_410", status=status, detail=detail)
    if status in (429, 503):
        wait = retry_after(headers.get("Retry-After"), now)
        if wait is not None or status == 429:
            return Outcome(OutcomeKind.THROTTLED, f"http_{status}", status=status, retry_after=wait, detail=detail)
    return Outcome(OutcomeKind.TRANSIENT, f"http_{status}", status=status, detail=detail)


def rejection(err: str, description: str, status: int | None = None) -> Outcome:
    """A receiver's refusal of one SET, by push or by poll.

    Rule: RFC 8935 §2.3, §2.4; RFC 8936 §2.4.4 (the same codes).
    """
    reason = err if err in REGISTERED_ERRORS else "unregistered_err"
    text = _printable(f"{err}: {description}".encode(errors="replace"))
    return Outcome(OutcomeKind.REJECTED, reason, status=status, detail=text)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a `Retry-After` header.

    Returns: how long to wait, from zero to 24 hours; None when the header is absent or unreadable.
    Rule: RFC 9110 §10.2.3 (seconds or a date).

    >>> from datetime import UTC
    >>> retry_after("120", datetime(2026, 1, 1, tzinfo=UTC))
    datetime.timedelta(seconds=120)
    >>> retry_after("soon", datetime(2026, 1, 1, tzinfo=UTC))
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = int(text) if len(text) < 10 else RETRY_AFTER_CAP.total_seconds()
        return min(timedelta(seconds=seconds), RETRY_AFTER_CAP)
    try:
        until = parsedate_to_datetime(text)
        wait = until.replace(tzinfo=until.tzinfo or now.tzinfo) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), RETRY_AFTER_CAP)


def _read_error(body: bytes) -> _ErrorBody | None:
    try:
        return msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _printable(body: bytes) -> str:
    """At most 500 characters that are safe to store and show: control characters and bad UTF-8 replaced."""
    text = body[: 4 * _DETAIL_CHARACTERS].decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "�" for c in text)[:_DETAIL_CHARACTERS]
