"""How far back charts look."""

import itertools
from datetime import timedelta

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.web.console.windows import WINDOWS, behaviors_in, finding_rows, level_rows
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
    assert behaviors_in(counts) == [DLP, TRAVEL]
    rows = finding_rows(counts, starts, window.step)
    assert rows[-3:] == [(NOON - 2 * window.step, 0, 0), (NOON - window.step, 1.0, 0), (NOON, 0.2, 2.0)]
    assert finding_rows({}, starts, window.step) == []


def test_levels_that_were_not_counted_are_not_made_up() -> None:
    """The chart has a gap where the service did not run."""
    starts = WINDOWS["1h"].starts(NOON)
    rows = level_rows({NOON: [1, 2, 3]}, starts)
    assert rows[-2:] == [(starts[-2], None, None, None), (NOON, 1, 2, 3)]
    assert level_rows({}, starts) == []
