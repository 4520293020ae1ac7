"""Requests that share a transaction."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from riskrelay.core.errors import Unavailable, UnknownToken
from riskrelay.ports import Installation, Services

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)


async def together_or_alone(
    answer: Callable[[Sequence[T]], Awaitable[Sequence[R]]], requests: Sequence[T]
) -> Sequence[R | Exception]:
    """Answer *requests* of one token together. If that fails, answer each alone, so that none fails another.

    Args:
        answer: answers some requests in one transaction, all or none.

    Returns: the result or the error of each request.
    """
    try:
        return await answer(requests)
    except (Unavailable, UnknownToken) as error:  # alone, each would fail in the same way
        return [error] * len(requests)
    except Exception as error:  # noqa: BLE001  returned to the waiting request
        if len(requests) == 1:
            return [error]
    alone = await gather(*(together_or_alone(answer, [one]) for one in requests))
    return [found for (found,) in alone]


async def read_together(services: Services, request: K, read: Callable[[Installation, K], R]) -> R:
    """Return what *read* returns for *request*. Concurrent requests share a transaction, and equal ones a call.

    Args:
        read: the same function for all requests of a kind.

    Raises: Unavailable.
    """

    async def read_all(requests: Sequence[K]) -> list[R]:
        def query(tx: Installation) -> list[R]:
            found = {one: read(tx, one) for one in set(requests)}
            return [found[one] for one in requests]

        return await services.store.read_installation(query)

    return await services.gathering.join(read, request, read_all)
