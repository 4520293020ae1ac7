"""Turns for requests and memory for bodies."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from riskrelay.actions import giving_way
from riskrelay.core.errors import Unavailable
from riskrelay.web.work import BodyBudget, LimitWork, Slots, WorkLimits, beside_work, hold_body, waiting

APP = SimpleNamespace(state=SimpleNamespace(trusted_proxies=()))
ONE = replace(WorkLimits(), requests=1, wait_seconds=5)


async def take(slots: Slots, taken: list[str], address: str, credential: str = "") -> None:
    await slots.take(lambda: (address, credential))
    taken.append(address + credential)


async def test_addresses_take_turns_and_so_do_the_credentials_of_one() -> None:
    """Whoever queues a hundred requests gets one turn for each turn of somebody else."""
    slots, taken = Slots(ONE), list[str]()
    await take(slots, taken, "first")
    waiting_for = [("a", "1")] * 5 + [("a", "2")] + [("b", "")]
    tasks = [asyncio.create_task(take(slots, taken, *place)) for place in waiting_for]
    for _ in tasks:
        await asyncio.sleep(0)
        slots.give_back()
    await asyncio.gather(*tasks)
    assert taken == ["first", "a1", "b", "a2", "a1", "a1", "a1", "a1"]
    slots.give_back()
    assert slots.free == 1


async def test_a_request_that_gives_up_leaves_its_turn_to_the_next() -> None:
    """Cancelled or too late, before its turn or in the same moment: no slot is lost."""
    slots, taken = Slots(replace(ONE, wait_seconds=0.05)), list[str]()
    await take(slots, taken, "first")
    with pytest.raises(Unavailable):
        await take(slots, taken, "late")
    cancelled = asyncio.create_task(take(slots, taken, "cancelled"))
    next_one = asyncio.create_task(take(slots, taken, "next"))
    await asyncio.sleep(0)
    slots.give_back()
    cancelled.cancel()
    await next_one
    slots.give_back()
    assert (taken, slots.free) == (["first", "next"], 1)


async def test_only_so_many_requests_of_an_address_wait_and_few_with_large_bodies() -> None:
    """The others are refused at once; another address is not concerned."""
    slots, taken = Slots(replace(ONE, waiting_per_client=2, waiting_large_per_client=1)), list[str]()
    await take(slots, taken, "first")
    tasks = [asyncio.create_task(take(slots, taken, "a"))]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await slots.take(lambda: ("a", ""), large=True)
    tasks += [asyncio.create_task(take(slots, taken, name)) for name in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await take(slots, taken, "a")
    for _ in tasks:
        slots.give_back()
    await asyncio.gather(*tasks)


async def test_large_bodies_share_a_budget_and_one_client_has_a_part_of_it() -> None:
    """A client waits for itself first, then for the others; what is given back is used again."""
    budget = BodyBudget(replace(WorkLimits(), body_bytes=10, body_bytes_per_client=4, wait_seconds=0.05))
    await budget.hold("a", 4)
    with pytest.raises(Unavailable):
        await budget.hold("a", 1)
    await budget.hold("b", 4)
    with pytest.raises(Unavailable):
        await budget.hold("c", 3)
    waiting_for = asyncio.create_task(budget.hold("c", 3))
    await asyncio.sleep(0)
    await budget.release("a", 4)
    await waiting_for
    assert budget._held_by == {"b": 4, "c": 3}


async def answer(app: LimitWork, path: str) -> int:
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    scope: dict[str, Any] = {"type": "http", "path": path, "headers": [], "client": None, "app": APP}
    await app(scope, receive, send)
    return statuses[0]


async def test_health_is_never_counted_and_a_waiting_request_is_not_either() -> None:
    """A thousand requests that wait for an event leave the one slot to others; health does without one."""
    rung, free = asyncio.Event(), list[int]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/poll":
            async with waiting():
                await rung.wait()
            beside = asyncio.create_task(wait_beside(receive), context=beside_work())
            await beside
            free.append(limited._slots.free)
        await send({"type": "http.response.start", "status": 200})

    async def wait_beside(receive: Any) -> None:
        async with waiting():
            await receive()

    limited = LimitWork(app, ONE, lambda request, error: pytest.fail(str(error)))
    polls = [asyncio.create_task(answer(limited, "/poll")) for _ in range(1_000)]
    await asyncio.sleep(0.1)
    assert await answer(limited, "/other") == 200
    limited._slots._free -= 1
    assert await answer(limited, "/healthz") == 200
    limited._slots.give_back()
    rung.set()
    assert await asyncio.gather(*polls) == [200] * 1_000
    assert set(free) == {0}  # each was counted again while it worked
    assert limited._slots.free == 1


async def test_memory_for_a_body_is_given_back_with_the_answer() -> None:
    """Also when the application fails."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hold_body(1_000_000)
        assert limited._bodies._held == 1_000_000
        raise RuntimeError

    limited = LimitWork(app, ONE, lambda request, error: pytest.fail(str(error)))
    scope: dict[str, Any] = {"type": "http", "path": "/", "headers": [], "client": None, "app": APP}
    with pytest.raises(RuntimeError):
        await limited(scope, None, None)  # type: ignore[arg-type]
    assert (limited._bodies._held, limited._slots.free) == (0, 1)


@pytest.mark.parametrize(
    ("headers", "is_large"),
    [
        ([(b"content-length", b"9999")], False),
        ([(b"content-length", b"10000")], True),
        ([(b"transfer-encoding", b"chunked")], True),
        ([(b"content-length", b"500"), (b"content-encoding", b"gzip")], True),
    ],
)
async def test_a_compressed_body_is_no_small_request(headers: list[tuple[bytes, bytes]], is_large: bool) -> None:
    """A thousand events take less than 10,000 bytes then. Otherwise other large requests would wait for it."""
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(giving_way._REQUESTS.large == 1)

    async def nothing(*_: Any) -> Any:
        pytest.fail("no message is expected")

    limited = LimitWork(app, WorkLimits(), refuse=lambda request, error: pytest.fail(str(error)))
    await limited({"type": "http", "path": "/x", "headers": headers, "app": APP}, nothing, nothing)
    assert seen == [is_large]
