"""Times are read in the forms that senders write, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.sources.times import read_time

_MS = 1_795_946_400_123


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-29T10:00:00.123Z",
        "2026-11-29T10:00:00.123456789Z",
        "2026-11-29T10:00:00.123+00:00",
        "2026-11-29T12:00:00.123+0200",
        "2026-11-29 10:00:00.123",
        "2026-11-29 10:00:00.123 UTC",
        "2026-11-29t10:00:00.123z",
        " 2026-11-29T10:00:00.123Z ",
        _MS,
        _MS * 1_000,
        _MS * 1_000_000,
        _MS / 1_000,
        str(_MS),
        str(_MS * 1_000_000),
        "1795946400.123",
        "1.795946400123e12",
    ],
)
def test_a_time_is_read_in_every_form(written: object) -> None:
    assert read_time(written) == _MS


@pytest.mark.parametrize("written", ["Sun Nov 29 10:00:00 2026", " Sun Nov 29 10:00:00 2026 "])
def test_asctime_is_read_as_utc(written: str) -> None:
    """Zscaler's feeds write it; a day below 10 has a space in front of it."""
    assert read_time(written) == _MS - 123
    assert read_time("Sun Nov  1 10:00:00 2026") == _MS - 123 - 28 * 86_400_000


def test_the_magnitude_tells_the_unit() -> None:
    assert read_time(99_999_999_999) == 99_999_999_999_000
    assert read_time(100_000_000_000) == 100_000_000_000
    assert read_time(99_999_999) is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        "now",
        "0",
        0,
        -1,
        True,
        None,
        [],
        {},
        "2026-11-29",
        "2026-13-29T10:00:00Z",
        "10:00",
        "Sun Nov 31 10:00:00 2026",
        "Son Nov 29 10:00:00 2026",
        "Sun Okt 29 10:00:00 2026",
        "Sun Nov 29 25:00:00 2026",
        "Sun Nov 29 10:00:00",
        1e30,
        float("nan"),
        "1" * 90,
    ],
)
def test_anything_else_is_no_time(written: object) -> None:
    assert read_time(written) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_no_value_raises_an_exception(written: object) -> None:
    found = read_time(written)
    assert found is None or found > 0
