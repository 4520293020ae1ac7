"""The time ranges of charts, and their steps. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId
from riskrelay.ports import FindingCounts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[datetime, *tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that ends now, in some sixty to a hundred steps."""

    name: str
    length: timedelta
    step: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """Return the starts of the steps, in order. The last step has not ended."""
        last = _EPOCH + (now - _EPOCH) // self.step * self.step
        return [last - self.step * place for place in reversed(range(self.length // self.step))]


WINDOWS = {
    window.name: window
    for window in (
        Window("1h", timedelta(hours=1), timedelta(minutes=1)),
        Window("6h", timedelta(hours=6), timedelta(minutes=5)),
        Window("24h", timedelta(hours=24), timedelta(minutes=15)),
    )
}


def level_rows(levels: Mapping[datetime, Sequence[int]], starts: Sequence[datetime]) -> list[Row]:
    """Return the users by level at each start; None for a step without counts. Empty if no step has counts."""
    return [(at, *levels.get(at, (None, None, None))) for at in starts] if levels else []


def behaviors_in(counts: FindingCounts) -> list[BehaviorId]:
    """Return the behaviors with findings: built-in ones in the table's order, then the account's own by id."""
    found = {behavior for _, behavior in counts}
    return [*(behavior for behavior in BEHAVIORS if behavior in found), *sorted(found - BEHAVIORS.keys())]


def finding_rows(counts: FindingCounts, starts: Sequence[datetime], step: timedelta) -> list[Row]:
    """Return the findings per minute at each start, of each behavior with findings; empty if no behavior has some."""
    behaviors, minutes = behaviors_in(counts), step / timedelta(minutes=1)
    if not behaviors:
        return []
    return [(at, *(round(counts.get((at, one), 0) / minutes, 2) for one in behaviors)) for at in starts]
