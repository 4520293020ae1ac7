"""Known places, from which a user has logged in before: travel between two of them is possible.

A place is a cell of one degree of latitude and longitude. It is known at a time if the user logged in from it in the
days before, except on the last day. So an attacker's logins do not make their place known at once. Known places depend
only on logins that are too old to arrive later, so the order of arrival does not matter.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from math import floor
from typing import NamedTuple

from riskrelay.core.risk.activity import SKEW, Login
from riskrelay.core.risk.speeds import TravelLimits

MAX_KNOWN_PLACES_DAYS = 30  # specified
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PlaceDay(NamedTuple):
    """A user logged in from a place on a day.

    Attributes:
        day: days since 1970, UTC.
        cell: the number of the place.
    """

    day: int
    cell: int


def day_of(at: datetime) -> int:
    """Return the number of the day of *at*, UTC."""
    return (at - _EPOCH) // _DAY


def place_day_of(login: Login) -> PlaceDay:
    """Return where and on which day a login was.

    >>> at = datetime(1970, 1, 2, 12, tzinfo=UTC)
    >>> place_day_of(Login(at=at, latitude=-90, longitude=-180, application=None))
    PlaceDay(day=1, cell=0)
    """
    row, column = floor(login.latitude + 90), floor(login.longitude + 180)
    return PlaceDay(day_of(login.at), row * 361 + column)


def is_known(login: Login, places: AbstractSet[PlaceDay], limits: TravelLimits) -> bool:
    """Return whether the user logged in from the login's place in the days before.

    Args:
        places: the user's places, of any days.
    """
    if not limits.known_places_days:
        return False
    cell = place_day_of(login).cell
    return any(PlaceDay(day, cell) in places for day in known_days(login.at, limits))


def known_days(at: datetime, limits: TravelLimits) -> range:
    """Return the days whose logins make a place known at *at*.

    The last of these days ended so long ago that its activity can no longer arrive late.
    """
    last = day_of(at - max(limits.lateness, _DAY) - SKEW) - 1
    return range(last - limits.known_places_days + 1, last + 1)


def first_remembered_day(now: datetime, limits: TravelLimits) -> int:
    """Return the first day whose places can still be needed by new activity."""
    return known_days(now - limits.lateness, limits).start
