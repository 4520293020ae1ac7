"""Let small requests go before the steps of large ones.

The threads of a process share one interpreter, and on SQLite one writer. So a request of thousands of items is worked
off in steps of about a millisecond, and each step waits while a small request is in work. Without these waits, a small
request takes the interpreter back from a computing thread dozens of times, and waits up to 0.5 ms each time.
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

T = TypeVar("T")

# Chosen: a small request takes about as long. A step waits no longer, so a large request advances under any load.
_LONGEST_WAIT_SECONDS = 0.006
_POLL_SECONDS = 0.001
_MOST_POLLS = round(_LONGEST_WAIT_SECONDS / _POLL_SECONDS)
_COUNTED_SECONDS = 0.05  # chosen: a small request that takes longer waits for something else
_ITEMS_OF_STEP = 25  # guessed: below a millisecond for findings and logins
_RELEASED_SECONDS = 0.1  # guessed: after the end of a large request, its response is sent and its objects are freed
_YOUNG_OBJECTS = 500_000  # chosen: more than a request of 10,000 items has at one time, some 200 MB


class _SmallRequest:
    """A small request in work, as a context manager."""

    def __enter__(self) -> None:
        self._is_counted = True
        _REQUESTS.add_small(1)
        self._timer = asyncio.get_running_loop().call_later(_COUNTED_SECONDS, self._end)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._end()

    def _end(self) -> None:
        if self._is_counted:
            self._is_counted = False
            _REQUESTS.add_small(-1)


class _Requests:
    """How many large and small requests are in work. Only the event loop changes the counts.

    Beside large requests garbage is collected more rarely. A collection stops all threads, for 3 to 12 ms with the
    objects of a large request (measured), and finds next to nothing: reference counts free them.
    """

    def __init__(self) -> None:
        self.large = 0
        self.small = 0
        self._thresholds: tuple[int, int, int] | None = None  # the usual ones, while others are set
        self.no_small = threading.Event()
        self.no_small.set()

    def begin_large(self) -> None:
        self.large += 1
        if self._thresholds is None:
            self._thresholds = gc.get_threshold()
            gc.set_threshold(_YOUNG_OBJECTS, *self._thresholds[1:])

    def end_large(self) -> None:
        self.large -= 1
        if not self.large:
            # Later, because a collection starts at once if the request's objects still exist.
            asyncio.get_running_loop().call_later(_RELEASED_SECONDS, self._collect_as_usual)

    def _collect_as_usual(self) -> None:
        if not self.large and self._thresholds is not None:
            gc.set_threshold(*self._thresholds)
            self._thresholds = None

    def add_small(self, count: int) -> None:
        self.small += count
        if self.small:
            self.no_small.clear()
        else:
            self.no_small.set()


_REQUESTS = _Requests()
_NOT_COUNTED = nullcontext()


@contextmanager
def large_request() -> Iterator[None]:
    """Count a large request while the block runs."""
    _REQUESTS.begin_large()
    try:
        yield
    finally:
        _REQUESTS.end_large()


def small_request() -> AbstractContextManager[None]:
    """Count a small request while the block runs, but not for long. It has no effect without large requests."""
    return _SmallRequest() if _REQUESTS.large else _NOT_COUNTED


def small_requests_wait() -> bool:
    """Return whether small requests are in work beside a large one."""
    return _REQUESTS.small > 0


async def give_way() -> None:
    """Wait before a step of a large request while small requests are in work. Other tasks always get a turn."""
    await asyncio.sleep(0)
    for _ in range(_MOST_POLLS):
        if not _REQUESTS.small:
            return
        await asyncio.sleep(_POLL_SECONDS)


class _Thread(threading.local):
    """Whether this thread runs work of a large request that may wait between its steps."""

    in_steps = False


_THREAD = _Thread()


def stepwise(work: Callable[..., T]) -> Callable[..., T]:
    """Let *work* wait in `in_steps`. On a thread with an event loop, which must not wait, it does not."""

    def run(*given: object) -> T:
        if asyncio._get_running_loop() is not None:
            return work(*given)
        before, _THREAD.in_steps = _THREAD.in_steps, True
        try:
            return work(*given)
        finally:
            _THREAD.in_steps = before

    return run


def in_steps(items: Iterable[T]) -> Iterable[T]:
    """Iterate over *items*. Within `stepwise`, wait after every few of them while small requests are in work."""
    return _waiting_between(items) if _THREAD.in_steps else items


def _waiting_between(items: Iterable[T]) -> Iterator[T]:
    for number, item in enumerate(items, 1):
        if number % _ITEMS_OF_STEP == 0:
            _REQUESTS.no_small.wait(_LONGEST_WAIT_SECONDS)
        yield item
