"""The time ranges of charts, their steps, and the rows of charts. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId
from riskrelay.ports import DeliveryCounts, FindingCounts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOP = 5  # chosen: more colors can't be told apart

Row = tuple[datetime, *tuple[float | None, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time that ends now, in some sixty to a hundred steps.

    Attributes:
        words: how a sentence calls it.
    """

    name: str
    words: str
    length: timedelta
    step: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """Return the starts of the steps, in order. The last step has not ended."""
        last = _EPOCH + (now - _EPOCH) // self.step * self.step
        return [last - self.step * place for place in reversed(range(self.length // self.step))]


WINDOWS = {
    window.name: window
    for window in (
        Window(name="1h", words="last hour", length=timedelta(hours=1), step=timedelta(minutes=1)),
        Window(name="6h", words="last 6 hours", length=timedelta(hours=6), step=timedelta(minutes=5)),
        Window(name="24h", words="last 24 hours", length=timedelta(hours=24), step=timedelta(minutes=15)),
        Window(name="48h", words="last 48 hours", length=timedelta(hours=48), step=timedelta(minutes=30)),
    )
}


def level_rows(levels: Mapping[datetime, Sequence[int]], starts: Sequence[datetime]) -> list[Row]:
    """Return the users by level at each start; None for a step without counts. Empty if no step has counts."""
    return [(at, *levels.get(at, (None, None, None))) for at in starts] if levels else []


def top_behaviors(counts: FindingCounts) -> tuple[list[BehaviorId], bool]:
    """Return the five behaviors with the most findings, and whether there are others.

    They are in a fixed order, so that a behavior keeps its color: built-in ones first, then the account's own.
    """
    totals: Counter[BehaviorId] = Counter()
    for (_, behavior), findings in counts.items():
        totals[behavior] += findings
    top = {behavior for behavior, _ in sorted(totals.items(), key=lambda one: (-one[1], one[0]))[:_TOP]}
    ordered = [*(behavior for behavior in BEHAVIORS if behavior in top), *sorted(top - BEHAVIORS.keys())]
    return ordered, len(totals) > len(ordered)


def finding_rows(counts: FindingCounts, starts: Sequence[datetime], step: timedelta) -> list[Row]:
    """Return the findings per minute at each start, of each top behavior and of the others together.

    Returns: an empty list if no behavior has findings.
    """
    top, has_others = top_behaviors(counts)
    if not top:
        return []
    minutes = step / timedelta(minutes=1)
    others: Counter[datetime] = Counter()
    for (at, behavior), findings in counts.items():
        if behavior not in top:
            others[at] += findings
    rows: list[Row] = []
    for at in starts:
        found = [counts.get((at, behavior), 0) for behavior in top] + ([others[at]] if has_others else [])
        rows.append((at, *(round(number / minutes, 2) for number in found)))
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySeries:
    """Counts of deliveries at each start of a window; None for a step without counts.

    Attributes:
        delivered, refused: how many more at the end of a step than at the end of the step before.
        p50, p99: milliseconds.
    """

    delivered: Sequence[int | None]
    waiting: Sequence[int | None]
    refused: Sequence[int | None]
    p50: Sequence[float | None]
    p99: Sequence[float | None]


def delivery_series(counts: Mapping[datetime, DeliveryCounts], starts: Sequence[datetime]) -> DeliverySeries:
    """Return the counts of deliveries at each start."""
    found = [counts.get(at) for at in starts]
    return DeliverySeries(
        delivered=_increases([None if one is None else one.delivered for one in found]),
        waiting=[None if one is None else one.pending for one in found],
        refused=_increases([None if one is None else one.dead for one in found]),
        p50=[None if one is None else milliseconds_of(one.latency_p50) for one in found],
        p99=[None if one is None else milliseconds_of(one.latency_p99) for one in found],
    )


def spark(values: Sequence[float | None], highest: float | None = None) -> str:
    """Return the path of a sparkline in a box of 100 by 24. A gap in the values is a gap in the line.

    Args:
        highest: the value at the top, so that two lines have the same scale; None: the highest value.

    >>> spark([0, 5, None, 10])
    'M0.0 23.0 L33.3 12.0 M100.0 1.0'
    """
    top = max((value for value in values if value is not None), default=0) if highest is None else highest
    parts: list[str] = []
    is_drawing = False
    for place, value in enumerate(values):
        if value is not None:
            x, y = 100 * place / max(len(values) - 1, 1), 23 - 22 * value / (top or 1)
            parts.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y:.1f}")
        is_drawing = value is not None
    return " ".join(parts)


def _increases(totals: Sequence[int | None]) -> list[int | None]:
    """Return the increase of each total over the one before it.

    A total that is lower than the one before (a stream was deleted) has increased by nothing.

    >>> _increases([None, 5, 8, None, 9, 2])
    [None, None, 3, None, 1, 0]
    """
    found: list[int | None] = []
    before: int | None = None
    for total in totals:
        found.append(None if total is None or before is None else max(total - before, 0))
        before = before if total is None else total
    return found


def milliseconds_of(duration: timedelta | None) -> float | None:
    """Return a duration in milliseconds; None for None."""
    return None if duration is None else round(duration.total_seconds() * 1000, 1)
