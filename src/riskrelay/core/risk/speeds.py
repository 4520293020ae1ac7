"""Distances over the ground, and the speed that an account takes to be possible."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import asin, cos, degrees, dist, pi, radians, sin

from riskrelay.core.risk.activity import Login

_EARTH_RADIUS_KM = 6_371.0088  # IUGG mean radius
_HOUR = timedelta(hours=1)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class TravelLimits:
    """What an account takes to be possible: no pair of logins is impossible that keeps within either limit."""

    max_km_per_h: int = 1_000
    min_km: int = 100

    @property
    def reach(self) -> timedelta:
        """How far apart in time two logins can be and still be impossible: half around the Earth at full speed."""
        return _HOUR * (pi * _EARTH_RADIUS_KM / self.max_km_per_h)

    @property
    def min_degrees(self) -> float:
        """Logins no more than this apart in latitude and longitude, both added up, are within `min_km`: a degree of
        longitude is nowhere longer than one of latitude. A little less, for what rounding adds."""
        return 0.999 * degrees(self.min_km / _EARTH_RADIUS_KM)


def distance_km(one: Login, other: Login) -> float:
    """The great-circle distance on a sphere; the same in both directions to the last bit.

    >>> at = datetime(2026, 11, 29)
    >>> london = Login(at=at, latitude=51.5, longitude=-0.12, application=None)
    >>> new_york = Login(at=at, latitude=40.71, longitude=-74.0, application=None)
    >>> round(distance_km(london, new_york))
    5571
    """
    return along_surface(dist(vector_of(one.latitude, one.longitude), vector_of(other.latitude, other.longitude)))


def is_impossible(one: Login, other: Login, limits: TravelLimits) -> bool:
    """Whether nobody can have been at both logins: MORE than the limits' distance apart, and MORE than their speed.

    Rule: contract 18 imp_travel.
    """
    return too_fast(distance_km(one, other), one.at, other.at, limits)


def too_fast(distance: float, one: datetime, other: datetime, limits: TravelLimits) -> bool:
    """Whether two logins *distance* km apart are too far apart for the time between them."""
    if distance <= limits.min_km:
        return False
    return distance > limits.max_km_per_h * (abs(one - other) / _HOUR)


def along_surface(chord: float) -> float:
    """The distance over the ground between two points of the unit sphere, in km."""
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, chord / 2))


def vector_of(latitude: float, longitude: float) -> Vector:
    """The point on the unit sphere."""
    across, along = radians(latitude), radians(longitude)
    return cos(across) * cos(along), cos(across) * sin(along), sin(across)
