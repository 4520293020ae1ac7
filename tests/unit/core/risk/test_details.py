"""The evidence that the service makes itself stays within what a sender's may have."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from riskrelay.core.risk.activity import ActivityId as Id
from riskrelay.core.risk.activity import DlpHit, Kept, Login
from riskrelay.core.risk.dlp import bursts
from riskrelay.core.risk.findings import MAX_DETAILS_BYTES
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.risk.travel import journeys

NOW = datetime(2026, 3, 17, 8, tzinfo=UTC)
LONGEST = 255  # characters of an application or a profile


@pytest.mark.fault(47)
@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
def test_evidence_of_many_hits_is_bounded(character: str) -> None:
    """However many profiles with however long names a burst has."""
    names = [f"{place:04}{character * (LONGEST - 4)}" for place in range(1_000)]
    hits = [
        Kept(
            activity_id=Id(str(place)), seen=DlpHit(NOW + timedelta(milliseconds=place), name), episode=None, fresh=True
        )
        for place, name in enumerate(names)
    ]
    (found,) = bursts(hits, {})
    assert found.episode.hits == 1_000
    assert len(msgspec.json.encode(found.episode.details())) <= MAX_DETAILS_BYTES


@pytest.mark.fault(47)
def test_evidence_of_impossible_travel_is_bounded() -> None:
    """It shows two logins, however many belong to the episode."""
    name = "😀" * LONGEST
    logins = [
        Kept(
            activity_id=Id(str(place)),
            seen=Login(
                at=NOW + timedelta(minutes=place),
                latitude=80.0 * (place % 2),
                longitude=10.0,
                application=name,
                country=name,
                city=name,
                source=name,
                event_id=name,
            ),
            episode=None,
            fresh=True,
        )
        for place in range(50)
    ]
    (found, *_) = journeys(logins, {}, TravelLimits())
    assert len(msgspec.json.encode(found.episode.details())) <= MAX_DETAILS_BYTES
