"""How long to wait before the next attempt, of one event and of a whole lane."""

from datetime import timedelta

FIRST = timedelta(seconds=1)  # design 6
LONGEST = timedelta(minutes=15)  # design 6
FIRST_PROBE = timedelta(seconds=10)  # design "breaker"
LONGEST_OURS = timedelta(seconds=10)  # guessed: late enough for thousands of lanes at once
STUMBLES = 3  # guessed: a restart is over within the first 7 s; what still fails then is down
_PROBE_JITTER = 0.1  # guessed: spreads 1,000 receivers that died together over 90 s of each 15 min


def backoff(failures: int, jitter: float) -> timedelta:
    """How long an event waits that failed so often: 1 s, 2 s, 4 s … 15 min, of which up to a half is jitter.

    Args:
        failures: at least 1.
        jitter: from 0 to 1, chosen by the caller: 0 gives the whole wait, 1 half of it.

    Returns: from half a second to 15 minutes.
    Rule: design 6.

    >>> backoff(1, 0).total_seconds(), backoff(4, 0).total_seconds(), backoff(99, 0).total_seconds()
    (1.0, 8.0, 900.0)
    """
    return _doubled(FIRST, failures) * (1 - jitter / 2)


def own_wait(failures: int, jitter: float) -> timedelta:
    """How long to wait when it was our own part that failed: as `backoff`, but never longer than 10 s.

    Rule: design 6, "uses up nobody's budget".
    """
    return min(backoff(failures, jitter), LONGEST_OURS)


def probe_wait(failures: int, jitter: float) -> timedelta:
    """How long a lane is quiet after so many batches in a row that brought nothing but failure.

    The first three waits are an event's own: a receiver that restarts is not left alone for longer than it takes.
    After them the breaker is open: 10 s, 20 s, 40 s … 15 min between two probes. There the jitter only adds, so that a
    receiver that is down gets at most one probe in 15 minutes.

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
