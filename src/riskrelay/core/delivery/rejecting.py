"""Whether a receiver rejects the events that it gets. Pure."""

from collections.abc import Iterable

from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind

WINDOW_ANSWERS = 20
"""The number of latest answers that count. It counts answers and not minutes, so that a stream with one event a day is
judged like a busy one. With twenty, a single refused event among accepted ones is not enough."""

REJECTING_SHARE = 0.5
"""The share of refusals in the window from which a stream is rejecting. A wrong audience or key makes a receiver refuse
all events; a receiver that does not know some users refuses a few. Half lies between the two."""

RECOVERED_ANSWERS = 5
"""This many accepted events in a row end it, so that a fixed receiver is not shown as broken until the window ends."""

_ACCEPTED, _REFUSED = "a", "r"
_LETTERS = {OutcomeKind.ACCEPTED: _ACCEPTED, OutcomeKind.REJECTED: _REFUSED}


def with_outcomes(recent: str, outcomes: Iterable[Outcome]) -> str:
    """Add a batch to a lane's recent answers.

    Args:
        recent: a letter for each answer, the oldest first: `a` for accepted, `r` for refused.
        outcomes: in the order in which the attempts ended. Only accepted and refused events count; a timeout doesn't.

    Returns: at most `WINDOW_ANSWERS` letters.

    >>> refused = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_key")
    >>> failed = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500")
    >>> with_outcomes("aa", [refused, failed, Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted")])
    'aara'
    """
    added = "".join(_LETTERS.get(outcome.kind, "") for outcome in outcomes)
    return (recent + added)[-WINDOW_ANSWERS:]


def is_rejecting(recent: str) -> bool:
    """Return whether a lane's receiver rejects the events that it gets.

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
