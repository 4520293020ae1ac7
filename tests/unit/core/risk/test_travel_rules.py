"""Each rule of impossible travel as a property: what it exempts is never impossible, and everything else is judged."""

from datetime import timedelta
from functools import partial
from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk.activity import SKEW, Login
from riskrelay.core.risk.centroids import _CENTROIDS, is_centroid
from riskrelay.core.risk.exemptions import Exemption, exemption_of, sentence
from riskrelay.core.risk.known_places import PlaceDay, day_of, first_remembered_day, is_known, known_days, place_day_of
from riskrelay.core.risk.networks import NO_NETWORKS, Networks, TrustedNetwork, canonical_network
from riskrelay.core.risk.speeds import TravelLimits, distance_km, is_impossible, network_of
from riskrelay.core.risk.travel import journey_of, journeys
from support.arrivals import Arrivals
from support.services import NOON

LIMITS = TravelLimits()
IPV4 = st.integers(1, 2**32 - 1).map(lambda number: str(ip_address(number)))
IPV6 = st.integers(2**64, 2**128 - 1).map(lambda number: str(ip_address(number)))
ADDRESSES = IPV4 | IPV6
MOMENTS = st.integers(0, 60 * 24).map(lambda minutes: NOON + timedelta(minutes=minutes))
LOGINS = st.builds(
    Login,
    at=MOMENTS,
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    application=st.none(),
    accuracy_km=st.floats(0, 3_000),
    ip=st.none() | ADDRESSES,
    is_refresh=st.booleans(),
    is_anonymous=st.booleans(),
    is_known=st.booleans(),
)


@given(LOGINS, LOGINS, ADDRESSES)
def test_equal_addresses_are_no_travel(one: Login, other: Login, ip: str) -> None:
    """Whatever the coordinates say, unless the account judges them too."""
    one, other = replace(one, ip=ip, is_known=False), replace(other, ip=ip)
    assert not is_impossible(one, other, LIMITS)
    strict = TravelLimits(exempt_same_ip=False)
    assert is_impossible(one, other, strict) == is_impossible(replace(one, ip=None), other, strict)


@given(LOGINS, LOGINS, IPV4, IPV6)
def test_families_of_addresses_need_a_larger_distance(one: Login, other: Login, ipv4: str, ipv6: str) -> None:
    """Beyond it, the pair is judged as if no address were known."""
    assume("." not in network_of(ipv6))
    one, other = replace(one, ip=ipv4), replace(other, ip=ipv6)
    beyond = distance_km(one, other) - (one.accuracy_km + other.accuracy_km)
    judged = is_impossible(replace(one, ip=None), replace(other, ip=None), LIMITS)
    assert is_impossible(one, other, LIMITS) == (judged and beyond > LIMITS.ipv4_ipv6_min_km)


@given(LOGINS, LOGINS, st.floats(0, 5_000))
def test_wider_radii_never_make_a_pair_impossible(one: Login, other: Login, more: float) -> None:
    """The distance counts beyond both."""
    wider = replace(one, accuracy_km=one.accuracy_km + more)
    assert is_impossible(one, other, LIMITS) or not is_impossible(wider, other, LIMITS)
    if is_impossible(one, other, LIMITS):
        assert distance_km(one, other) - one.accuracy_km - other.accuracy_km > LIMITS.min_km - 1e-6


@given(LOGINS, LOGINS)
def test_known_places_exempt_only_each_other(one: Login, other: Login) -> None:
    """A pair of logins is exempt only if both places are known."""
    assert not is_impossible(replace(one, is_known=True), replace(other, is_known=True), LIMITS)
    judged = is_impossible(replace(one, is_known=False), replace(other, is_known=False), LIMITS)
    assert is_impossible(replace(one, is_known=True), replace(other, is_known=False), LIMITS) == judged


@given(LOGINS)
def test_every_exemption_is_of_the_login_alone(login: Login) -> None:
    """It depends on nothing but the login and the settings, and each has a sentence."""
    exemption = exemption_of(login, LIMITS, NO_NETWORKS)
    assert exemption == exemption_of(replace(login, is_known=not login.is_known), LIMITS, NO_NETWORKS)
    if login.is_anonymous:
        assert exemption is Exemption.ANONYMOUS
    assert exemption is None or sentence(exemption)
    nowhere = replace(login, latitude=0.0, longitude=0.0, is_anonymous=False)
    assert exemption_of(nowhere, LIMITS, NO_NETWORKS) is Exemption.NO_PLACE
    undated = replace(login, is_undated=True, is_anonymous=False)
    assert exemption_of(undated, LIMITS, NO_NETWORKS) in (Exemption.NO_PLACE, Exemption.NO_TIME)
    refresh = replace(login, is_refresh=True)
    without = exemption_of(refresh, TravelLimits(session_refreshes=False), NO_NETWORKS)
    assert without is (exemption or Exemption.SESSION_REFRESH)


@given(st.lists(st.tuples(ADDRESSES, st.integers(1, 128)), max_size=8), ADDRESSES)
def test_networks_are_found_as_by_looking_at_each(networks: list[tuple[str, int]], ip: str) -> None:
    """The longest prefix wins, in both families; what is in none is in none."""
    made = [ip_network((at, min(bits, 32 if "." in at else 128)), strict=False) for at, bits in networks]
    trusted = Networks(TrustedNetwork(name=str(one), cidr=canonical_network(str(one))) for one in made)
    address = ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None) or address
    containing = [one for one in made if mapped.version == one.version and mapped in one]
    expected = max(containing, key=lambda one: one.prefixlen, default=None)
    assert trusted.classify(ip, None) == (None if expected is None else str(expected))
    within = str(made[0].network_address) if made else None
    if within is not None and getattr(ip_address(within), "ipv4_mapped", None) is None:
        assert trusted.classify(within, None) is not None


def test_autonomous_systems_are_trusted_too() -> None:
    """By number, also without an address; an address that is none is in no network."""
    trusted = Networks([TrustedNetwork(name="VPN", asn=64_500), TrustedNetwork(name="Office", cidr="203.0.113.0/24")])
    assert (trusted.classify(None, 64_500), trusted.classify("unknown", 64_500)) == ("VPN", "VPN")
    assert (trusted.classify("203.0.113.9", 64_500), trusted.classify("::ffff:203.0.113.9", None)) == (
        "Office",
        "Office",
    )
    assert trusted.classify("192.0.2.1", 64_501) is None
    for wrong in ("203.0.113.7/24", "0.0.0.0/0", "::/0", "office", ""):
        with pytest.raises(ValueError, match="must"):
            canonical_network(wrong)


@given(st.sampled_from(sorted(point for points in _CENTROIDS.values() for point in points)))
def test_every_point_of_the_tables_is_a_centroid_unless_a_city_is_named(point: tuple[float, float, float]) -> None:
    """With every number of digits that databases write."""
    latitude, longitude, _ = point
    assert is_centroid(latitude, longitude, country=None, city=None)
    assert is_centroid(round(latitude, 4), round(longitude, 4), country="XX", city=None)
    assert not is_centroid(latitude, longitude, country="XX", city="Somewhere")
    assert not is_centroid(latitude + 0.3, longitude + 0.21, country="XX", city=None) or (latitude * 2) % 1


@given(LOGINS, st.integers(1, 30), st.integers(1, 168), st.integers(0, 60))
def test_what_is_known_at_a_moment_can_no_longer_change(
    login: Login, days: int, lateness_hours: int, days_before: int
) -> None:
    """A login that makes a place known at some moment arrives before that moment, however late it is."""
    limits = TravelLimits(known_places_days=days, lateness_hours=lateness_hours)
    earlier = replace(login, at=login.at - timedelta(days=days_before))
    taught = is_known(login, {place_day_of(earlier)}, limits)
    assert taught == (day_of(earlier.at) in known_days(login.at, limits))
    if taught:
        assert earlier.at + limits.lateness < login.at - SKEW
        assert earlier.at < login.at - timedelta(days=1)
        assert day_of(earlier.at) >= first_remembered_day(login.at, limits)
    assert not is_known(login, {PlaceDay(day_of(earlier.at), -1)}, limits)
    assert not is_known(login, {place_day_of(earlier)}, replace(limits, known_places_days=0))


@given(st.lists(LOGINS, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_with_every_rule(logins: list[Login], random: Random) -> None:
    """One by one in any order: the same episodes with the same evidence."""
    taking_part = [login for login in logins if exemption_of(login, LIMITS, NO_NETWORKS) is None]
    shuffled = list(taking_part)
    random.shuffle(shuffled)
    outcomes = []
    for arriving in (taking_part, shuffled):
        arrivals = Arrivals(partial(journeys, limits=LIMITS), journey_of)
        for login in arriving:
            arrivals.arrive([login])
        outcomes.append((arrivals.episodes, arrivals.members()))
    assert outcomes[0] == outcomes[1]
