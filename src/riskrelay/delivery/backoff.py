"""How long to wait before the next attempt."""

from datetime import timedelta

FIRST = timedelta(seconds=1)  # design 6
LONGEST = timedelta(minutes=15)  # design 6


def backoff(failures: int, jitter: float) -> timedelta:
    """The wait after so many failures in a row: 1 s, 2 s, 4 s … 15 min, of which up to a half is jitter.

    Args:
        failures: at least 1.
        jitter: from 0 to 1, chosen by the caller: 0 gives the whole wait, 1 half of it.

    Returns: from half a second to 15 minutes.
    Rule: design 6.

    >>> backoff(1, 0).total_seconds(), backoff(4, 0).total_seconds(), backoff(99, 0).total_seconds()
    (1.0, 8.0, 900.0)
    """
    whole: timedelta = min(FIRST * (1 << min(failures - 1, 20)), LONGEST)
    return whole * (1 - jitter / 2)
