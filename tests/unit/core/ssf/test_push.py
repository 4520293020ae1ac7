"""What a receiver's answer means."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind, Phases
from riskrelay.core.ssf.push import RETRY_AFTER_CAP, outcome_of, retry_after
from support.services import NOON

ERROR = b'{"err": "invalid_audience", "description": "not mine"}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "reason"),
    [
        (202, {}, b"", OutcomeKind.ACCEPTED, "accepted"),
        (200, {}, b"<html>\xff", OutcomeKind.ACCEPTED, "accepted"),
        (204, {}, b"", OutcomeKind.ACCEPTED, "accepted"),
        (400, {}, ERROR, OutcomeKind.REJECTED, "invalid_audience"),
        (400, {}, b'{"err": "invalid_state"}', OutcomeKind.REJECTED, "invalid_state"),
        (400, {}, b'{"err": "made_up"}', OutcomeKind.REJECTED, "unregistered_err"),
        (400, {}, b"bad gateway", OutcomeKind.TRANSIENT, "bad_request_without_err"),
        (400, {}, b'{"err":"x","a":' + b"[" * 60_000, OutcomeKind.TRANSIENT, "bad_request_without_err"),
        (401, {}, b"", OutcomeKind.AUTH, "http_401"),
        (403, {}, b"", OutcomeKind.AUTH, "http_403"),
        (410, {}, b"", OutcomeKind.GONE, "http_410"),
        (429, {}, b"", OutcomeKind.THROTTLED, "http_429"),
        (503, {"Retry-After": "5"}, b"", OutcomeKind.THROTTLED, "http_503"),
        (503, {}, b"", OutcomeKind.TRANSIENT, "http_503"),
        (500, {}, b"", OutcomeKind.TRANSIENT, "http_500"),
        (302, {"Location": "https://elsewhere.example"}, b"", OutcomeKind.TRANSIENT, "http_302"),
        (404, {}, b"", OutcomeKind.TRANSIENT, "http_404"),
    ],
)
def test_each_answer_has_its_outcome(
    status: int, headers: dict[str, str], body: bytes, kind: OutcomeKind, reason: str
) -> None:
    """RFC 8935 §2.2 to 2.4; a body never changes the outcome of a 2xx."""
    outcome = outcome_of(status, headers, body, NOON)
    assert (outcome.kind, outcome.reason, outcome.status) == (kind, reason, status)


TRANSIENT, AUTH, REJECTED = OutcomeKind.TRANSIENT, OutcomeKind.AUTH, OutcomeKind.REJECTED
IN_A_MINUTE = {"Retry-After": "Tue, 17 Mar 2026 12:01:00 GMT"}
MINUTE = timedelta(minutes=1)
MEASURED = Phases(connect=timedelta(milliseconds=2))


@pytest.mark.parametrize(
    ("status", "headers", "kind", "reason", "wait"),
    [
        (400, {}, TRANSIENT, "bad_request_without_err", None),
        (401, {}, AUTH, "http_401", None),
        (410, {}, OutcomeKind.GONE, "http_410", None),
        (429, IN_A_MINUTE, OutcomeKind.THROTTLED, "http_429", MINUTE),
        (503, IN_A_MINUTE, OutcomeKind.THROTTLED, "http_503", MINUTE),
        (500, IN_A_MINUTE, TRANSIENT, "http_500", None),
    ],
)
def test_an_outcome_keeps_the_wait_the_response_and_the_phases(
    status: int, headers: dict[str, str], kind: OutcomeKind, reason: str, wait: timedelta | None
) -> None:
    """Of a long response the first 500 characters are kept; control characters are replaced."""
    detail = "no�" + "é" * 497
    expected = Outcome(kind=kind, reason=reason, status=status, retry_after=wait, detail=detail, phases=MEASURED)
    assert outcome_of(status, headers, ("no\n" + "é" * 600).encode(), NOON, MEASURED) == expected


@pytest.mark.parametrize(
    ("body", "kind", "reason", "detail"),
    [
        (ERROR, REJECTED, "invalid_audience", "invalid_audience: not mine"),
        (b'{"err": "invalid_state"}', REJECTED, "invalid_state", "invalid_state"),
        (b'{"err": "made_up", "description": "a"}', REJECTED, "unregistered_err", "made_up: a"),
        (b'{"err": "access_denied", "description": "a"}', AUTH, "access_denied", "access_denied: a"),
    ],
)
def test_a_refusal_keeps_its_code_and_description(body: bytes, kind: OutcomeKind, reason: str, detail: str) -> None:
    """An unregistered code is only in the detail."""
    assert outcome_of(400, {}, body, NOON) == Outcome(kind=kind, reason=reason, status=400, detail=detail)


def test_an_accepted_set_keeps_its_phases() -> None:
    """For the metrics of each phase."""
    accepted = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202, phases=MEASURED)
    assert outcome_of(202, {}, b"", NOON, MEASURED) == accepted


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("0", timedelta(0)),
        (" 90 ", timedelta(seconds=90)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("999999999999999999999", RETRY_AFTER_CAP),
        ("Tue, 17 Mar 2026 12:01:00", timedelta(minutes=1)),
        ("Tue, 17 Mar 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Tue, 17 Mar 2020 12:01:00 GMT", timedelta(0)),
        ("Tue, 17 Mar 2036 12:01:00 GMT", RETRY_AFTER_CAP),
        ("Tue, 17 Mar 2026 12:01:00 +99999999999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", RETRY_AFTER_CAP),
    ],
)
def test_retry_after_in_seconds_as_a_date_or_garbage(value: str | None, wait: timedelta | None) -> None:
    """faults.md 26: honoured, capped at 24 hours, garbage is as if absent."""
    assert retry_after(value, NOON) == wait


@given(st.integers(100, 599), st.text(), st.binary(max_size=300))
def test_whatever_a_receiver_sends_there_is_an_outcome(status: int, header: str, body: bytes) -> None:
    """Never an exception; what is kept is short and printable."""
    outcome = outcome_of(status, {"Retry-After": header}, body, NOON)
    assert len(outcome.detail) <= 500
    assert outcome.detail.isprintable()
    assert (outcome.kind is OutcomeKind.ACCEPTED) == (200 <= status < 300)
