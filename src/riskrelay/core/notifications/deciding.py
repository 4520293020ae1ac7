"""Which changes a channel is notified of, and when. Pure.

A channel's state is the problems that it was notified of. A round compares these with the open problems, so a change
that is held back by the limit is not lost: the next message has it, unless it is over by then.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.notifications.channels import Channel, Condition
from riskrelay.core.notifications.problems import Problem

MESSAGES_PER_HOUR = 10  # chosen: more would be muted
REPEAT_AFTER = timedelta(days=1)  # specified
MAX_ATTEMPTS = 6  # chosen: with the waits below, more than six hours
_HOUR = timedelta(hours=1)
_WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 20, 60, 300))


class News(StrEnum):
    """What a message says about a condition."""

    OPENED = "opened"
    STILL_OPEN = "still_open"
    CLEARED = "cleared"


class NotifiedProblem(Struct, frozen=True, kw_only=True):
    """A problem that a channel was notified of.

    Attributes:
        notified_at: the last time.
    """

    condition: Condition
    thing_id: str
    name: str
    opened_at: datetime
    notified_at: datetime

    @property
    def key(self) -> tuple[Condition, str]:
        """The key of its problem."""
        return self.condition, self.thing_id


class Change(Struct, frozen=True, kw_only=True):
    """One entry of a message.

    Attributes:
        problem: None: it is over.
    """

    news: News
    notified: NotifiedProblem
    problem: Problem | None = None


class Pace(Struct, frozen=True, kw_only=True):
    """How many messages a channel got lately.

    Attributes:
        hour_began_at: None: it got none.
        held_since: since when changes wait because of the limit; None: none wait.
    """

    hour_began_at: datetime | None = None
    sent_in_hour: int = 0
    held_since: datetime | None = None

    def has_room(self, now: datetime) -> bool:
        """Return whether the limit allows another message."""
        return self._is_over(now) or self.sent_in_hour < MESSAGES_PER_HOUR

    def with_message(self, now: datetime) -> "Pace":
        """Return the pace after another message."""
        if self._is_over(now):
            return Pace(hour_began_at=now, sent_in_hour=1)
        return Pace(hour_began_at=self.hour_began_at, sent_in_hour=self.sent_in_hour + 1)

    def free_at(self, now: datetime) -> datetime:
        """Return when the limit allows another message."""
        return now if self.has_room(now) or self.hour_began_at is None else self.hour_began_at + _HOUR

    def held(self, now: datetime) -> "Pace":
        """Return the pace when changes wait."""
        return self if self.held_since is not None else replace(self, held_since=now)

    def _is_over(self, now: datetime) -> bool:
        return self.hour_began_at is None or not timedelta(0) <= now - self.hour_began_at < _HOUR


def changes_for(
    channel: Channel, notified: Sequence[NotifiedProblem], problems: Iterable[Problem], now: datetime
) -> list[Change]:
    """Return the changes of which a channel must be notified.

    Args:
        notified: the problems that it was notified of, and that were not reported as over.
        problems: all that are open now.

    Returns: opened ones first, then those that have lasted for another day, then those that are over. A condition that
        the channel no longer wants is not reported as over.
    """
    if not channel.active:
        return []
    before = {one.key: one for one in notified}
    now_open = {one.key: one for one in problems if one.concerns(channel)}
    opened = [
        Change(news=News.OPENED, problem=one, notified=_notified(one, now))
        for key, one in now_open.items()
        if key not in before
    ]
    repeated = [
        Change(
            news=News.STILL_OPEN, problem=now_open[key], notified=replace(one, notified_at=now, name=now_open[key].name)
        )
        for key, one in before.items()
        if key in now_open and now - one.notified_at >= REPEAT_AFTER
    ]
    cleared = [
        Change(news=News.CLEARED, notified=one)
        for key, one in before.items()
        if key not in now_open and one.condition in channel.conditions
    ]
    return opened + repeated + cleared


def _notified(problem: Problem, now: datetime) -> NotifiedProblem:
    return NotifiedProblem(
        condition=problem.condition, thing_id=problem.thing_id, name=problem.name, opened_at=now, notified_at=now
    )


def next_attempt(attempts: int) -> timedelta | None:
    """Return the wait after a number of failed attempts; None: the message is given up.

    >>> next_attempt(1), next_attempt(6)
    (datetime.timedelta(seconds=60), None)
    """
    return None if attempts >= MAX_ATTEMPTS else _WAITS[attempts - 1]
