"""Whether a receiver refuses what it gets. Pure."""

from collections.abc import Iterable

from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind

WINDOW_ANSWERS = 20
"""How many of the latest answers count. Answers and not minutes, so that a stream with one event a day is judged like
a busy one; twenty, so that one refused event among accepted ones says nothing."""

REJECTING_SHARE = 0.5
"""From this share of refusals in the window on, a stream is rejecting. A wrong audience or key makes a receiver refuse
all, a receiver that does not know some users refuses a few: half lies between the two, and is a loss worth an alert."""

RECOVERED_ANSWERS = 5
"""So many accepted events in a row end it at once: a fixed receiver must not look broken until the window is over."""

_ACCEPTED, _REFUSED = "a", "r"
_LETTERS = {OutcomeKind.ACCEPTED: _ACCEPTED, OutcomeKind.REJECTED: _REFUSED}


def with_outcomes(recent: str, outcomes: Iterable[Outcome]) -> str:
    """Add a batch to a lane's recent answers.

    Args:
        recent: a letter for each answer, the oldest first: `a` for accepted, `r` for refused.
        outcomes: in the order in which they ended. Only those count that judge an event: a timeout does not.

    Returns: at most `WINDOW_ANSWERS` letters.

    >>> refused = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_key")
    >>> failed = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500")
    >>> with_outcomes("aa", [refused, failed, Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted")])
    'aara'
    """
    added = "".join(_LETTERS.get(outcome.kind, "") for outcome in outcomes)
    return (recent + added)[-WINDOW_ANSWERS:]


def is_rejecting(recent: str) -> bool:
    """Say whether a lane's receiver refuses what it gets.

    Args:
        recent: as in `with_outcomes`.

    >>> is_rejecting("r"), is_rejecting("aaar"), is_rejecting("r" * 15 + "aaaaa"), is_rejecting("")
    (True, False, False, False)
    """
    if not recent or recent.endswith(_ACCEPTED * RECOVERED_ANSWERS):
        return False
    return refusals(recent) >= REJECTING_SHARE * len(recent)


def refusals(recent: str) -> int:
    """Count the refusals among a lane's recent answers."""
    return recent.count(_REFUSED)
