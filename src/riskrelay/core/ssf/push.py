"""Responses of receivers to pushed SETs, as outcomes (RFC 8935)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from riskrelay.core.ssf.outcomes import NO_PHASES, Outcome, OutcomeKind, Phases
from riskrelay.core.ssf.receiver_errors import (
    REGISTERED_ERRORS,
    TRANSMITTER_ERRORS,
    SetError,
    decoded,
    read_set_error,
)

RETRY_AFTER_CAP = timedelta(hours=24)  # faults.md row 26
_DETAIL_CHARACTERS = 500


def outcome_of(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, phases: Phases = NO_PHASES
) -> Outcome:
    """Return the outcome of a receiver's response.

    Args:
        status: the HTTP status code.
        headers: case-insensitive.
        body: any bytes, at most the first 64 KiB. The body never changes the outcome of a 2xx.
        now: aware UTC, to read a `Retry-After` that is a date.
        phases: the durations of the attempt, copied to the outcome.

    Returns: the outcome. No response raises an exception.
    Rule: RFC 8935 §2.2 (202; any 2xx is accepted), §2.3 (400 with `err`), §2.4 (codes; two of them are about the
        transmitter, as 401 and 403 are); 3xx are never followed.
    """
    if 200 <= status < 300:
        return Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=status, phases=phases)
    return msgspec.structs.replace(_failure_of(status, headers, body, now), phases=phases)


def _failure_of(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
    """Return the outcome of a response that is not a 2xx."""
    detail = _printable(decoded(body[: 4 * _DETAIL_CHARACTERS]))
    if status == 400:
        error = read_set_error(body)
        if error is None:
            return Outcome(kind=OutcomeKind.TRANSIENT, reason="bad_request_without_err", status=status, detail=detail)
        if error.err in TRANSMITTER_ERRORS:
            return Outcome(kind=OutcomeKind.AUTH, reason=error.err, status=status, detail=_said(error))
        return rejection(error, status)
    if status in (401, 403):
        return Outcome(kind=OutcomeKind.AUTH, reason=f"http_{status}", status=status, detail=detail)
    if status == 410:
        return Outcome(kind=OutcomeKind.GONE, reason="http_410", status=status, detail=detail)
    if status in (429, 503):
        wait = retry_after(headers.get("Retry-After"), now)
        if wait is not None or status == 429:
            return Outcome(
                kind=OutcomeKind.THROTTLED, reason=f"http_{status}", status=status, retry_after=wait, detail=detail
            )
    return Outcome(kind=OutcomeKind.TRANSIENT, reason=f"http_{status}", status=status, detail=detail)


def rejection(error: SetError, status: int | None = None) -> Outcome:
    """Return the outcome of a SET that its receiver refuses, by push or by polling.

    Rule: RFC 8935 §2.3, §2.4; RFC 8936 §2.4.4 (the same codes).
    """
    reason = error.err if error.err in REGISTERED_ERRORS else "unregistered_err"
    return Outcome(kind=OutcomeKind.REJECTED, reason=reason, status=status, detail=_said(error))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a `Retry-After` header.

    Returns: the delay, from zero to 24 hours; None: the header is absent or unreadable.
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


def _said(error: SetError) -> str:
    return _printable(f"{error.err}: {error.description}" if error.description else error.err)


def _printable(text: str) -> str:
    """Return at most 500 characters that are safe to store and show: control characters and bad UTF-8 are replaced."""
    start = text[:_DETAIL_CHARACTERS].encode(errors="replace").decode()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in start)
