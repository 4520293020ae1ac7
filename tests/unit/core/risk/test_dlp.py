"""Fifteen DLP hits within a sliding minute: exact at its edges, indifferent to arrival order."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.risk.activity import DlpHit
from riskrelay.core.risk.dlp import MAX_PROFILES, Burst, burst_of, bursts, hot_windows
from support.arrivals import Arrivals
from support.services import NOON

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)

# Whole seconds close together, so that many hits are exactly a minute apart.
SECONDS = st.integers(0, 200)
HITS = st.lists(st.builds(lambda s, p: hit(s, p), SECONDS, st.sampled_from(["cards", "names", None])), max_size=80)


def hit(seconds: float, profile: str | None = "cards") -> DlpHit:
    return DlpHit(NOON + timedelta(seconds=seconds), profile)


def arrived(*batches: Sequence[DlpHit]) -> Arrivals[Burst]:
    arrivals = Arrivals(bursts, burst_of)
    for batch in batches:
        arrivals.arrive(batch)
    return arrivals


def hot(at: datetime, times: Sequence[datetime]) -> bool:
    """The definition, word by word: some minute [start, start + 60 s) holds this hit and at least fifteen in all.

    A minute with the most hits can be moved until it starts at one of them.
    """
    return any(
        start <= at < start + MINUTE and sum(start <= time < start + MINUTE for time in times) >= 15 for start in times
    )


def naive(hits: Sequence[DlpHit]) -> list[tuple[datetime, datetime, int]]:
    """The runs of hot hits in which none is a minute or more after the one before."""
    times = [one.at for one in hits]
    runs: list[list[datetime]] = []
    for at in sorted(time for time in times if hot(time, times)):
        if runs and at - runs[-1][-1] < MINUTE:
            runs[-1].append(at)
        else:
            runs.append([at])
    return [(run[0], run[-1], len(run)) for run in runs]


def spans(arrivals: Arrivals[Burst]) -> list[tuple[datetime, datetime, int]]:
    return sorted((burst.first_at, burst.last_at, burst.hits) for burst in arrivals.episodes.values())


@pytest.mark.parametrize(("last", "expected"), [(60 - 1e-6, 1), (60, 0), (60 + 1e-6, 0)])
def test_the_minute_is_half_open(last: float, expected: int) -> None:
    """Hits at t and at exactly t + 60 s are not within one minute; a microsecond less and they are."""
    hits = [hit(0), *(hit(30) for _ in range(13)), hit(last)]
    assert len(arrived(hits).episodes) == expected


@pytest.mark.parametrize(("count", "expected"), [(14, 0), (15, 1), (16, 1)])
def test_fifteen_are_enough(count: int, expected: int) -> None:
    """Fourteen are not; also when all come at one moment."""
    assert len(arrived([hit(n) for n in range(count)]).episodes) == expected
    assert len(arrived([hit(0)] * count).episodes) == expected


def test_the_minute_slides() -> None:
    """It starts at any hit, not at a full minute of the clock."""
    assert len(arrived([hit(45 + n) for n in range(15)]).episodes) == 1
    assert list(hot_windows([NOON + timedelta(seconds=4 * n) for n in range(16)])) == [(0, 14), (1, 15)]


@given(HITS)
def test_episodes_are_those_of_the_definition(hits: list[DlpHit]) -> None:
    """Hot hits and their runs, as a model that counts every minute finds them; triggered by the first fifteenth."""
    arrivals = arrived(hits)
    assert spans(arrivals) == naive(hits)
    times = sorted(one.at for one in hits)
    fifteenths = [times[n + 14] for n in range(len(times) - 14) if times[n + 14] - times[n] < MINUTE]
    for burst in arrivals.episodes.values():
        assert burst.triggered_at == min(at for at in fifteenths if burst.first_at <= at <= burst.last_at)


@given(HITS, st.lists(st.integers(0, 80), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(hits: list[DlpHit], cuts: list[int], random: Random) -> None:
    """In any order and in any batches: the same episodes with the same evidence."""
    in_order = arrived(sorted(hits, key=lambda one: one.at))
    shuffled = list(hits)
    random.shuffle(shuffled)
    edges = [0, *sorted(cuts), len(hits)]
    out_of_order = arrived(*(shuffled[start:end] for start, end in pairwise(edges)))
    assert out_of_order.episodes == in_order.episodes
    assert out_of_order.members() == in_order.members()


def test_a_minute_without_hot_hits_ends_an_episode() -> None:
    """A single late hit in between does not join two bursts; enough of them do."""
    first, second = [hit(n) for n in range(15)], [hit(100 + n) for n in range(15)]
    assert len(arrived(first, second, [hit(57)]).episodes) == 1  # hot with the first burst, and less than a minute off
    assert len(arrived(first, second, [hit(75)]).episodes) == 2
    joined = arrived(first, second, [hit(40 + n) for n in range(15)])
    assert spans(joined) == [(NOON, NOON + timedelta(seconds=114), 45)]


def test_a_burst_tells_its_evidence() -> None:
    """Count, profiles, first and last time, and when the fifteenth fell; of very many profiles the first."""
    (burst,) = arrived([hit(n, "names" if n else "cards") for n in range(17)]).episodes.values()
    assert burst.details() == {
        "hits": 17,
        "profiles": ["cards", "names"],
        "first_at": "2026-03-17T12:00:00Z",
        "last_at": "2026-03-17T12:00:16Z",
        "fifteenth_at": "2026-03-17T12:00:14Z",
    }
    assert burst_of(burst.details()) == burst
    (burst,) = arrived([hit(0, f"profile {n:03}") for n in range(200)]).episodes.values()
    assert len(burst.profiles) == MAX_PROFILES
