"""The bar of an attempt's phases."""

from datetime import timedelta

from msgspec import structs

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind, Phases
from riskrelay.web.console.bars import WIDTH, pieces
from support.services import NOON

MS = timedelta(milliseconds=1)
OUTCOME = Outcome(
    kind=OutcomeKind.ACCEPTED, reason="accepted", status=202, phases=Phases(10 * MS, 20 * MS, None, 50 * MS)
)
ATTEMPT = Attempt(seq=1, jti=Jti("j"), number=1, queued_at=NOON, started_at=NOON, duration=100 * MS, outcome=OUTCOME)


def test_phases_stand_in_their_order_and_fill_the_bar() -> None:
    """As wide as they were long; a phase that was not has no width; what is left is the rest."""
    found = pieces(ATTEMPT)
    assert [(piece.name, piece.milliseconds, piece.start, piece.width) for piece in found] == [
        ("DNS", 10, 0, 100),
        ("connect", 20, 100, 200),
        ("TLS", None, 300, 0),
        ("first byte", 50, 300, 500),
        ("other", 20, 800, 200),
    ]


def test_an_attempt_without_phases_is_all_rest() -> None:
    """One that ended before its first dial, in no time at all too."""
    failed = structs.replace(ATTEMPT, outcome=Outcome(kind=OutcomeKind.LOCAL, reason="blocked_address"))
    assert [piece.width for piece in pieces(failed)] == [0, 0, 0, 0, WIDTH]
    assert [piece.width for piece in pieces(structs.replace(failed, duration=timedelta(0)))] == [0, 0, 0, 0, 0]


def test_phases_that_last_longer_than_the_attempt_stay_within_the_bar() -> None:
    """The clocks of phases and attempts are read at different moments."""
    assert sum(piece.width for piece in pieces(structs.replace(ATTEMPT, duration=79 * MS))) == WIDTH
