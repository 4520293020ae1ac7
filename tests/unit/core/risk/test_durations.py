"""Durations as people write them: read, and written with the largest unit that fits."""

from datetime import timedelta

import pytest

from riskrelay.core.risk.durations import duration_of, duration_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 604_800),
        ("12 h", 43_200),
        ("30min", 1_800),
        ("30m", 1_800),
        (" 45S ", 45),
        ("0s", 0),
        ("999999999s", 999_999_999),
        ("9999999999s", None),
        ("7", None),
        ("d", None),
        ("-7d", None),
        ("1.5h", None),
        ("7d 1h", None),
        ("", None),
        ("٣d", None),
    ],
)
def test_a_duration_is_read(text: str, seconds: int | None) -> None:
    """A number of at most nine digits and one unit; anything else is no duration."""
    assert duration_of(text) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(604_800, "7d"), (90_000, "25h"), (3_600, "1h"), (5_400, "90min"), (60, "1min"), (61, "61s"), (0, "0s")],
)
def test_a_duration_is_written_with_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    """It is read again as the same."""
    assert duration_text(timedelta(seconds=seconds)) == text
    assert duration_of(text) == timedelta(seconds=seconds)
