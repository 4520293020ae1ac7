"""What a step of the database's clock means for waits and ages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.core.delivery.clock import (
    BACKWARD,
    CONFIRMED_AFTER,
    FORWARD,
    LONGEST_WAIT,
    MAX_STEPS,
    ClockReading,
    ClockRecord,
    ClockStep,
    confirmed_now,
    legal_wait,
    step_between,
    too_old_before,
    with_step,
)
from support.services import NOON

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NONE = timedelta(0)
BEFORE = ClockReading(now=NOON, steps_recorded=0, monotonic=100.0)


@pytest.mark.parametrize(
    ("jumped", "found"),
    [
        (NONE, NONE),
        (-BACKWARD, -BACKWARD),
        (-BACKWARD + timedelta(seconds=1), NONE),
        (-HOUR, -HOUR),
        (FORWARD, FORWARD),
        (FORWARD - timedelta(seconds=1), NONE),
        (20 * DAY, 20 * DAY),
    ],
)
def test_a_jump_is_what_the_seconds_do_not_explain(jumped: timedelta, found: timedelta) -> None:
    """A second passed; whatever the clock moved beyond it is the step."""
    record = ClockRecord(seen_at=NOON - timedelta(seconds=30))
    step = step_between(record, BEFORE, NOON + timedelta(seconds=1) + jumped, 101.0)
    assert step == found


def test_a_step_that_another_process_recorded_is_not_found_again() -> None:
    """It has changed what waits already."""
    record = ClockRecord(seen_at=NOON - HOUR, steps_recorded=1)
    assert step_between(record, BEFORE, NOON - HOUR, 101.0) == NONE


def test_a_process_that_was_suspended_finds_no_step_while_others_watched() -> None:
    """Its own seconds stood still; the record shows that the clock went on steadily."""
    record = ClockRecord(seen_at=NOON + 3 * HOUR - timedelta(seconds=20))
    assert step_between(record, BEFORE, NOON + 3 * HOUR, 101.0) == NONE


def test_time_that_nobody_watched_counts_as_a_jump() -> None:
    """At the start of the only process; a short restart does not."""
    record = ClockRecord(seen_at=NOON)
    assert step_between(record, None, NOON + DAY, 5.0) == DAY
    assert step_between(record, None, NOON + timedelta(minutes=9), 5.0) == NONE
    assert step_between(record, None, NOON - HOUR, 5.0) == -HOUR
    assert step_between(ClockRecord(), None, NOON, 5.0) == NONE


def steps(*found: tuple[timedelta, timedelta]) -> ClockRecord:
    """A record that was seen at noon, with steps: so long before noon, by so much."""
    return ClockRecord(seen_at=NOON, steps=[ClockStep(at=NOON - ago, by=by) for ago, by in found])


@pytest.mark.parametrize(
    ("record", "before"),
    [
        (steps(), NOON - WEEK),
        (steps((HOUR, 20 * DAY)), NOON - WEEK - 20 * DAY),
        (steps((HOUR - 20 * DAY, 20 * DAY), (HOUR, -20 * DAY)), NOON - WEEK),
        (steps((HOUR, -20 * DAY)), NOON - WEEK),
        (steps((8 * DAY, 20 * DAY)), NOON - WEEK),
        (steps((3 * DAY, DAY), (2 * DAY, DAY)), NOON - WEEK - 2 * DAY),
        (steps((DAY * 7 + HOUR, DAY), (HOUR, DAY)), NOON - WEEK - 2 * DAY),
    ],
)
def test_what_the_clock_skipped_makes_nothing_older(record: ClockRecord, before: object) -> None:
    """A step counts as long as something from before it could be that old."""
    assert too_old_before(record, NOON + timedelta(seconds=30), WEEK) == before


def test_an_age_is_never_judged_by_a_reading_that_was_not_compared() -> None:
    """The clock says now that it is 20 days later."""
    assert too_old_before(ClockRecord(seen_at=NOON), NOON + 20 * DAY, WEEK) == NOON - WEEK
    assert too_old_before(ClockRecord(seen_at=NOON), NOON - DAY, WEEK) == NOON - DAY - WEEK
    assert too_old_before(ClockRecord(), NOON, WEEK) == NOON - WEEK


def test_the_record_is_bounded() -> None:
    """A clock that jumps again and again; every step is counted."""
    record = ClockRecord(seen_at=NOON)
    for number in range(MAX_STEPS + 5):
        record = with_step(record, ClockStep(at=NOON + number * HOUR, by=HOUR))
    assert (len(record.steps), record.steps_recorded) == (MAX_STEPS, MAX_STEPS + 5)
    assert record.steps[-1].at == NOON + (MAX_STEPS + 4) * HOUR


def test_only_a_wait_that_none_may_be_is_ended() -> None:
    """A Retry-After may be as long as the cap."""
    assert legal_wait(LONGEST_WAIT) == LONGEST_WAIT
    assert legal_wait(LONGEST_WAIT + timedelta(microseconds=1)) == NONE


def test_a_step_keeps_the_last_compared_reading() -> None:
    """Only a comparison of two readings changes it."""
    assert with_step(ClockRecord(seen_at=NOON), ClockStep(at=NOON, by=HOUR)).seen_at == NOON


def test_a_steady_clock_is_confirmed_at_once() -> None:
    """Also before any reading was compared, and when it was set back."""
    assert confirmed_now(ClockRecord(), NOON) == NOON
    assert confirmed_now(ClockRecord(seen_at=NOON), NOON + HOUR / 10) == NOON + HOUR / 10
    back = ClockRecord(seen_at=NOON, steps=[ClockStep(at=NOON, by=-HOUR)])
    assert confirmed_now(back, NOON) == NOON


def test_a_reading_that_no_process_compared_confirms_nothing() -> None:
    """A jump between two scans, or the first moments after a long stop."""
    assert confirmed_now(ClockRecord(seen_at=NOON), NOON + 300 * DAY) == NOON


def test_a_jump_forward_is_confirmed_when_the_clock_keeps_its_course() -> None:
    """Until then the time runs as if it had not happened; of several jumps, too."""
    jumped = NOON + 300 * DAY
    record = ClockRecord(seen_at=jumped, steps=[ClockStep(at=jumped, by=300 * DAY)])
    almost = CONFIRMED_AFTER - timedelta(seconds=1)
    for later, confirmed in ((NONE, NOON), (almost, NOON + almost), (CONFIRMED_AFTER, jumped + CONFIRMED_AFTER)):
        assert confirmed_now(replace(record, seen_at=jumped + later), jumped + later) == confirmed
    again = with_step(record, ClockStep(at=jumped + HOUR / 10 + DAY, by=DAY))
    again = replace(again, seen_at=jumped + HOUR / 10 + DAY)
    assert confirmed_now(again, jumped + HOUR / 10 + DAY) == NOON + HOUR / 10


def test_a_jump_that_was_put_right_is_forgotten() -> None:
    """Forward for a minute and back: the time is the clock's again, at once."""
    jumped, minute = NOON + 300 * DAY, timedelta(minutes=1)
    record = with_step(ClockRecord(), ClockStep(at=jumped, by=300 * DAY))
    record = replace(with_step(record, ClockStep(at=NOON + minute, by=-300 * DAY)), seen_at=NOON + minute)
    assert confirmed_now(record, NOON + minute) == NOON + minute
    assert confirmed_now(record, NOON + HOUR / 10) == NOON + HOUR / 10


def test_the_times_between_steps_add_up_to_the_confirmation() -> None:
    """A step is confirmed when the clock has kept its course for CONFIRMED_AFTER since, without later steps."""
    later = ClockStep(at=NOON - CONFIRMED_AFTER * 0.6, by=HOUR)
    earlier = ClockStep(at=later.at - HOUR - CONFIRMED_AFTER * 0.6, by=DAY)
    record = ClockRecord(seen_at=NOON, steps=[earlier, later], steps_recorded=2)
    assert confirmed_now(record, NOON) == NOON - HOUR


def test_a_reading_far_from_the_last_compared_one_is_a_jump() -> None:
    """Exactly FORWARD after it, the last compared reading counts; before, the clock does."""
    record = ClockRecord(seen_at=NOON)
    second = timedelta(seconds=1)
    assert confirmed_now(record, NOON + FORWARD) == NOON
    assert confirmed_now(record, NOON + FORWARD - second) == NOON + FORWARD - second


def test_a_step_at_the_limit_of_age_makes_nothing_younger() -> None:
    """Only steps after the moment that is compared moved it away."""
    at_the_limit = ClockStep(at=NOON - DAY, by=HOUR)
    assert too_old_before(ClockRecord(seen_at=NOON, steps=[at_the_limit], steps_recorded=1), NOON, DAY) == NOON - DAY
