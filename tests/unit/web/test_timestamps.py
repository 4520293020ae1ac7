"""Times in requests are RFC 3339 and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.web.account_api.timestamps import read_moment

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=OFFSETS), st.sampled_from("Tt "))
def test_rfc_3339_times_are_read(at: datetime, separator: str) -> None:
    """Any moment, with any offset: the same moment in UTC."""
    moment = read_moment(at.isoformat(separator))
    assert (moment, moment.tzinfo) == (at, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-29T10:00:00Z", "2026-11-29T10:00:00+00:00"),
        ("2026-11-29t10:00:00z", "2026-11-29T10:00:00+00:00"),
        ("2026-11-29T10:00:00-00:00", "2026-11-29T10:00:00+00:00"),
        ("2026-11-29T10:00:00.1Z", "2026-11-29T10:00:00.100000+00:00"),
        ("2026-11-29T10:00:00.1234567891Z", "2026-11-29T10:00:00.123456+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
    ],
)
def test_forms_that_rfc_3339_allows(text: str, moment: str) -> None:
    """Small letters, an unknown offset, finer fractions, a leap second (RFC 3339 §5.6, §5.7)."""
    assert read_moment(text).isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1764000000",
        "1764000000000",
        "1764000000.5",
        "2026-11-29",
        "20261129T100000Z",
        "2026-W48-7T10:00:00Z",
        "2026-333T10:00:00Z",
        "2026-11-29T10:00:00",
        "2026-11-29T10:00Z",
        "2026-11-29T10Z",
        "2026-11-29T10:00:00+0100",
        "2026-11-29T10:00:00+01",
        "2026-11-29T10:00:00+24:00",
        "2026-11-29T10:00:00+01:60",
        "2026-11-29T24:00:00Z",
        "2026-11-29T10:60:00Z",
        "2026-11-29T10:00:61Z",
        "2026-02-30T10:00:00Z",
        "2026-11-29T10:00:00,5Z",
        "2026-11-29T10:00:00.Z",
        "+02026-11-29T10:00:00Z",
        " 2026-11-29T10:00:00Z",
        "2026-11-29T10:00:00Z\n",
        "2026-11-29T10:00:00 Z",
        "٢٠٢٦-11-29T10:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "now",
        "Sun, 29 Nov 2026 10:00:00 GMT",
        "2026-11-29T10:00:00." + "0" * 1_000_000 + "Z",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    """Digits, dates, ISO 8601 that is not RFC 3339, days that do not exist, what UTC cannot hold."""
    with pytest.raises(ValueError, match=r"^must "):
        read_moment(text)
