"""Waiting for what other processes do."""

import time
from collections.abc import Callable, Iterator


def until(holds: Callable[[], object], seconds: float = 60, found: Callable[[], object] = lambda: "") -> None:
    """Return once *holds* returns something true.

    Args:
        found: describes the state for the message of a failure.

    Raises: AssertionError: it does not within *seconds*.
    """
    attempts = _attempts(seconds)
    while not holds():
        assert next(attempts, False), found()


def _attempts(seconds: float) -> Iterator[bool]:
    """Pause before each attempt, at first briefly: an attempt often costs the service more than the awaited work."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)
        yield True
