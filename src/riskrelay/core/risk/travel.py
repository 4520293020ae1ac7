"""Impossible travel: two logins too far apart for the time between them, and the episodes that such pairs form.

An episode is a maximal set of logins that hang together by impossible pairs: it tells one story, however many logins
each side adds to it, and it is a function of the set alone, so the order in which logins arrive cannot change it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from math import asin, cos, degrees, dist, pi, radians, sin
from typing import Any, Self

from riskrelay.core.risk.activity import Derived, Kept, Login, connected, same_episode, written
from riskrelay.core.risk.findings import FindingId

_EARTH_RADIUS_KM = 6_371.0088  # IUGG mean radius
_HOUR = timedelta(hours=1)
MAX_PLACES = 500  # bounds the work (measured: 0.4 s for one user at the limit); nobody travels to so many in a day

Vector = tuple[float, float, float]
Link = tuple[int, int]


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


@dataclass(frozen=True, slots=True)
class Pair:
    """Two logins, the earlier one first."""

    earlier: Login
    later: Login

    @classmethod
    def of(cls, one: Login, other: Login) -> Self:
        """Put them in order; at the same moment by place."""
        return cls(*sorted((one, other), key=_order))

    @property
    def order(self) -> tuple[Any, ...]:
        """Pairs that were complete earlier come first, of those the closest in time."""
        return self.later.at, self.later.at - self.earlier.at, _order(self.later), _order(self.earlier)


@dataclass(frozen=True, slots=True)
class Journey:
    """An episode of impossible travel.

    Attributes:
        first: its earliest login.
        last_at: when its latest login was.
        logins: how many belong to it.
        pair: the first impossible one: with it the episode triggered.
    """

    first: Login
    last_at: datetime
    logins: int
    pair: Pair

    @property
    def identity(self) -> str:
        """Tells it from every other episode of the same user: no other one holds this login's place and time."""
        return f"{self.first.at.isoformat()} {self.first.latitude!r} {self.first.longitude!r}"

    @property
    def triggered_at(self) -> datetime:
        """When the first impossible pair was complete."""
        return self.pair.later.at

    def details(self) -> dict[str, Any]:
        """The evidence, as JSON; `journey_of` reads it back."""
        distance = distance_km(self.pair.earlier, self.pair.later)
        hours = (self.pair.later.at - self.pair.earlier.at) / _HOUR
        return {
            "logins": [_shown(self.pair.earlier), _shown(self.pair.later)],
            "distance_km": round(distance, 1),
            "hours": round(hours, 4),
            "km_per_h": round(distance / hours, 1) if hours else None,
            "episode": {"first_login": _shown(self.first), "last_at": written(self.last_at), "logins": self.logins},
        }


def journey_of(details: Mapping[str, Any]) -> Journey:
    """Read what `Journey.details` wrote."""
    episode = details["episode"]
    earlier, later = (_login(shown) for shown in details["logins"])
    last_at = datetime.fromisoformat(episode["last_at"])
    return Journey(_login(episode["first_login"]), last_at, episode["logins"], Pair(earlier, later))


def distance_km(one: Login, other: Login) -> float:
    """The great-circle distance on a sphere; the same in both directions to the last bit.

    >>> london, new_york = Login(..., 51.5, -0.12, None), Login(..., 40.71, -74.0, None)
    >>> round(distance_km(london, new_york))
    5571
    """
    return _along_surface(dist(_vector(one.latitude, one.longitude), _vector(other.latitude, other.longitude)))


def is_impossible(one: Login, other: Login, limits: TravelLimits) -> bool:
    """Whether nobody can have been at both logins: MORE than the limits' distance apart, and MORE than their speed.

    Rule: contract 18 imp_travel.
    """
    return _too_fast(distance_km(one, other), one.at, other.at, limits)


def journeys(
    logins: Sequence[Kept[Login]], known: Mapping[FindingId, Journey], limits: TravelLimits
) -> list[Derived[Journey]]:
    """The episodes of one user that fresh logins start, extend or merge.

    Args:
        logins: in any order; all those within reach of the fresh ones. Pairs without a fresh login are not looked at:
            they were when they arrived. Of more than MAX_PLACES places only the latest are compared.
        known: the episodes that *logins* name.

    Returns: by their earliest login. The same logins in any order and in any batches end in the same episodes.
    """
    nodes = _nodes(logins)
    pairs = list(_impossible_links(nodes, limits))
    by_first: dict[int, list[Pair]] = defaultdict(list)
    groups = connected(len(nodes), [*pairs, *_links_of_episodes(nodes)])
    group_of = {number: group[0] for group in groups for number in group}
    for one, other in pairs:
        by_first[group_of[one]].append(Pair.of(nodes[one].login, nodes[other].login))
    return [
        _derived([nodes[number] for number in group], by_first[group[0]], known)
        for group in groups
        if group[0] in by_first
    ]


@dataclass(frozen=True, slots=True)
class _Node:
    """Logins at one place and moment; they have the same counterparts. `login` names the first application of all."""

    login: Login
    kept: list[Kept[Login]]

    @property
    def fresh(self) -> bool:
        return any(login.fresh for login in self.kept)


def _nodes(logins: Sequence[Kept[Login]]) -> list[_Node]:
    """In order of time."""
    gathered: dict[tuple[datetime, float, float], list[Kept[Login]]] = defaultdict(list)
    for login in logins:
        gathered[login.seen.at, login.seen.latitude, login.seen.longitude].append(login)
    nodes = []
    for key in sorted(gathered):
        names = [login.seen.application for login in gathered[key] if login.seen.application is not None]
        nodes.append(_Node(Login(*key, min(names, default=None)), gathered[key]))
    return nodes


def _links_of_episodes(nodes: Sequence[_Node]) -> Iterator[Link]:
    places = [(number, login) for number, node in enumerate(nodes) for login in node.kept]
    for one, other in same_episode([login for _, login in places]):
        yield places[one][0], places[other][0]


def _derived(nodes: Sequence[_Node], pairs: Sequence[Pair], known: Mapping[FindingId, Journey]) -> Derived[Journey]:
    logins = [login for node in nodes for login in node.kept]
    joined = tuple(login.activity_id for login in logins if login.episode is None)
    replaced = frozenset(login.episode for login in logins if login.episode is not None)
    free = [node for node in nodes if any(login.episode is None for login in node.kept)]
    journey = Journey(free[0].login, free[-1].login.at, len(joined), min(pairs, key=lambda pair: pair.order))
    for finding_id in replaced:
        journey = _merged(journey, known[finding_id])
    return Derived(journey, joined, replaced)


def _merged(one: Journey, other: Journey) -> Journey:
    return Journey(
        min(one.first, other.first, key=_order),
        max(one.last_at, other.last_at),
        one.logins + other.logins,
        min(one.pair, other.pair, key=lambda pair: pair.order),
    )


class _Place:
    """The nodes at one place, in order of time, those with fresh logins apart."""

    def __init__(self, latitude: float, longitude: float) -> None:
        self.vector = _vector(latitude, longitude)
        self.fresh: list[int] = []
        self.older: list[int] = []


def _places(nodes: Sequence[_Node]) -> list[_Place]:
    """The latest MAX_PLACES."""
    places: dict[tuple[float, float], _Place] = {}
    for number, node in reversed(list(enumerate(nodes))):
        where = node.login.latitude, node.login.longitude
        if where not in places and len(places) == MAX_PLACES:
            continue
        place = places.setdefault(where, _Place(*where))
        (place.fresh if node.fresh else place.older).append(number)
    for place in places.values():
        place.fresh.reverse()
        place.older.reverse()
    return list(places.values())


def _impossible_links(nodes: Sequence[_Node], limits: TravelLimits) -> Iterator[Link]:
    """Impossible pairs with a fresh login: not all of them, but enough that those which hang together do so by these,
    and the first of all is among them."""
    times = [node.login.at for node in nodes]
    for one, other in combinations(_places(nodes), 2):
        if not one.fresh and not other.fresh:
            continue
        distance = _along_surface(dist(one.vector, other.vector))
        if distance <= limits.min_km:
            continue
        for ours, theirs in ((one.fresh, other.fresh), (one.fresh, other.older), (one.older, other.fresh)):
            for first, second in _neighbours(ours, theirs):
                if _too_fast(distance, times[first], times[second], limits):
                    yield first, second


def _neighbours(ours: Sequence[int], theirs: Sequence[int]) -> Iterable[Link]:
    """Each with the nearest of the other side, before it and after it.

    These are enough. If a and b are near enough to be impossible and c of b's side lies between them, a and c are
    nearer still, and so are the pairs that lead from c to b.

    Args:
        ours, theirs: numbers of nodes, which are in order of time, ascending.
    """
    if not ours or not theirs:
        return ()
    if len(ours) == len(theirs) == 1:
        return ((ours[0], theirs[0]),)
    return {*_nearest(ours, theirs), *((one, other) for other, one in _nearest(theirs, ours))}


def _nearest(ours: Sequence[int], theirs: Sequence[int]) -> Iterator[Link]:
    for one in ours:
        after = bisect_left(theirs, one)
        if after:
            yield one, theirs[after - 1]
        if after < len(theirs):
            yield one, theirs[after]


def _too_fast(distance: float, one: datetime, other: datetime, limits: TravelLimits) -> bool:
    if distance <= limits.min_km:
        return False
    return distance > limits.max_km_per_h * (abs(one - other) / _HOUR)


def _along_surface(chord: float) -> float:
    """The distance over the ground between two points of the unit sphere, in km."""
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, chord / 2))


def _vector(latitude: float, longitude: float) -> Vector:
    """The point on the unit sphere."""
    across, along = radians(latitude), radians(longitude)
    return cos(across) * cos(along), cos(across) * sin(along), sin(across)


def _order(login: Login) -> tuple[datetime, float, float, bool, str]:
    return login.at, login.latitude, login.longitude, login.application is None, login.application or ""


def _shown(login: Login) -> dict[str, Any]:
    return {
        "timestamp": written(login.at),
        "latitude": login.latitude,
        "longitude": login.longitude,
        "application": login.application,
    }


def _login(shown: Mapping[str, Any]) -> Login:
    at = datetime.fromisoformat(shown["timestamp"])
    return Login(at, shown["latitude"], shown["longitude"], shown["application"])
