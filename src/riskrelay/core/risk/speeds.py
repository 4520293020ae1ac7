"""Distances over the ground, and the travel that an account takes to be possible."""

from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import asin, cos, degrees, dist, pi, radians, sin

from msgspec import Struct

from riskrelay.core.risk.activity import Login

_EARTH_RADIUS_KM = 6_371.0088  # IUGG mean radius
_HOUR = timedelta(hours=1)
_IPV6_NETWORK_BITS = 64  # RFC 7421: a device takes any address of its /64, and privacy extensions change it daily

Vector = tuple[float, float, float]


class TravelLimits(Struct, frozen=True, kw_only=True):
    """An account's limits of possible travel. A pair of logins is impossible only if it exceeds both limits.

    Attributes:
        max_km_per_h: the highest possible speed.
        min_km: the error of geolocation in kilometers, in addition to both accuracy radii.
        ipv4_ipv6_min_km: the same between an IPv4 and an IPv6 address. One device can have both, and geolocation
            reads their places from different tables. The larger of this and `min_km` applies.
        exempt_same_ip: whether two logins from the same address are no travel, even if their coordinates differ.
        exempt_trusted_networks: whether logins from the account's trusted networks are exempt.
        exempt_anonymous: whether logins through a VPN, a proxy, a relay or Tor are exempt.
        exempt_centroids: whether a country's centroid, from geolocation without a city, is no place.
        session_refreshes: whether refreshed sessions count like logins.
        known_places_days: the days in which a place stays known; travel between known places is possible. 0 disables
            learning.
        cities_in_reason: whether the reason for receivers names the cities.
        lateness_hours: the largest age in hours of activity that is used.
    """

    max_km_per_h: int = 1_000
    min_km: int = 500
    ipv4_ipv6_min_km: int = 1_000
    exempt_same_ip: bool = True
    exempt_trusted_networks: bool = True
    exempt_anonymous: bool = True
    exempt_centroids: bool = True
    session_refreshes: bool = True
    known_places_days: int = 0
    cities_in_reason: bool = False
    lateness_hours: int = 1

    @property
    def reach(self) -> timedelta:
        """The longest time between two logins of an impossible pair: half around the Earth at the highest speed."""
        return _HOUR * (pi * _EARTH_RADIUS_KM / self.max_km_per_h)

    @property
    def lateness(self) -> timedelta:
        """The largest age of activity that is used."""
        return _HOUR * self.lateness_hours

    @property
    def min_degrees(self) -> float:
        """A sum of differences in latitude and longitude, in degrees, up to which two logins are within `min_km`.

        A degree of longitude is never longer than a degree of latitude. The factor covers rounding errors.
        """
        return 0.999 * degrees(self.min_km / _EARTH_RADIUS_KM)


class Spot(Struct, frozen=True, kw_only=True, order=True):
    """The properties of a login's origin that decide which pairs with other logins are impossible.

    Attributes:
        network: the IPv4 address, or the /64 network of the IPv6 address; empty: not known.
    """

    latitude: float
    longitude: float
    accuracy_km: float
    network: str
    is_known: bool

    @property
    def is_ipv6(self) -> bool:
        """Whether the address is an IPv6 one."""
        return ":" in self.network


def spot_of(login: Login) -> Spot:
    """Return the spot of a login."""
    return Spot(
        latitude=login.latitude,
        longitude=login.longitude,
        accuracy_km=login.accuracy_km,
        network=network_of(login.ip),
        is_known=login.is_known,
    )


@lru_cache(maxsize=10_000)
def network_of(ip: str | None) -> str:
    """Return the network that the addresses of one device share.

    >>> network_of("203.0.113.7"), network_of("::ffff:203.0.113.7"), network_of("2001:db8::1234:5678:9abc:def0")
    ('203.0.113.7', '203.0.113.7', '2001:db8::/64')
    """
    try:
        address = ip_address(ip or "")
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    host_bits = address.max_prefixlen - _IPV6_NETWORK_BITS
    return f"{IPv6Address(int(address) >> host_bits << host_bits)}/{_IPV6_NETWORK_BITS}"


def distance_km(one: Login, other: Login) -> float:
    """Return the great-circle distance on a sphere. It is the same in both directions to the last bit.

    >>> at = datetime(2026, 11, 29)
    >>> london = Login(at=at, latitude=51.5, longitude=-0.12, application=None)
    >>> new_york = Login(at=at, latitude=40.71, longitude=-74.0, application=None)
    >>> round(distance_km(london, new_york))
    5571
    """
    return along_surface(dist(vector_of(one.latitude, one.longitude), vector_of(other.latitude, other.longitude)))


def is_impossible(one: Login, other: Login, limits: TravelLimits) -> bool:
    """Return whether two logins are impossible: MORE than the limits' distance apart, and MORE than their speed.

    Rule: contract 18 imp_travel.
    """
    distance = travelled_km(distance_km(one, other), spot_of(one), spot_of(other), limits)
    return distance is not None and too_fast(distance, one.at, other.at, limits)


def travelled_km(distance: float, one: Spot, other: Spot, limits: TravelLimits) -> float | None:
    """Return the smallest distance that a user must have travelled between two spots.

    Args:
        distance: the distance between their centers, in km.

    Returns: None if travel between them is always possible: they are near, have the same address, or are both known.
    """
    beyond = distance - (one.accuracy_km + other.accuracy_km)
    if beyond <= limits.min_km:
        return None
    if one.is_known and other.is_known:
        return None
    if not one.network or not other.network:
        return beyond
    if limits.exempt_same_ip and one.network == other.network:
        return None
    return None if one.is_ipv6 != other.is_ipv6 and beyond <= limits.ipv4_ipv6_min_km else beyond


def too_fast(distance: float, one: datetime, other: datetime, limits: TravelLimits) -> bool:
    """Return whether two logins *distance* km apart are too far apart for the time between them."""
    if distance <= limits.min_km:
        return False
    return distance > limits.max_km_per_h * (abs(one - other) / _HOUR)


def along_surface(chord: float) -> float:
    """Return the distance over the ground between two points of the unit sphere, in km."""
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, chord / 2))


def vector_of(latitude: float, longitude: float) -> Vector:
    """Return the point of a place on the unit sphere."""
    across, along = radians(latitude), radians(longitude)
    return cos(across) * cos(along), cos(across) * sin(along), sin(across)
