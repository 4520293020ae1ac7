"""When activity can be used, what it can trigger, and what hangs together."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.risk.activity import LATENESS, SKEW, Activity, DlpHit, Login, Timing, connected, timing
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.core.risk.findings import UserRef
from support.services import NOON

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-LATENESS - MICROSECOND, Timing.LATE),
        (-LATENESS, Timing.TIMELY),
        (timedelta(0), Timing.TIMELY),
        (SKEW, Timing.TIMELY),
        (SKEW + MICROSECOND, Timing.FUTURE),
    ],
)
def test_an_hour_late_is_in_time(offset: timedelta, expected: Timing) -> None:
    """A microsecond more is late; and a sender's clock may be ahead a little."""
    assert timing(NOON + offset, NOON) is expected


def test_each_kind_has_its_behavior() -> None:
    """Both are behaviors that the service knows."""
    seen = Login(at=NOON, latitude=0, longitude=0, application=None), DlpHit(NOON, None)
    behaviors = [
        Activity(activity_id=None, user=UserRef("kai@example.com"), seen=one, digest=b"").behavior for one in seen
    ]
    assert behaviors == ["imp_travel", "high_dlp"]
    assert set(behaviors) < set(BEHAVIORS)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_groups_are_closed_under_their_links(links: list[tuple[int, int]]) -> None:
    """Every number is in one group, no link leads out of a group, and no group falls apart."""
    groups = connected(10, links)
    assert sorted(number for group in groups for number in group) == list(range(10))
    for group in groups:
        reached, last = {group[0]}, set[int]()
        while reached != last:
            last = set(reached)
            reached |= {b for a, b in links if a in last} | {a for a, b in links if b in last}
        assert reached == set(group)
