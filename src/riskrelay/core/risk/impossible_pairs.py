"""The impossible pairs among one user's logins, without listing them: there can be millions."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from math import dist

from riskrelay.core.risk.activity import InSteps, Login, at_once
from riskrelay.core.risk.speeds import Spot, TravelLimits, along_surface, spot_of, too_fast, travelled_km, vector_of

MAX_PLACES = 500  # bounds the work; more places than a person can visit in a day

Link = tuple[int, int]


class _Place:
    """The logins at one place, by number, in order of time; those of older transactions apart."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.vector = vector_of(spot.latitude, spot.longitude)
        self.fresh: list[int] = []
        self.older: list[int] = []


class ImpossiblePairs:
    """The impossible pairs of one user's logins with at least one new login.

    There can be millions of pairs, so they are never listed. Each login is visited once. It removes its counterparts
    from the remaining logins, where they are adjacent in the order of time.

    Args:
        logins: the logins by time, then by spot, without two at the same spot and time. If they have more than
            MAX_PLACES spots, only the latest spots are compared.
        fresh: for each login whether it is new.
        in_steps: see `travel.journeys`.
    """

    def __init__(
        self, logins: Sequence[Login], fresh: Sequence[bool], limits: TravelLimits, in_steps: InSteps = at_once
    ) -> None:
        self._logins = logins
        self._fresh = fresh
        self._limits = limits
        self._in_steps = in_steps
        self._places: list[_Place] = []
        self._place_of: list[int | None] = [None] * len(logins)
        self._far: dict[int, dict[int, float]] = {}
        numbers: dict[Spot, int] = {}
        for number in in_steps(range(len(logins) - 1, -1, -1)):
            where = spot_of(logins[number])
            if where not in numbers:
                if len(numbers) == MAX_PLACES:
                    continue
                numbers[where] = len(self._places)
                self._places.append(_Place(where))
            self._place_of[number] = numbers[where]

    def links(self) -> Iterator[Link]:
        """Yield enough pairs to preserve the connected components of all impossible pairs: less than one per login."""
        for number, place in enumerate(self._place_of):
            if place is not None:
                self._list_of(number, self._places[place]).append(number)
        left = set(range(len(self._places)))
        visited = [place is None for place in self._place_of]
        for seed in range(len(self._logins)):
            if visited[seed]:
                continue
            self._take(seed, left)
            waiting = [seed]
            while waiting:
                number = waiting.pop()
                visited[number] = True
                for other in self._counterparts(number, left):
                    yield number, other
                    waiting.append(other)

    def first_of_each(self, group_of: Sequence[int]) -> dict[int, Link]:
        """Find the first impossible pair of each group that has one: the first to be complete, and of those the
        closest in time.

        Args:
            group_of: of each login, its group; logins of an impossible pair are in the same.
        """
        found: dict[int, tuple[timedelta, Link]] = {}
        last_fresh: dict[int, int] = {}
        last: dict[int, int] = {}
        for later, place in self._in_steps(enumerate(self._place_of)):
            if place is None:
                continue
            best = found.get(group_of[later])
            if best is None or (best[0] and self._logins[best[1][1]].at == self._logins[later].at):
                # The latest login at each other place is the closest: when it is possible, all before it are.
                earlier = self._closest(later, place, last if self._fresh[later] else last_fresh)
                if earlier is not None:
                    gap = self._logins[later].at - self._logins[earlier].at
                    if best is None or gap < best[0]:
                        found[group_of[later]] = gap, (earlier, later)
            last[place] = later
            if self._fresh[later]:
                last_fresh[place] = later
        return {group: pair for group, (_, pair) in found.items()}

    def _closest(self, later: int, place: int, last: Mapping[int, int]) -> int | None:
        """Return the login before *later* that is closest in time and forms an impossible pair with it.

        Only the latest login at each place is considered. Of several equally close logins the first is returned."""
        far, at, best = self._distances(place), self._logins[later].at, None
        for other, earlier in last.items():
            distance = far.get(other)
            if distance is None or not too_fast(distance, self._logins[earlier].at, at, self._limits):
                continue
            if best is None or (-self._logins[earlier].at.timestamp(), earlier) < best:
                best = -self._logins[earlier].at.timestamp(), earlier
        return None if best is None else best[1]

    def _counterparts(self, number: int, left: set[int]) -> list[int]:
        """Remove and return the remaining logins that form an impossible pair with *number*.

        Args:
            left: the places with remaining logins.
        """
        place = self._place_of[number]
        assert place is not None  # noqa: S101  only compared logins are visited
        far = self._distances(place)
        found: list[int] = []
        fewer, more = sorted((far.keys(), left), key=len)
        for other in [one for one in fewer if one in more]:
            there = self._places[other]
            for numbers in (there.fresh, there.older) if self._fresh[number] else (there.fresh,):
                if numbers:
                    found += self._cut(numbers, number, far[other])
            if not there.fresh and not there.older:
                left.discard(other)
        return found

    def _cut(self, numbers: list[int], number: int, distance: float) -> list[int]:
        """Take out of *numbers*, which are in order of time, those that are too close in time to *number*."""
        at = self._logins[number].at
        middle = bisect_left(numbers, number)
        closest = numbers[max(middle - 1, 0) : middle + 1]
        if not any(too_fast(distance, self._logins[one].at, at, self._limits) for one in closest):
            return []
        first = bisect_left(
            numbers, True, 0, middle, key=lambda one: too_fast(distance, self._logins[one].at, at, self._limits)
        )
        end = bisect_left(
            numbers,
            True,
            middle,
            len(numbers),
            key=lambda one: not too_fast(distance, self._logins[one].at, at, self._limits),
        )
        found = numbers[first:end]
        del numbers[first:end]
        return found

    def _take(self, number: int, left: set[int]) -> None:
        place = self._place_of[number]
        assert place is not None  # noqa: S101  only compared logins are visited
        there = self._places[place]
        numbers = self._list_of(number, there)
        del numbers[bisect_left(numbers, number)]
        if not there.fresh and not there.older:
            left.discard(place)

    def _list_of(self, number: int, place: _Place) -> list[int]:
        return place.fresh if self._fresh[number] else place.older

    def _distances(self, place: int) -> dict[int, float]:
        """Return the places that *place* can make an impossible pair with, and the km to travel to each."""
        if place not in self._far:
            here, far = self._places[place], {}
            for other, there in enumerate(self._places):
                distance = along_surface(dist(here.vector, there.vector))
                if distance > self._limits.min_km:  # most are near: seen without a call
                    travelled = travelled_km(distance, here.spot, there.spot, self._limits)
                    if travelled is not None:
                        far[other] = travelled
            self._far[place] = far
        return self._far[place]
