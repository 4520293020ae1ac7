"""Requests that wait at the same time are answered together."""

import asyncio
from collections.abc import Sequence

import pytest

from riskrelay.local.gathering import Alone, Together


class Answers:
    """Answers with the square, when it may; remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may = asyncio.Event()

    async def __call__(self, requests: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(requests))
        await self.may.wait()
        if 666 in requests:
            raise OSError
        return [ValueError(number) if number < 0 else number * number for number in requests]


@pytest.fixture
def answers() -> Answers:
    return Answers()


async def ask(together: Together, answers: Answers, *requests: int, kind: str = "squares") -> list[asyncio.Task[int]]:
    """Ask, one after the other, so that all of them wait now."""
    asked = [asyncio.create_task(together.join(kind, number, answers)) for number in requests]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return asked


async def test_requests_that_arrive_during_a_batch_form_the_next_one(answers: Answers) -> None:
    """Of at most 64; the first waits for nobody; then it begins anew."""
    together = Together()
    asked = await ask(together, answers, 1)
    asked += await ask(together, answers, *range(2, 101))
    answers.may.set()
    assert await asyncio.gather(*asked) == [number * number for number in range(1, 101)]
    assert answers.groups == [[1], list(range(2, 66)), list(range(66, 101))]
    assert await together.join("squares", 5, answers) == 25


async def test_an_exception_is_raised_to_the_one_whose_it_is(answers: Answers) -> None:
    """The others have their answers; when there are none at all, everybody learns why."""
    together = Together()
    asked = await ask(together, answers, 1)
    asked += await ask(together, answers, 2, -3, 4)
    answers.may.set()
    answered = await asyncio.gather(*asked, return_exceptions=True)
    assert [answer for answer in answered if isinstance(answer, int)] == [1, 4, 16]
    assert isinstance(answered[2], ValueError)
    answers.may.clear()
    asked = await ask(together, answers, 12)
    asked += await ask(together, answers, 666, 14)
    answers.may.set()
    first, *failed = await asyncio.gather(*asked, return_exceptions=True)
    assert first == 144
    assert [type(error) for error in failed] == [OSError, OSError]


async def test_a_cancelled_request_does_not_affect_the_others(answers: Answers) -> None:
    """Also the one for whom the group was begun; who has left before it begins is not in it."""
    together = Together()
    (leader,) = await ask(together, answers, 1)
    waiting = await ask(together, answers, 2, 3, 4)
    leader.cancel()
    waiting[1].cancel()
    await asyncio.sleep(0)
    answers.may.set()
    assert await asyncio.gather(*waiting[::2]) == [4, 16]
    assert answers.groups == [[1], [2, 4]]
    assert leader.cancelled()


async def test_kinds_do_not_wait_for_each_other(answers: Answers) -> None:
    """A group of one kind runs beside those of others."""
    together = Together()
    asked = await ask(together, answers, 1, kind="one")
    asked += await ask(together, answers, 2, kind="other")
    assert answers.groups == [[1], [2]]
    answers.may.set()
    assert await asyncio.gather(*asked) == [1, 4]


async def test_alone_each_has_a_group_of_its_own(answers: Answers) -> None:
    """So that a trace of one request tells of that request only."""
    answers.may.set()
    alone = Alone()
    asked = [alone.join("squares", number, answers) for number in (1, 2, 3)]
    assert await asyncio.gather(*asked) == [1, 4, 9]
    assert answers.groups == [[1], [2], [3]]
    with pytest.raises(ValueError, match="-4"):
        await alone.join("squares", -4, answers)
