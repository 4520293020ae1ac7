"""A log of any age finds what the same activity would have found when it arrived."""

from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.risk import backtesting
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit, Login
from riskrelay.core.risk.backtesting import backtest
from riskrelay.core.risk.findings import UserRef
from riskrelay.core.risk.networks import NO_NETWORKS, Networks, TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.risk.travel import journey_of, journeys
from support.arrivals import Arrivals
from support.services import NOON

PARIS, NEW_YORK, TOKYO = (48.8566, 2.3522), (40.7128, -74.006), (35.6762, 139.6503)
LIMITS = TravelLimits()


def activity(number: int, seen: Login | DlpHit, email: str = "kai@example.com") -> Activity:
    return Activity(activity_id=ActivityId(f"a-{number:04}"), user=UserRef(email), seen=seen, digest=bytes(32))


def login(hours: float, place: tuple[float, float], **more: Any) -> Login:
    at = NOON + timedelta(hours=hours)
    return Login(at=at, latitude=place[0], longitude=place[1], application=None, **more)


STEPS = st.lists(st.tuples(st.integers(0, 600), st.sampled_from([PARIS, NEW_YORK, TOKYO])), max_size=40)


@given(STEPS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_it_finds_what_arriving_activity_finds(
    steps: list[tuple[int, tuple[float, float]]], at_once: int, random: Random
) -> None:
    """The same episodes, however much is compared at a time, and in whatever order the log is."""
    logins = [login(hours / 4, place) for hours, place in steps]
    arrivals = Arrivals(partial(journeys, limits=LIMITS), journey_of)
    arrivals.arrive(logins)
    log = [activity(number, one) for number, one in enumerate(logins)]
    random.shuffle(log)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backtesting, "_AT_ONCE", at_once)
        found = backtest(log, LIMITS, NO_NETWORKS).found
    expected = [(one.triggered_at, one.logins, one.last_at) for one in arrivals.episodes.values()]
    episodes = [journey_of(one.details) for one in found]
    assert sorted((one.triggered_at, one.logins, one.last_at) for one in episodes) == sorted(expected)


def test_both_behaviors_users_repeats_and_exemptions() -> None:
    """Users are apart, a repeated id counts once, and what takes no part is counted by reason."""
    hits = [activity(100 + n, DlpHit(NOON + timedelta(seconds=n), "cards"), "lou@example.com") for n in range(15)]
    log = [
        activity(1, login(0, PARIS)),
        activity(1, login(0, PARIS)),
        activity(2, login(1, NEW_YORK)),
        activity(3, login(1, TOKYO), "lou@example.com"),
        activity(4, login(2, (0.0, 0.0))),
        activity(5, login(2, TOKYO, ip="203.0.113.9")),
        *hits,
    ]
    result = backtest(log, LIMITS, Networks([TrustedNetwork(name="Office", cidr="203.0.113.0/24")]))
    assert [(one.email, one.behavior) for one in result.found] == [
        ("lou@example.com", "high_dlp"),
        ("kai@example.com", "imp_travel"),
    ]
    assert (result.users, result.logins, result.dlp_hits) == (2, 3, 15)
    assert result.exempt == {"no_place": 1, "trusted_network": 1}


def test_settings_can_be_tried() -> None:
    """What a user does every day for weeks is found each day, unless places are learned."""
    log = [
        activity(2 * day + side, login(24 * day + side, place))
        for day in range(10)
        for side, place in enumerate((PARIS, TOKYO))
    ]
    assert len(backtest(log, LIMITS, NO_NETWORKS).found) > 0
    learning = TravelLimits(known_places_days=30)
    first_days = {one.timestamp for one in backtest(log, learning, NO_NETWORKS).found}
    assert first_days
    assert max(first_days) < (NOON + timedelta(days=4)).isoformat()
    assert backtest(log, TravelLimits(max_km_per_h=10_000, min_km=20_000), NO_NETWORKS).found == []
