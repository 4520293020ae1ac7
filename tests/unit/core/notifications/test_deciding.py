"""The changes that a channel is notified of: opened, still open, over; and how often."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from riskrelay.core.notifications.channels import Channel, Condition
from riskrelay.core.notifications.deciding import (
    MAX_ATTEMPTS,
    MESSAGES_PER_HOUR,
    REPEAT_AFTER,
    News,
    NotifiedProblem,
    Pace,
    changes_for,
    next_attempt,
)
from riskrelay.core.notifications.problems import Problem
from support.notifications import CHANNEL, HOUR
from support.services import NOON

MINUTE = timedelta(minutes=1)


def problem(condition: Condition = Condition.PAUSED, thing_id: str = "i1", waited: timedelta | None = None) -> Problem:
    return Problem(
        condition=condition, thing_id=thing_id, name="okta", reason="R.", remedy="M.", page=(), waited=waited
    )


def notified(age: timedelta, condition: Condition = Condition.PAUSED) -> NotifiedProblem:
    at = NOON - age
    return NotifiedProblem(condition=condition, thing_id="i1", name="okta", opened_at=at, notified_at=at)


def news(channel: Channel, before: list[NotifiedProblem], *problems: Problem) -> list[tuple[News, Condition]]:
    return [(one.news, one.notified.condition) for one in changes_for(channel, before, problems, NOON)]


def test_a_condition_is_reported_once_when_it_opens_and_once_when_it_is_over() -> None:
    """In between, and afterwards, there is no message."""
    assert news(CHANNEL, [], problem()) == [(News.OPENED, Condition.PAUSED)]
    assert news(CHANNEL, [notified(MINUTE)], problem()) == []
    assert news(CHANNEL, [notified(MINUTE)]) == [(News.CLEARED, Condition.PAUSED)]
    assert news(CHANNEL, []) == []


def test_a_condition_that_lasts_is_repeated_after_a_day() -> None:
    """It keeps the time at which it opened, and counts as notified from now on."""
    almost = REPEAT_AFTER - timedelta(seconds=1)
    assert news(CHANNEL, [notified(almost)], problem()) == []
    (change,) = changes_for(CHANNEL, [notified(REPEAT_AFTER)], [problem()], NOON)
    assert (change.news, change.notified.opened_at, change.notified.notified_at) == (
        News.STILL_OPEN,
        NOON - REPEAT_AFTER,
        NOON,
    )


def test_a_channel_is_notified_only_what_it_chose() -> None:
    """Other conditions, and shorter waits than its own, are not reported as open, and are not reported as over."""
    assert news(CHANNEL, [], problem(Condition.DISK, "")) == []
    assert news(CHANNEL, [], problem(Condition.BACKLOG, waited=HOUR)) == []
    assert news(CHANNEL, [], problem(Condition.BACKLOG, waited=HOUR + MINUTE)) == [(News.OPENED, Condition.BACKLOG)]
    assert news(CHANNEL, [notified(MINUTE, Condition.DISK)]) == []
    assert news(replace(CHANNEL, active=False), [notified(MINUTE)], problem(thing_id="i2")) == []


def test_opened_conditions_come_first() -> None:
    """A message that is cut has the new problems."""
    before = [notified(MINUTE), notified(REPEAT_AFTER, Condition.BACKLOG)]
    found = news(CHANNEL, before, problem(thing_id="i2"), problem(Condition.BACKLOG, waited=2 * HOUR))
    assert [one for one, _ in found] == [News.OPENED, News.STILL_OPEN, News.CLEARED]


def test_a_channel_gets_ten_messages_an_hour() -> None:
    """The hour begins with the first message. A clock that was set back does not hold the channel back."""
    pace = Pace()
    for number in range(MESSAGES_PER_HOUR):
        assert pace.has_room(NOON + number * MINUTE)
        pace = pace.with_message(NOON + number * MINUTE)
    assert not pace.has_room(NOON + 59 * MINUTE)
    assert pace.free_at(NOON + 30 * MINUTE) == NOON + HOUR
    assert pace.has_room(NOON + HOUR)
    assert pace.has_room(NOON - MINUTE)
    assert pace.with_message(NOON + HOUR) == Pace(hour_began_at=NOON + HOUR, sent_in_hour=1)


def test_the_time_since_which_changes_wait_is_kept_until_the_next_message() -> None:
    """So that the summary can name it."""
    held = Pace(hour_began_at=NOON, sent_in_hour=MESSAGES_PER_HOUR).held(NOON).held(NOON + MINUTE)
    assert held.held_since == NOON
    assert held.with_message(NOON + HOUR).held_since is None


@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS))
def test_the_waits_between_attempts_grow(attempts: int) -> None:
    """And end."""
    wait, following = next_attempt(attempts), next_attempt(attempts + 1)
    assert wait is not None
    assert following is None if attempts + 1 == MAX_ATTEMPTS else (following or MINUTE) > wait
