"""Impossible travel: symmetric, exact at its limits, indifferent to arrival order."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import combinations, pairwise
from math import pi
from random import Random
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk import impossible_pairs, speeds
from riskrelay.core.risk.activity import ActivityId, Kept, Login, connected
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.impossible_pairs import MAX_PLACES, ImpossiblePairs
from riskrelay.core.risk.speeds import TravelLimits, distance_km, is_impossible, spot_of
from riskrelay.core.risk.travel import Journey, Pair, journey_of, journeys
from support.arrivals import Arrivals
from support.services import NOON

PARIS, NEW_YORK, TOKYO, AUCKLAND = (48.8566, 2.3522), (40.7128, -74.006), (35.6762, 139.6503), (-36.8509, 174.7645)
VERSAILLES = (48.8049, 2.1204)
RADIUS_KM = 6_371.0088
LIMITS = TravelLimits()

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
CITIES = st.sampled_from([PARIS, VERSAILLES, NEW_YORK, TOKYO, AUCKLAND])
PLACES = CITIES | st.tuples(LATITUDES, LONGITUDES)
MINUTES = st.integers(0, 90 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))


def login(minutes: float, place: tuple[float, float], application: str | None = None) -> Login:
    return Login(at=NOON + timedelta(minutes=minutes), latitude=place[0], longitude=place[1], application=application)


LOGINS = st.builds(
    lambda at, place, **more: Login(at=at, latitude=place[0], longitude=place[1], **more),
    MINUTES,
    PLACES,
    application=st.sampled_from([None, "mail", "vpn"]),
    accuracy_km=st.sampled_from([0.0, 50.0, 1_000.0]),
    ip=st.sampled_from([None, "203.0.113.7", "198.51.100.9", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"]),
    event_id=st.sampled_from([None, "a", "b"]),
    is_known=st.booleans(),
)


def arrived(*batches: Sequence[Login], limits: TravelLimits = LIMITS) -> Arrivals[Journey]:
    arrivals = Arrivals(partial(journeys, limits=limits), journey_of)
    for batch in batches:
        arrivals.arrive(batch)
    return arrivals


def naive(logins: Sequence[Login], limits: TravelLimits = LIMITS) -> set[tuple[Login, ...]]:
    """Every pair looked at: the sets that hang together."""
    pairs = [(a, b) for a, b in combinations(range(len(logins)), 2) if is_impossible(logins[a], logins[b], limits)]
    groups = connected(len(logins), pairs)
    return {tuple(sorted((logins[place] for place in group), key=repr)) for group in groups if len(group) > 1}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.0, 0.0), (0.0, 0.0), 0),
        ((0.0, 0.0), (0.0, 180.0), pi * RADIUS_KM),
        ((90.0, 0.0), (-90.0, 77.0), pi * RADIUS_KM),
        ((0.0, 0.0), (0.0, 1.0), pi * RADIUS_KM / 180),
        ((0.0, 179.5), (0.0, -179.5), pi * RADIUS_KM / 180),
        ((90.0, 12.0), (90.0, -120.0), 0),
        (PARIS, NEW_YORK, 5_837.2),
    ],
)
def test_distances(one: tuple[float, float], other: tuple[float, float], expected: float) -> None:
    """Known ones: nothing, half around, a degree of the equator, over the date line, at the pole, between cities."""
    assert distance_km(login(0, one), login(0, other)) == pytest.approx(expected, abs=0.1)


@given(LOGINS, LOGINS)
def test_impossible_travel_is_symmetric(one: Login, other: Login) -> None:
    """To the last bit, in either order of time."""
    assert distance_km(one, other) == distance_km(other, one)
    assert is_impossible(one, other, LIMITS) == is_impossible(other, one, LIMITS)
    swapped = replace(one, at=other.at), replace(other, at=one.at)
    assert is_impossible(*swapped, LIMITS) == is_impossible(one, other, LIMITS)


def test_both_limits_must_be_passed() -> None:
    """MORE than 500 km, MORE than 1,000 km/h: at either limit it is possible."""
    one, other = login(0, (0.0, 0.0)), login(0, (0.0, 9.0))
    distance = distance_km(one, other)
    hours = distance / 1_000
    assert is_impossible(one, login(hours * 60 - 0.001, (0.0, 9.0)), LIMITS)
    assert not is_impossible(one, login(hours * 60 + 0.001, (0.0, 9.0)), LIMITS)
    near = login(0, (0.0, 4.496))
    assert 499.9 < distance_km(one, near) < 500
    assert not is_impossible(one, near, LIMITS)
    assert is_impossible(one, login(0, (0.0, 4.5)), LIMITS)
    assert not is_impossible(one, other, TravelLimits(min_km=1_001))
    exactly = TravelLimits(max_km_per_h=1_000)
    assert not is_impossible(login(0, PARIS), login(0, PARIS), exactly)


def test_how_far_apart_in_time_it_can_be() -> None:
    """Half around the Earth at 1,000 km/h takes twenty hours; slower takes longer."""
    assert TravelLimits().reach == pytest.approx(timedelta(hours=20.015), abs=timedelta(seconds=5))
    antipodes = login(0, (0.0, 0.0)), login(20 * 60, (0.0, 180.0))
    assert is_impossible(*antipodes, LIMITS)
    assert TravelLimits(max_km_per_h=500).reach > timedelta(hours=40)


@given(PLACES, st.floats(0, 1), st.floats(0, 1), st.sampled_from([LIMITS, TravelLimits(min_km=5_000)]))
def test_who_stays_within_the_degrees_is_near(
    place: tuple[float, float], north: float, share: float, limits: TravelLimits
) -> None:
    """What the database leaves out has no impossible pair; what lies only a little further apart can have one."""
    across = limits.min_degrees * north * share
    other = min(90.0, place[0] + across), min(180.0, place[1] + limits.min_degrees * north - across)
    assert distance_km(login(0, place), login(0, other)) <= limits.min_km
    assert is_impossible(login(0, (0, 0)), login(0, (0, 1.002 * limits.min_degrees)), limits)


def test_a_journey_tells_its_evidence() -> None:
    """The first impossible pair with place, time and application; distance, hours, speed; and the whole episode."""
    (journey,) = arrived([login(0, PARIS, "mail"), login(90, NEW_YORK, "vpn"), login(91, PARIS)]).episodes.values()
    details = journey.details()
    assert details["logins"] == [
        {"timestamp": "2026-03-17T12:00:00Z", "latitude": 48.8566, "longitude": 2.3522, "application": "mail"},
        {"timestamp": "2026-03-17T13:30:00Z", "latitude": 40.7128, "longitude": -74.006, "application": "vpn"},
    ]
    assert (details["distance_km"], details["hours"], details["km_per_h"]) == (5837.2, 1.5, 3891.5)
    assert details["episode"]["logins"] == 3
    assert details["episode"]["last_at"] == "2026-03-17T13:31:00Z"
    at_once = Journey(first=login(0, PARIS), last_at=NOON, logins=2, pair=Pair.of(login(0, PARIS), login(0, TOKYO)))
    assert at_once.details()["km_per_h"] is None


def test_a_journey_in_words_names_both_cities_or_nothing() -> None:
    """Minutes up to three hours, then hours; a very long name is cut."""
    paris, tokyo = replace(login(0, PARIS), city="Paris"), replace(login(40, TOKYO), city="Tokyo")
    for later, expected in (
        (tokyo, "Paris → Tokyo in 40 min"),
        (replace(tokyo, at=NOON + timedelta(hours=5)), "Paris → Tokyo in 5 h"),
        (replace(tokyo, city="x" * 255), f"Paris → {'x' * 59}… in 40 min"),
        (replace(tokyo, city=None), None),
    ):
        (journey,) = arrived([paris, later]).episodes.values()
        assert journey.words == expected


def test_one_episode_however_many_logins() -> None:
    """A stay on both sides is one story; days later it is another one."""
    stay = [login(10 * n, PARIS if n % 2 else NEW_YORK) for n in range(20)]
    later = [login(5_000 + n, place) for n, place in enumerate([TOKYO, PARIS])]
    arrivals = arrived(stay, later)
    assert [journey.logins for journey in arrivals.episodes.values()] == [20, 2]


def test_small_steps_count_against_each_other_not_only_against_the_next() -> None:
    """Each step is below 500 km, the whole is not."""
    steps = [login(n, (0.0, 4.0 * n)) for n in range(3)]
    assert arrived(steps).members() == {(steps[0], steps[2])}


@given(
    st.lists(LOGINS, max_size=25),
    st.sampled_from([LIMITS, TravelLimits(max_km_per_h=200, min_km=1_000), TravelLimits(max_km_per_h=5_000, min_km=0)]),
)
def test_episodes_are_those_of_every_pair(logins: list[Login], limits: TravelLimits) -> None:
    """The links that are looked at suffice: the sets are those of a model that looks at all pairs, and the pair shown
    is the first of all."""
    arrivals = arrived(logins, limits=limits)
    assert arrivals.members() == naive(logins, limits)
    pairs = [Pair.of(a, b) for a, b in combinations(logins, 2) if is_impossible(a, b, limits)]
    for journey in arrivals.episodes.values():
        (members,) = [group for group in arrivals.members() if journey.first.at == min(one.at for one in group)][:1]
        own = [pair for pair in pairs if pair.later in members and pair.earlier in members]
        shown = journey.pair
        assert (shown.later.at, shown.later.at - shown.earlier.at) == min(
            (pair.later.at, pair.later.at - pair.earlier.at) for pair in own
        )


@given(st.lists(LOGINS, max_size=25), st.lists(st.integers(0, 24), max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(logins: list[Login], cuts: list[int], random: Random) -> None:
    """In any order and in any batches: the same episodes, to the last member of their evidence."""
    in_order = arrived(sorted(logins, key=lambda one: one.at))
    shuffled = list(logins)
    random.shuffle(shuffled)
    edges = [0, *sorted(cuts), len(logins)]
    batches = [shuffled[start:end] for start, end in pairwise(edges)]
    out_of_order = arrived(*batches)
    assert out_of_order.episodes == in_order.episodes
    assert out_of_order.members() == in_order.members()


def test_details_give_the_journey_back() -> None:
    """What is stored is all there is to know."""
    (journey,) = arrived([login(0, PARIS, "mail"), login(1.5, NEW_YORK)]).episodes.values()
    assert journey_of(journey.details()) == journey


@pytest.mark.parametrize("seed", [1])
def test_a_user_at_thousands_of_places_costs_little(seed: int) -> None:
    """More than MAX_PLACES are not compared: the work of one user is bounded. Two places cost nothing however often."""
    random = Random(seed)
    scattered = [login(n / 100, (random.uniform(-90, 90), random.uniform(-180, 180))) for n in range(5_000)]
    back_and_forth = [login(n / 100, PARIS if n % 2 else TOKYO) for n in range(10_000)]
    for logins, expected in ((scattered, MAX_PLACES), (back_and_forth, 10_000)):
        kept = [
            Kept(activity_id=ActivityId(str(n)), seen=seen, episode=None, fresh=True) for n, seen in enumerate(logins)
        ]
        started = process_time()
        known: dict[FindingId, Journey] = {}
        (derived,) = journeys(kept, known, LIMITS)
        assert derived.episode.logins == expected
        assert process_time() - started < 10  # measured: 0.4 s and 0.1 s; a quadratic walk would take a minute


@given(st.lists(LOGINS, max_size=25), st.lists(st.booleans(), min_size=25, max_size=25), st.sampled_from([50, 1_000]))
def test_links_connect_what_all_pairs_connect_and_the_first_pair_is_found(
    logins: list[Login], fresh: list[bool], speed: int
) -> None:
    """Compared with every pair that has a fresh login, whatever is fresh and whatever the limits are."""
    limits = TravelLimits(max_km_per_h=speed)
    ordered = sorted({(one.at, spot_of(one)): one for one in logins}.items())
    nodes = [one for _, one in ordered]
    graph = ImpossiblePairs(nodes, fresh, limits)
    every = [
        (a, b)
        for a, b in combinations(range(len(nodes)), 2)
        if (fresh[a] or fresh[b]) and is_impossible(nodes[a], nodes[b], limits)
    ]
    links = list(graph.links())
    groups = connected(len(nodes), every)
    assert connected(len(nodes), links) == groups
    assert len(links) == len(nodes) - len(groups)
    group_of = {number: group[0] for group in groups for number in group}
    first: dict[int, tuple[int, int]] = {}
    for a, b in sorted(every, key=lambda pair: (nodes[pair[1]].at, nodes[pair[1]].at - nodes[pair[0]].at, pair[::-1])):
        first.setdefault(group_of[a], (a, b))
    assert graph.first_of_each([group_of[number] for number in range(len(nodes))]) == first


@pytest.mark.parametrize("step", [0, 1])
def test_ten_thousand_logins_that_are_far_apart_cost_a_few_comparisons_each(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Not one for each of their millions of impossible pairs: at one moment or spread over minutes."""
    compared = 0
    really = speeds.too_fast

    def counting(*given: Any) -> bool:
        nonlocal compared
        compared += 1
        return really(*given)

    monkeypatch.setattr(impossible_pairs, "too_fast", counting)
    many = [
        login(number % 60 * step / 60, (number * 37 % 170 - 85, number * 91 % 350 - 175)) for number in range(10_000)
    ]
    (found,) = journeys(
        [Kept(activity_id=ActivityId(str(n)), seen=one, episode=None, fresh=True) for n, one in enumerate(many)],
        {},
        LIMITS,
    )
    assert found.episode.logins > 400
    assert compared < 30 * len(many)
