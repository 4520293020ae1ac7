"""An order of work in which accounts take turns."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue of queues: each owner keeps its own order, and the owners take turns.

    However much one owner has waiting, the first item of another owner waits for one item of each owner at most. Not
    safe for use by several threads.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}  # in the order of the owners' turns
        self._count = 0
        self._served: Hashable = None  # the owner whose item was taken last

    def __len__(self) -> int:
        return self._count

    def add(self, owner: Hashable, item: T) -> None:
        """Append *item* to the queue of its owner."""
        self._waiting.setdefault(owner, deque()).append(item)
        self._count += 1

    def take(self) -> T:
        """Remove and return the first item of the next owner.

        Raises: KeyError: no item waits.
        """
        # An owner that was served and arrived again first has no turn before another.
        owner = next((one for one in self._waiting if one != self._served), self._served)
        items = self._waiting[owner]
        item = items.popleft()
        self._served = owner
        self._count -= 1
        del self._waiting[owner]
        if items:
            # moved to the end: owners take turns, so that one with many items does not delay the others
            self._waiting[owner] = items
        return item
