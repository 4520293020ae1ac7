"""Answer concurrent requests together, or each alone."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_GROUP = 64  # guessed: as many as share a commit of SQLite; bounds how long the first of them waits


class Together:
    """Implements ports.Gathering: requests that arrive while a group is answered form the next group.

    A request that arrives while no group is answered is answered at once.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[Any, asyncio.Future[Any]]]] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def join(
        self, kind: Hashable, request: T, answer: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
    ) -> R:
        answered: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        if kind in self._waiting:
            self._waiting[kind].append((request, answered))
        else:
            self._waiting[kind] = [(request, answered)]
            task = asyncio.create_task(
                self._answer_all(kind, answer)
            )  # a task of its own: the first waiter may be cancelled
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return await answered

    async def _answer_all(
        self, kind: Hashable, answer: Callable[[Sequence[Any]], Awaitable[Sequence[Any | Exception]]]
    ) -> None:
        waiting = self._waiting[kind]
        while waiting:
            group = [(request, answered) for request, answered in waiting[:_GROUP] if not answered.cancelled()]
            del waiting[:_GROUP]
            found_for_each = await _answers(group, answer) if group else []
            for (_, answered), found in zip(group, found_for_each, strict=True):
                if answered.cancelled():
                    continue
                if isinstance(found, Exception):
                    answered.set_exception(found)
                else:
                    answered.set_result(found)
        del self._waiting[kind]


async def _answers(
    group: Sequence[tuple[Any, Any]], answer: Callable[[Sequence[Any]], Awaitable[Sequence[Any | Exception]]]
) -> Sequence[Any | Exception]:
    try:
        return await answer([request for request, _ in group])
    except Exception as error:  # noqa: BLE001  raised in every waiting request
        return [error] * len(group)


class Alone:
    """Implements ports.Gathering where each request has a trace of its own, so each is answered alone."""

    async def join(
        self, kind: Hashable, request: T, answer: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
    ) -> R:
        (found,) = await answer([request])
        if isinstance(found, Exception):
            raise found
        return found
