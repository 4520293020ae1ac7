"""Precision and recall of impossible travel with its defaults: benign series stay silent, hostile ones are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from riskrelay.core.risk.activity import Login
from riskrelay.core.risk.exemptions import exemption_of
from riskrelay.core.risk.networks import Networks, TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.risk.travel import journey_of, journeys
from support.arrivals import Arrivals
from support.services import NOON

LIMITS = TravelLimits()
OFFICE = Networks([TrustedNetwork(name="Office", cidr="198.51.100.0/24"), TrustedNetwork(name="VPN", asn=64_500)])
PLACES = {
    "Berlin": (52.52, 13.405),
    "Frankfurt": (50.1109, 8.6821),
    "Munich": (48.1351, 11.582),
    "Hamburg": (53.5511, 9.9937),
    "London": (51.5074, -0.1278),
    "Paris": (48.8566, 2.3522),
    "Madrid": (40.4168, -3.7038),
    "Dublin": (53.3498, -6.2603),
    "Lagos": (6.5244, 3.3792),
    "Moscow": (55.7558, 37.6173),
    "Dubai": (25.2048, 55.2708),
    "Sao Paulo": (-23.5505, -46.6333),
    "New York": (40.7128, -74.006),
    "Los Angeles": (34.0522, -118.2437),
    "Tokyo": (35.6762, 139.6503),
    "Sydney": (-33.8688, 151.2093),
    "Auckland": (-36.8509, 174.7645),
    "nowhere": (0.0, 0.0),
    "middle of France": (46.0, 2.0),
    "middle of Germany": (51.2993, 9.491),
    "middle of the USA": (37.751, -97.822),
}
HOME, MOBILE, FAR = "203.0.113.7", "203.0.113.99", "192.0.2.44"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Logins of one user.

    Attributes:
        reason: why this is no travel, or why it is.
    """

    name: str
    reason: str
    logins: Sequence[Login]


def at(minutes: float, place: str, **more: Any) -> Login:
    latitude, longitude = PLACES[place]
    moment = NOON + timedelta(minutes=minutes)
    return Login(at=moment, latitude=latitude, longitude=longitude, application=None, **more)


def series(name: str, reason: str, *logins: Login) -> Series:
    return Series(name=name, reason=reason, logins=logins)


BENIGN = (
    series(
        "VPN exit",
        "The product says that the address belongs to a VPN: the place is the exit's.",
        at(0, "Berlin", ip=HOME),
        at(5, "New York", ip=FAR, is_anonymous=True),
        at(9, "Berlin", ip=HOME),
    ),
    series(
        "company VPN",
        "The exit's address and its autonomous system are trusted networks of the account.",
        at(0, "Berlin", ip=HOME),
        at(5, "London", ip="198.51.100.20"),
        at(8, "Dublin", ip=FAR, asn=64_500),
    ),
    series("null island", "0/0 says that the place is not known.", at(0, "Berlin"), at(3, "nowhere"), at(4, "Berlin")),
    series(
        "country centroids",
        "Only the country is known: its middle may be as far as the border is.",
        at(0, "Paris", ip=HOME),
        at(2, "middle of France", ip=MOBILE),
        at(4, "middle of Germany", ip=MOBILE),
        at(6, "middle of the USA", ip=MOBILE),
    ),
    series(
        "one address with two places",
        "Two products use two databases: the address is the same, so nobody has travelled.",
        at(0, "Berlin", ip=HOME),
        at(1, "Madrid", ip=HOME),
    ),
    series(
        "one IPv6 network",
        "Privacy extensions change the address within the /64.",
        at(0, "Berlin", ip="2001:db8:1:2::1"),
        at(1, "Madrid", ip="2001:db8:1:2:8a2e:370:7334:1"),
    ),
    series(
        "IPv4 and IPv6, 577 km apart",
        "One device has both: the places come from different tables.",
        Login(at=NOON, latitude=52.52, longitude=13.405, application=None, ip=HOME),
        Login(at=NOON, latitude=47.33, longitude=13.405, application=None, ip="2001:db8:1:2::1"),
    ),
    series(
        "Frankfurt and Munich",
        "304 km: a carrier's address moves between its exchanges.",
        at(0, "Frankfurt", ip=HOME),
        at(1, "Munich", ip=MOBILE),
        at(2, "Frankfurt", ip=HOME),
    ),
    series(
        "wide accuracy radii",
        "The radii overlap: both may be the same place.",
        at(0, "Berlin", accuracy_km=500.0),
        at(1, "Paris", accuracy_km=500.0),
    ),
    series("a real flight", "Berlin to New York in nine hours.", at(0, "Berlin", ip=HOME), at(540, "New York", ip=FAR)),
    series(
        "learned places",
        "The user has logged in from both for weeks, and the account learns places.",
        at(0, "Berlin", ip=HOME, is_known=True),
        at(5, "London", ip=FAR, is_known=True),
    ),
)
HOSTILE = (
    series("stolen password", "A flight of six hours in 30 min.", at(0, "Paris", ip=HOME), at(30, "New York", ip=FAR)),
    series("other side of the world", "16,000 km in 40 minutes.", at(0, "Berlin", ip=HOME), at(40, "Sydney", ip=FAR)),
    series(
        "replayed session cookie",
        "The session is refreshed elsewhere without a new login.",
        at(0, "Berlin", ip=HOME),
        at(12, "Moscow", ip=FAR, is_refresh=True),
    ),
    series("both at once", "Two places at one moment.", at(0, "London", ip=HOME), at(0, "Lagos", ip=FAR)),
    series(
        "slow but still too fast",
        "Berlin to Sao Paulo needs more than ten hours at 1,000 km/h.",
        at(0, "Berlin", ip=HOME),
        at(480, "Sao Paulo", ip=FAR),
    ),
    series(
        "neighbouring countries",
        "Berlin to Paris, 878 km, within ten minutes: short, but beyond what geolocation is wrong by.",
        at(0, "Berlin", ip=HOME, accuracy_km=20.0),
        at(10, "Paris", ip=FAR, accuracy_km=50.0),
    ),
    series(
        "IPv4 at home, IPv6 far away",
        "Two families of addresses, but too far apart for one device.",
        at(0, "Berlin", ip=HOME),
        at(10, "Tokyo", ip="2001:db8:9::1"),
    ),
    series(
        "hidden among VPN logins",
        "The logins through a VPN say nothing; those without one do.",
        at(0, "Berlin", ip=HOME),
        at(2, "New York", ip="192.0.2.50", is_anonymous=True),
        at(20, "Dubai", ip=FAR),
        at(22, "New York", ip="192.0.2.51", is_anonymous=True),
    ),
    series(
        "from the office",
        "The office is trusted, but the login from the hotel and the attacker's are not.",
        at(-30, "Berlin", ip="198.51.100.4"),
        at(0, "Hamburg", ip=HOME),
        at(15, "Los Angeles", ip=FAR),
    ),
    series(
        "from a known place to a new one",
        "The user's place is known and the attacker's is not: learning does not hide the pair.",
        at(0, "Berlin", ip=HOME, is_known=True),
        at(50, "Auckland", ip=FAR),
    ),
    series(
        "small steps",
        "Each step is short enough, the whole is not.",
        at(0, "Paris", ip=HOME),
        at(4, "Frankfurt", ip=MOBILE),
        at(8, "Berlin", ip=FAR),
    ),
)


def found(logins: Sequence[Login], limits: TravelLimits = LIMITS) -> int:
    """Return how many episodes the logins that take part form."""
    arrivals = Arrivals(partial(journeys, limits=limits), journey_of)
    for login in logins:
        if exemption_of(login, limits, OFFICE) is None:
            arrivals.arrive([login])
    return len(arrivals.episodes)


@pytest.mark.parametrize("one", BENIGN, ids=lambda one: one.name)
def test_benign_series_raise_nothing(one: Series) -> None:
    """Precision: each of them, in either order of arrival."""
    assert found(one.logins) == found(one.logins[::-1]) == 0, one.reason


@pytest.mark.parametrize("one", HOSTILE, ids=lambda one: one.name)
def test_hostile_series_are_found(one: Series) -> None:
    """Recall: each of them is one episode, in either order of arrival."""
    assert found(one.logins) == found(one.logins[::-1]) == 1, one.reason


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("VPN exit", TravelLimits(exempt_anonymous=False)),
        ("company VPN", TravelLimits(exempt_trusted_networks=False)),
        ("country centroids", TravelLimits(exempt_centroids=False)),
        ("one address with two places", TravelLimits(exempt_same_ip=False)),
        ("IPv4 and IPv6, 577 km apart", TravelLimits(ipv4_ipv6_min_km=500)),
        ("Frankfurt and Munich", TravelLimits(min_km=100)),
    ],
)
def test_each_rule_is_a_setting(name: str, limits: TravelLimits) -> None:
    """Without its rule the series is found: no other rule hides it."""
    (one,) = (benign for benign in BENIGN if benign.name == name)
    assert found(one.logins, limits) == 1


def test_a_refreshed_session_is_a_setting() -> None:
    """An account that does not count refreshed sessions finds nothing in one."""
    (one,) = (hostile for hostile in HOSTILE if hostile.name == "replayed session cookie")
    assert found(one.logins, TravelLimits(session_refreshes=False)) == 0
