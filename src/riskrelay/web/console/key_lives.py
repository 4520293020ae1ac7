"""The lives of signing keys as bars on one time axis. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from riskrelay.core.keys import SealedKey

WIDTH = 1_000  # of the drawing, in its own units
_LEAST = 6  # so that a short part can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class LifePart:
    """A part of a key's life: published in advance, signing, or retired and still published.

    Attributes:
        number: which color it has.
        start, width: where it is drawn.
    """

    words: str
    number: int
    start: int
    width: int


def life_of(key: SealedKey, first: datetime, now: datetime) -> Sequence[LifePart]:
    """Return the parts of a key's life until now.

    Args:
        first: the beginning of the axis, which ends now.
    """
    signs = min(key.signs_from or now, now)
    retired = min(key.retired_at or now, now)
    parts = [
        ("published in advance", 1, key.created_at, signs),
        ("signing", 3, signs, retired),
        ("retired, still published", 5, retired, now),
    ]
    whole = max((now - first).total_seconds(), 1.0)

    def place(at: datetime) -> int:
        return round((at - first).total_seconds() / whole * (WIDTH - _LEAST))

    return [
        LifePart(words=words, number=number, start=place(start), width=max(place(end) - place(start), _LEAST))
        for words, number, start, end in parts
        if end > start
    ]
