"""The map of an impossible travel: the places of two logins and the way between them. Pure.

The outline of the world is static/world.svg: 2,000 units wide, which is an equirectangular projection of the latitudes
from 84° to -58°.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import acos, asin, atan2, cos, degrees, radians, sin
from typing import Annotated

import msgspec
from msgspec import Meta

WORLD_WIDTH, WORLD_HEIGHT = 2000, 788
_NORTH = 84.0
_UNITS_PER_DEGREE = WORLD_WIDTH / 360
_STEPS = 48  # chosen: the way looks like a curve at any zoom
_ASPECT = 2.4  # width by height of the shown part
_NARROWEST = 420.0  # about 75 degrees: a smaller part shows no coast

_Vector = tuple[float, float, float]
_Words = Annotated[str, Meta(max_length=100)]


class _Login(msgspec.Struct, kw_only=True):
    timestamp: _Words
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    city: _Words | None = None
    country: _Words | None = None


class _Evidence(msgspec.Struct, kw_only=True):
    logins: Annotated[list[_Login], Meta(min_length=2, max_length=2)]
    distance_km: float | None = None
    hours: float | None = None
    km_per_h: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One login on the map.

    Attributes:
        anchor: on which side of the point its name starts: start or end.
    """

    x: float
    y: float
    name: str
    time: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TravelMap:
    """The part of the world that shows both logins.

    Attributes:
        box: left, top, width and height of the part.
        way: the great circle between the spots, as a path.
        words: what the map shows, in a sentence.
    """

    box: tuple[float, float, float, float]
    spots: Sequence[Spot]
    way: str
    words: str

    @property
    def unit(self) -> float:
        """The size of a letter."""
        return round(self.box[2] / 36, 1)


_EVIDENCE = msgspec.json.Decoder(_Evidence)


def travel_map(details_json: str | None) -> TravelMap | None:
    """Return the map of a finding's evidence; None if the evidence has no two logins with a place."""
    try:
        evidence = _EVIDENCE.decode(details_json or "")
    except (msgspec.DecodeError, UnicodeError):
        return None
    first, second = evidence.logins
    points = [_projected(*place) for place in _great_circle(first, second)]
    box = _part(points)
    middle = box[0] + box[2] / 2
    spots = [
        Spot(
            x=round(x, 1),
            y=round(y, 1),
            name=_name(login),
            time=login.timestamp,
            anchor="end" if x > middle else "start",
        )
        for login, (x, y) in ((first, points[0]), (second, points[-1]))
    ]
    return TravelMap(box=box, spots=spots, way=_path(points), words=_words(evidence, spots))


def _projected(latitude: float, longitude: float) -> tuple[float, float]:
    """Return the place on the drawing.

    >>> _projected(84.0, -180.0), _projected(0.0, 0.0)
    ((0.0, 0.0), (1000.0, 466.7))
    """
    y = min(max((_NORTH - latitude) * _UNITS_PER_DEGREE, 0.0), float(WORLD_HEIGHT))
    return round((longitude + 180) * _UNITS_PER_DEGREE, 1), round(y, 1)


def _great_circle(first: _Login, second: _Login) -> list[tuple[float, float]]:
    """Return latitudes and longitudes along the shortest way."""
    one, other = _vector(first), _vector(second)
    angle = acos(min(max(sum(a * b for a, b in zip(one, other, strict=True)), -1.0), 1.0))
    if sin(angle) < 1e-6:  # the same place or the opposite one: any way is the shortest
        return [(first.latitude, first.longitude), (second.latitude, second.longitude)]
    found: list[tuple[float, float]] = []
    for step in range(_STEPS + 1):
        share = step / _STEPS
        near, far = sin((1 - share) * angle) / sin(angle), sin(share * angle) / sin(angle)
        x, y, z = (near * a + far * b for a, b in zip(one, other, strict=True))
        found.append((degrees(asin(min(max(z, -1.0), 1.0))), degrees(atan2(y, x))))
    return found


def _vector(login: _Login) -> _Vector:
    across, along = radians(login.latitude), radians(login.longitude)
    return cos(across) * cos(along), cos(across) * sin(along), sin(across)


def _part(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Return the part of the world around points: left, top, width, height."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    width = min(max((right - left) * 1.5, (bottom - top) * 1.5 * _ASPECT, _NARROWEST), float(WORLD_WIDTH))
    height = min(width / _ASPECT, float(WORLD_HEIGHT))
    x = min(max((left + right - width) / 2, 0.0), WORLD_WIDTH - width)
    y = min(max((top + bottom - height) / 2, 0.0), WORLD_HEIGHT - height)
    return round(x, 1), round(y, 1), round(width, 1), round(height, 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Return the points as a path, which is interrupted where it leaves the drawing at 180°."""
    parts: list[str] = []
    before: float | None = None
    for x, y in points:
        is_interrupted = before is None or abs(x - before) > WORLD_WIDTH / 2
        parts.append(f"{'M' if is_interrupted else 'L'}{x} {y}")
        before = x
    return " ".join(parts)


def _name(login: _Login) -> str:
    named = ", ".join(part for part in (login.city, login.country) if part)
    return named or f"{login.latitude:.1f}°, {login.longitude:.1f}°"


def _words(evidence: _Evidence, spots: Sequence[Spot]) -> str:
    parts = [f"{spots[0].name} to {spots[1].name}"]
    if evidence.distance_km is not None:
        parts.append(f"{evidence.distance_km:,.0f} km")
    if evidence.hours is not None:
        minutes = round(evidence.hours * 60)
        parts.append(f"in {minutes} min" if minutes < 120 else f"in {evidence.hours:,.1f} h")
    if evidence.km_per_h is not None:
        parts.append(f"{evidence.km_per_h:,.0f} km/h")
    return ", ".join(parts)
