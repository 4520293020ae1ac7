"""Durations as people write them."""

import re
from datetime import timedelta

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}
_WRITTEN = re.compile(r"(\d{1,9})\s*(d|h|min|m|s)", re.ASCII)


def duration_of(text: str) -> timedelta | None:
    """Read a duration such as "7d", "12 h", "30min" or "45s"; None: it is none.

    >>> duration_of("7d"), duration_of("90 min"), duration_of("soon")
    (datetime.timedelta(days=7), datetime.timedelta(seconds=5400), None)
    """
    written = _WRITTEN.fullmatch(text.strip().lower())
    if written is None:
        return None
    unit = "min" if written[2] == "m" else written[2]
    return int(written[1]) * _UNITS[unit]


def duration_text(duration: timedelta) -> str:
    """Write a duration of whole seconds with the largest unit that fits, so that `duration_of` reads it.

    >>> duration_text(timedelta(days=7)), duration_text(timedelta(minutes=90)), duration_text(timedelta(0))
    ('7d', '90min', '0s')
    """
    unit = next(unit for unit, size in _UNITS.items() if unit == "s" or (duration and not duration % size))
    return f"{duration // _UNITS[unit]}{unit}"
