"""How far back charts look."""

import itertools
from datetime import timedelta

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.ports import DeliveryCounts
from riskrelay.web.console.windows import WINDOWS, delivery_series, finding_rows, level_rows, top_behaviors
from support.services import NOON

DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")


def test_every_window_has_whole_steps_that_end_with_the_one_that_runs() -> None:
    """At most a hundred of them: what a chart and its table bear."""
    for window in WINDOWS.values():
        starts = window.starts(NOON + timedelta(seconds=59))
        assert starts[-1] == NOON
        assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {window.step}
        assert len(starts) * window.step == window.length
        assert 60 <= len(starts) <= 100


def test_findings_are_shown_per_minute() -> None:
    """Whatever the step is; a minute without any is 0, a behavior that never occurs has no column."""
    window = WINDOWS["6h"]
    starts = window.starts(NOON)
    counts = {(NOON, TRAVEL): 10, (NOON, DLP): 1, (NOON - window.step, DLP): 5}
    assert top_behaviors(counts) == ([DLP, TRAVEL], False)
    rows = finding_rows(counts, starts, window.step)
    assert rows[-3:] == [(NOON - 2 * window.step, 0, 0), (NOON - window.step, 1.0, 0), (NOON, 0.2, 2.0)]
    assert finding_rows({}, starts, window.step) == []


def test_levels_that_were_not_counted_are_not_made_up() -> None:
    """The chart has a gap where the service did not run."""
    starts = WINDOWS["1h"].starts(NOON)
    rows = level_rows({NOON: [1, 2, 3]}, starts)
    assert rows[-2:] == [(starts[-2], None, None, None), (NOON, 1, 2, 3)]
    assert level_rows({}, starts) == []


def test_behaviors_beyond_the_fifth_are_one_series() -> None:
    """The five with the most findings, in the table's order and then the account's own; the rest is their sum."""
    starts = WINDOWS["1h"].starts(NOON)
    counts = {(NOON, BehaviorId(f"own_{number}")): number for number in range(1, 8)} | {(NOON, TRAVEL): 1}
    top, has_others = top_behaviors(counts)
    assert (top, has_others) == ([BehaviorId(f"own_{number}") for number in range(3, 8)], True)
    assert finding_rows(counts, starts, timedelta(minutes=1))[-1] == (NOON, 3, 4, 5, 6, 7, 4)


def test_deliveries_are_counted_by_what_was_added() -> None:
    """A step without counts has no value, and the next one has everything since the last count."""
    starts = WINDOWS["1h"].starts(NOON)
    of = {
        at: DeliveryCounts(
            delivered=delivered, pending=1, dead=0, latency_p50=None, latency_p99=timedelta(milliseconds=20)
        )
        for at, delivered in ((starts[0], 5), (starts[1], 8), (starts[3], 9))
    }
    series = delivery_series(of, starts)
    assert series.delivered[:5] == [None, 3, None, 1, None]
    assert series.waiting[:3] == [1, 1, None]
    assert series.p99[:3] == [20.0, 20.0, None]
    assert series.p50[0] is None
