"""Impossible travel: two logins too far apart for the time between them, and the episodes that such pairs form.

An episode is a maximal set of logins that are connected by impossible pairs. It stays one episode when both sides add
logins. It is a function of the set of logins, so their order of arrival does not change it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from riskrelay.core.risk.activity import Derived, InSteps, Kept, Login, at_once, connected, same_episode, written
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.impossible_pairs import ImpossiblePairs
from riskrelay.core.risk.speeds import Spot, TravelLimits, distance_km, spot_of

_HOUR = timedelta(hours=1)
_MINUTES_SHOWN = 180  # longer times are shown in hours
_MAX_CITY_CHARACTERS = 60  # guessed: longer than the names of nearly all cities


@dataclass(frozen=True, slots=True)
class Pair:
    """Two logins, the earlier one first."""

    earlier: Login
    later: Login

    @classmethod
    def of(cls, one: Login, other: Login) -> Self:
        """Return the pair of two logins in the order of time, then of place."""
        return cls(*sorted((one, other), key=_order))

    @property
    def order(self) -> tuple[Any, ...]:
        """Return the sort key: pairs with an earlier second login first, then the closest in time."""
        return self.later.at, self.later.at - self.earlier.at, _order(self.later), _order(self.earlier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """An episode of impossible travel.

    Attributes:
        first: the earliest login.
        last_at: the time of the latest login.
        logins: the number of logins.
        pair: the first impossible pair, which triggered the episode.
    """

    first: Login
    last_at: datetime
    logins: int
    pair: Pair

    @property
    def identity(self) -> str:
        """The identity of the episode: no other episode of the user has a login of this spot and time."""
        spot = spot_of(self.first)
        named = f"{self.first.at.isoformat()} {spot.latitude!r} {spot.longitude!r}"
        if not spot.accuracy_km and not spot.network and not spot.is_known:  # as it was named by older versions
            return named
        return f"{named} {spot.accuracy_km!r} {spot.network} {spot.is_known}"

    @property
    def triggered_at(self) -> datetime:
        """The time of the second login of the first impossible pair."""
        return self.pair.later.at

    @property
    def words(self) -> str | None:
        """Return the travel in words, such as "Berlin → Sydney in 40 min"; None: a city is not known."""
        earlier, later = self.pair.earlier, self.pair.later
        if not earlier.city or not later.city:
            return None
        minutes = round((later.at - earlier.at) / timedelta(minutes=1))
        took = f"{minutes} min" if minutes < _MINUTES_SHOWN else f"{round(minutes / 60)} h"
        return f"{_shortened(earlier.city)} → {_shortened(later.city)} in {took}"

    def details(self) -> dict[str, Any]:
        """Return the evidence as JSON, which `journey_of` parses."""
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
    """Parse the evidence from `Journey.details`."""
    episode = details["episode"]
    earlier, later = (_login(shown) for shown in details["logins"])
    last_at = datetime.fromisoformat(episode["last_at"])
    return Journey(
        first=_login(episode["first_login"]), last_at=last_at, logins=episode["logins"], pair=Pair(earlier, later)
    )


def journeys(
    logins: Sequence[Kept[Login]],
    known: Mapping[FindingId, Journey],
    limits: TravelLimits,
    in_steps: InSteps = at_once,
) -> list[Derived[Journey]]:
    """Return the episodes of one user that new logins start, extend or merge, by their earliest login.

    The same logins in any order and in any batches give the same episodes.

    Args:
        logins: all logins within reach of the new ones, in any order. Pairs without a new login were compared when
            they arrived. If the logins have more than MAX_PLACES places, only the latest are compared.
        known: the stored episodes of *logins*.
        in_steps: how to iterate over many logins, so that other work can run in between.
    """
    nodes = _nodes(logins, in_steps)
    fresh = [node.fresh for node in in_steps(nodes)]
    graph = ImpossiblePairs([node.login for node in nodes], fresh, limits, in_steps)
    groups = connected(len(nodes), [*in_steps(graph.links()), *_links_of_episodes(nodes)])
    group_of = [0] * len(nodes)
    for group in groups:
        for number in group:
            group_of[number] = group[0]
    first = graph.first_of_each(group_of)
    return [
        _derived(
            [nodes[number] for number in group],
            Pair.of(*(nodes[one].login for one in first[group[0]])),
            known,
            in_steps,
        )
        for group in groups
        if group[0] in first
    ]


@dataclass(frozen=True, slots=True)
class _Node:
    """Logins of one spot and time, which have the same counterparts. `login` is the first of them in `_order`."""

    login: Login
    kept: list[Kept[Login]]

    @property
    def fresh(self) -> bool:
        return any(login.fresh for login in self.kept)


def _nodes(logins: Sequence[Kept[Login]], in_steps: InSteps) -> list[_Node]:
    """Return the nodes in the order of time."""
    gathered: dict[tuple[datetime, Spot], list[Kept[Login]]] = defaultdict(list)
    for login in in_steps(logins):
        gathered[login.seen.at, spot_of(login.seen)].append(login)
    return [
        _Node(min((one.seen for one in kept), key=_order), kept)
        for _, kept in in_steps(sorted(gathered.items(), key=lambda item: item[0]))
    ]


def _links_of_episodes(nodes: Sequence[_Node]) -> Iterator[tuple[int, int]]:
    places = [(number, login) for number, node in enumerate(nodes) for login in node.kept]
    for one, other in same_episode([login for _, login in places]):
        yield places[one][0], places[other][0]


def _derived(
    nodes: Sequence[_Node], pair: Pair, known: Mapping[FindingId, Journey], in_steps: InSteps
) -> Derived[Journey]:
    logins = [login for node in in_steps(nodes) for login in node.kept]
    joined = tuple(login.activity_id for login in in_steps(logins) if login.episode is None)
    replaced = frozenset(login.episode for login in in_steps(logins) if login.episode is not None)
    free = [node for node in in_steps(nodes) if any(login.episode is None for login in node.kept)]
    journey = Journey(first=free[0].login, last_at=free[-1].login.at, logins=len(joined), pair=pair)
    for finding_id in replaced:
        journey = _merged(journey, known[finding_id])
    return Derived(journey, joined, replaced)


def _merged(one: Journey, other: Journey) -> Journey:
    return Journey(
        first=min(one.first, other.first, key=_order),
        last_at=max(one.last_at, other.last_at),
        logins=one.logins + other.logins,
        pair=min(one.pair, other.pair, key=lambda pair: pair.order),
    )


def _shortened(city: str) -> str:
    return city if len(city) <= _MAX_CITY_CHARACTERS else city[: _MAX_CITY_CHARACTERS - 1] + "…"


def _order(login: Login) -> tuple[Any, ...]:
    """Return the sort key of a login in a total order, so that evidence depends only on the set of logins."""
    application = (login.application is None, login.application or "")
    told = (login.ip, login.asn, login.country, login.city, login.source, login.event_id)
    flags = (login.is_refresh, login.is_anonymous)
    return login.at, spot_of(login), application, *((one is None, one) for one in told), flags


_OPTIONAL = (
    "accuracy_km",
    "ip",
    "asn",
    "country",
    "city",
    "source",
    "event_id",
    "is_refresh",
    "is_anonymous",
    "is_known",
)


def _shown(login: Login) -> dict[str, Any]:
    """Return a login as evidence, without unknown members."""
    shown = {
        "timestamp": written(login.at),
        "latitude": login.latitude,
        "longitude": login.longitude,
        "application": login.application,
    }
    return shown | {name: value for name in _OPTIONAL if (value := getattr(login, name))}


def _login(shown: Mapping[str, Any]) -> Login:
    optional = {name: shown[name] for name in _OPTIONAL if name in shown}
    return Login(
        at=datetime.fromisoformat(shown["timestamp"]),
        latitude=shown["latitude"],
        longitude=shown["longitude"],
        application=shown["application"],
        **optional,
    )
