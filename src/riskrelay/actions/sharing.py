"""Requests that share a transaction, and don't fail each other."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from riskrelay.core.errors import Unavailable, UnknownToken

T = TypeVar("T")
R = TypeVar("R")


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
