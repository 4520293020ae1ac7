"""Times in requests, in RFC 3339 only."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainValidator

from riskrelay.core.errors import FaultKind
from riskrelay.web.account_api import model_errors

_MAX_CHARACTERS = 64  # a time with a fraction of 38 digits
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]"
    r"((?:[01]\d|2[0-3]):[0-5]\d):(\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def read_moment(text: str) -> datetime:
    """Read a time, in UTC. It is truncated to microseconds; a leap second becomes the second after it.

    Raises: ValueError: the text has another form, or the time does not exist.
    Rule: RFC 3339 §5.6, §5.7.

    >>> read_moment("2026-11-29T12:00:00.5+02:00").isoformat()
    '2026-11-29T10:00:00.500000+00:00'
    """
    found = _FORM.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if found is None:
        raise ValueError("must be a timestamp as in RFC 3339, with seconds and an offset, such as 2026-11-29T10:00:00Z")
    date, minute, second, fraction, offset = found.groups()
    is_leap = second == "60"
    offset = "+00:00" if offset in "Zz" else offset
    written = f"{date}T{minute}:{'59' if is_leap else second}.{(fraction or '0')[:6].ljust(6, '0')}{offset}"
    try:
        return datetime.fromisoformat(written).astimezone(UTC) + timedelta(seconds=is_leap)
    except OverflowError:
        raise ValueError("must be between the years 1 and 9999 in UTC") from None
    except ValueError:
        raise ValueError("must be a valid date and time") from None


def _timestamp(value: Any) -> datetime:
    if not isinstance(value, str):
        raise model_errors.custom(
            FaultKind.WRONG_TYPE, "must be a string with a timestamp, such as 2026-11-29T10:00:00Z"
        )
    return read_moment(value)


Timestamp = Annotated[datetime, PlainValidator(_timestamp)]
"""A moment with its offset from UTC, which is then in UTC."""
