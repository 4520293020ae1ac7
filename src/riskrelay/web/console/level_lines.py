"""The level of a user over time, as the rows of a chart. Pure."""

from collections.abc import Sequence
from datetime import datetime

from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import PastChange

LevelRow = tuple[datetime, int, str]
"""A time, the level from then on as a number (0: none), and in a word."""


def level_line(changes: Sequence[PastChange], current: RiskLevel | None, now: datetime) -> list[LevelRow]:
    """Return the level after each change, oldest first, and the level now.

    Args:
        changes: the latest first.

    Returns: an empty list without changes.
    """
    if not changes:
        return []
    rows = [_row(change.changed_at, change.current) for change in reversed(changes)]
    return [_row(changes[-1].changed_at, changes[-1].previous), *rows, _row(now, current)]


def _row(at: datetime, level: RiskLevel | None) -> LevelRow:
    return at, int(level or 0), level.word if level else "none"
