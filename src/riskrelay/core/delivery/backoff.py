"""How long to wait before the next attempt, of one event and of a whole lane."""

from datetime import timedelta

FIRST = timedelta(seconds=1)  # design 6
LONGEST = timedelta(minutes=15)  # design 6
FIRST_PROBE = timedelta(seconds=10)  # design "breaker"
LONGEST_LOCAL = timedelta(seconds=10)  # guessed: long enough for thousands of lanes at once
STUMBLES = 3  # guessed: a restart takes less than 7 s; a receiver that still fails then is down
_PROBE_JITTER = 0.1  # guessed: spreads 1,000 receivers that died together over 90 s of each 15 min


def backoff(failures: int, jitter: float) -> timedelta:
    """Return the delay of an event after *failures* failed attempts: 1 s, 2 s, 4 s … 15 min, less up to half as jitter.

    Args:
        failures: at least 1.
        jitter: from 0 to 1, chosen by the caller: 0 gives the whole wait, 1 half of it.

    Returns: from half a second to 15 minutes.
    Rule: design 6.

    >>> backoff(1, 0).total_seconds(), backoff(4, 0).total_seconds(), backoff(99, 0).total_seconds()
    (1.0, 8.0, 900.0)
    """
    return _doubled(FIRST, failures) * (1 - jitter / 2)


def local_wait(failures: int, jitter: float) -> timedelta:
    """Return the delay after a local failure: as `backoff`, but at most 10 s.

    Rule: design 6, "uses up nobody's budget".
    """
    return min(backoff(failures, jitter), LONGEST_LOCAL)


def probe_wait(failures: int, jitter: float) -> timedelta:
    """Return how long a lane pauses after *failures* failed batches in a row.

    The first three delays are those of an event, because a receiver that restarts is back soon. After them the breaker
    is open: 10 s, 20 s, 40 s … 15 min between two probes. There the jitter only adds time, so that a receiver that is
    down gets at most one probe in 15 minutes.

    Args:
        failures: at least 1.
        jitter: from 0 to 1, chosen by the caller.

    Rule: design 6, "breaker with one probe"; faults.md 27.

    >>> [probe_wait(failures, 0).total_seconds() for failures in (1, 3, 4, 5, 10, 11)]
    [1.0, 4.0, 10.0, 20.0, 640.0, 900.0]
    """
    if failures <= STUMBLES:
        return backoff(failures, jitter)
    return _doubled(FIRST_PROBE, failures - STUMBLES) * (1 + _PROBE_JITTER * jitter)


def _doubled(first: timedelta, times: int) -> timedelta:
    whole: timedelta = min(first * (1 << min(times - 1, 20)), LONGEST)
    return whole
