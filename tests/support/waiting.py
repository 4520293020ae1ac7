"""Waiting for what other processes do."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any


def until(holds: Callable[[], object], seconds: float = 60, found: Callable[[], object] = lambda: "") -> None:
    """Return once *holds* returns something true.

    Args:
        found: describes the state for the message of a failure.

    Raises: AssertionError: it does not within *seconds*.
    """
    attempts = _attempts(seconds)
    while not holds():
        assert next(attempts, False), found()


def until_still(value: Callable[[], object], seconds: float = 3) -> None:
    """Return once *value* has returned the same for *seconds*.

    Raises: AssertionError: it still changes after two minutes.
    """
    attempts = _attempts(120)
    last, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        assert next(attempts, False), last
        if (found := value()) != last:
            last, since = found, time.monotonic()


def created_and_expired(create: Callable[[str], Any]) -> Any:
    """Create something that expires soon, and return it once it has expired.

    Args:
        create: makes it with this time of expiry; None: refused. A busy machine may take so long for the request that
            the time has passed; the next one leaves more time.
    """
    for seconds in (1, 2, 4, 8, 16, 32):
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        if (created := create(expires_at.isoformat())) is not None:
            time.sleep(max((expires_at - datetime.now(UTC)).total_seconds(), 0) + 0.01)
            return created
    raise AssertionError("nothing was created")


def _attempts(seconds: float) -> Iterator[bool]:
    """Pause before each attempt, at first briefly: an attempt often costs the service more than the awaited work."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)
        yield True
