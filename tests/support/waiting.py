"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    """Return once *what* holds.

    Raises: AssertionError: it does not within *seconds*.
    """
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
