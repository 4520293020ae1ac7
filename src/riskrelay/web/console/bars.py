"""The phases of an attempt as pieces of a bar. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from riskrelay.core.delivery.attempts import Attempt

_NAMES = {"dns": "DNS", "connect": "connect", "tls": "TLS", "first_byte": "first byte"}
REST = "other"
WIDTH = 1_000  # of the drawing, in its own units


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One phase.

    Attributes:
        number: which color it has: each phase always the same.
        took: None: there was no such phase, or it did not end.
        start, width: where it is drawn.
    """

    name: str
    number: int
    took: timedelta | None
    start: int
    width: int

    @property
    def milliseconds(self) -> float | None:
        """How long it took."""
        return None if self.took is None else self.took.total_seconds() * 1000


def pieces(attempt: Attempt) -> Sequence[Piece]:
    """Return the phases of an attempt in order, and the rest of its duration, as pieces of one bar."""
    phases = [(_NAMES[name], took) for name, took in attempt.outcome.phases._asdict().items()]
    known = sum((took for _, took in phases if took is not None), timedelta(0))
    phases.append((REST, max(attempt.duration - known, timedelta(0))))
    whole = max(attempt.duration, known, timedelta(microseconds=1))
    found: list[Piece] = []
    start = 0
    for number, (name, took) in enumerate(phases, 1):
        width = 0 if took is None else round(took / whole * WIDTH)
        found.append(Piece(name=name, number=number, took=took, start=start, width=width))
        start += width
    return found
