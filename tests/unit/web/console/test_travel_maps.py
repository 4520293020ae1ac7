"""The map of an impossible travel."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.web.console.travel_maps import WORLD_HEIGHT, WORLD_WIDTH, travel_map


def evidence(*places: tuple[float, float], **more: Any) -> str:
    logins = [{"timestamp": "2026-11-30T08:00:00Z", "latitude": place[0], "longitude": place[1]} for place in places]
    return json.dumps({"logins": logins, **more})


def test_both_places_are_in_the_shown_part() -> None:
    """With the way between them, and what the evidence says about it."""
    found = travel_map(evidence((52.5, 13.4), (-33.9, 151.2), distance_km=16092.3, hours=0.7, km_per_h=22989.0))
    assert found is not None
    left, top, width, height = found.box
    for spot in found.spots:
        assert left <= spot.x <= left + width
        assert top <= spot.y <= top + height
    assert found.words == "52.5°, 13.4° to -33.9°, 151.2°, 16,092 km, in 42 min, 22,989 km/h"
    assert found.way.startswith("M")
    assert found.way.count("M") == 1


def test_a_way_over_the_pacific_leaves_the_map_on_one_side() -> None:
    """And comes back on the other: no line crosses the whole map."""
    found = travel_map(evidence((35.7, 139.7), (37.8, -122.4)))
    assert found is not None
    assert found.way.count("M") == 2
    assert found.box[2] == WORLD_WIDTH


@given(*(st.tuples(st.floats(-90, 90), st.floats(-180, 180)) for _ in range(2)))
def test_any_two_places_have_a_map(first: tuple[float, float], second: tuple[float, float]) -> None:
    """Also the same place, opposite places and the poles; nothing is outside of the world."""
    found = travel_map(evidence(first, second))
    assert found is not None
    left, top, width, height = found.box
    assert 0 <= left <= left + width <= WORLD_WIDTH + 0.2
    assert 0 <= top <= top + height <= WORLD_HEIGHT + 0.2
    assert "nan" not in found.way


@pytest.mark.parametrize(
    "details",
    [
        None,
        "",
        "{}",
        "[1]",
        "not json",
        evidence((1, 2)),
        evidence((1, 2), (3, 4), (5, 6)),
        evidence((91, 0), (0, 0)),
        evidence((0, 0), (0, 181)),
        '{"logins": [{"latitude": "x", "longitude": 0, "timestamp": ""}, 7]}',
        '{"logins": [{"latitude": 1e999, "longitude": 0, "timestamp": ""}]}',
    ],
)
def test_other_evidence_has_no_map(details: str | None) -> None:
    """Clients may send any details."""
    assert travel_map(details) is None
