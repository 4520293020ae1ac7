"""When the worker scans for due lanes."""

from datetime import timedelta

from riskrelay.engine.scan_schedule import AFTER_ERROR, FULL_SCAN, SWEEP, ScanSchedule
from support.services import NOON

SECOND = timedelta(seconds=1)


def test_the_first_scan_is_due_at_once_and_the_next_a_sweep_later() -> None:
    """Whatever the clock says when the worker starts."""
    schedule = ScanSchedule()
    assert schedule.is_due(-1e9)
    schedule.begin(100.0)
    assert schedule.left(100.0) == SWEEP
    assert not schedule.is_due(100.9)
    assert schedule.is_due(101.0)
    assert schedule.left(200.0) == timedelta(0)


def test_a_request_brings_the_next_scan_forward_and_never_puts_it_off() -> None:
    """A lane that is due sooner than the next sweep is claimed in time."""
    schedule = ScanSchedule()
    schedule.begin(100.0)
    schedule.request(100.0, SECOND / 4)
    schedule.request(100.0, 60 * SECOND)
    assert schedule.left(100.0) == SECOND / 4


def test_after_an_error_the_next_scan_waits() -> None:
    """A database that is away is not asked again and again, even for a lane that is due."""
    schedule = ScanSchedule()
    schedule.begin(100.0)
    schedule.request(100.0, timedelta(0))
    schedule.put_off(100.0)
    assert schedule.left(100.0) == AFTER_ERROR


def test_a_scan_starts_where_the_one_before_ended_and_a_full_one_at_the_beginning() -> None:
    """Every half minute all lanes are read, which finds what a long transaction made due late."""
    schedule = ScanSchedule()
    schedule.begin(0.0)
    schedule.end(NOON)
    schedule.begin(FULL_SCAN.total_seconds() - 0.1)
    assert schedule.since == NOON
    schedule.begin(FULL_SCAN.total_seconds())
    assert schedule.since is None
    schedule.end(NOON)
    schedule.begin(FULL_SCAN.total_seconds() + 1)
    assert schedule.since == NOON
