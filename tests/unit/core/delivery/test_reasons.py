"""Why an attempt failed, in words, and which texts of a receiver are shown."""

import pytest

from riskrelay.core.delivery.reasons import WITHHELD, explain, reason_in_words, shown_detail
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind


def test_a_reason_has_words_and_an_unknown_one_has_too() -> None:
    """An unknown reason asks for a report."""
    assert explain("timeout").words == "The receiver did not respond in time"
    assert explain("never_heard_of").words == "The attempt failed"
    assert "report it" in explain("never_heard_of").advice


@pytest.mark.parametrize(
    ("kind", "status", "detail", "shown"),
    [
        (OutcomeKind.TRANSIENT, None, "boom", "The receiver did not respond in time."),
        (OutcomeKind.TRANSIENT, 503, "kai@example.com", WITHHELD),
        (OutcomeKind.REJECTED, None, "kai@example.com", WITHHELD),
        (OutcomeKind.REJECTED, 400, "kai@example.com", WITHHELD),
        (OutcomeKind.TRANSIENT, 503, "", ""),
    ],
)
def test_a_receivers_text_needs_pii_read(kind: OutcomeKind, status: int | None, detail: str, shown: str) -> None:
    """With pii-read the stored text is shown as it is; without it, no text that a receiver wrote."""
    outcome = Outcome(kind=kind, reason="timeout", status=status, detail=detail)
    assert shown_detail(outcome, may_see_subjects=False) == shown
    assert shown_detail(outcome, may_see_subjects=True) == detail


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("http_503", "HTTP 503"),
        ("http_version", "http_version"),
        ("reach_12", "reach_12"),
        ("timeout", "the receiver did not respond in time (timeout)"),
        ("bad_request_without_err", "HTTP 400 without an error code (bad_request_without_err)"),
        ("never_heard_of", "never_heard_of"),
        ("", "unknown"),
    ],
)
def test_a_reason_in_words_keeps_its_code(reason: str, words: str) -> None:
    """Operators search for the code. A status needs none, and an unknown code has no words."""
    assert reason_in_words(reason) == words
