"""When a stream is rejecting, and when it no longer is."""

import pytest

from riskrelay.core.delivery.rejecting import WINDOW_ANSWERS, is_rejecting, with_outcomes
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind

ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)


@pytest.mark.parametrize(
    ("recent", "rejecting"),
    [
        ("", False),
        ("r", True),
        ("a", False),
        ("ar", True),
        ("aar", False),
        ("a" * 11 + "r" * 9, False),
        ("a" * 10 + "r" * 10, True),
        ("r" * 20, True),
        ("r" * 16 + "aaaa", True),
        ("r" * 15 + "aaaaa", False),
        ("ra" * 10, True),
    ],
)
def test_half_of_the_window_is_rejecting_and_five_accepted_events_end_it(recent: str, rejecting: bool) -> None:
    """The share counts, over at most the last 20 answers, whatever their number."""
    assert is_rejecting(recent) is rejecting


def test_only_answers_about_an_event_count() -> None:
    """A timeout, a 401, a 410, a 429 or a failure on our side says nothing about what the receiver thinks of events."""
    others = [
        Outcome(kind=kind, reason="x")
        for kind in OutcomeKind
        if kind not in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED)
    ]
    assert with_outcomes("ra", [*others, REFUSED, *others, ACCEPTED]) == "rara"


def test_the_window_keeps_the_latest_answers() -> None:
    """A batch larger than the window leaves its end."""
    recent = with_outcomes("a" * WINDOW_ANSWERS, [REFUSED] * 300 + [ACCEPTED] * 3)
    assert recent == "r" * (WINDOW_ANSWERS - 3) + "aaa"
