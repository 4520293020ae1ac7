"""Steps of large requests wait while small requests are in work, but never for long, and never on the event loop."""

import asyncio
import gc
import threading

import pytest

from riskrelay.actions import giving_way
from riskrelay.actions.computing import compute
from riskrelay.actions.giving_way import give_way, in_steps, large_request, small_request, stepwise

FOREVER = 60.0


async def waits() -> bool:
    """Return whether a step waits longer than for other tasks."""
    step = asyncio.create_task(give_way())
    for _ in range(10):
        await asyncio.sleep(0)
    is_waiting = not step.done()
    step.cancel()
    return is_waiting


async def test_a_step_waits_while_a_small_request_is_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it only lets other tasks run."""
    monkeypatch.setattr(giving_way, "_MOST_POLLS", 1_000_000)
    with large_request():
        assert not await waits()
        with small_request():
            assert await waits()
        assert not await waits()


async def test_garbage_is_collected_rarely_beside_large_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection stops all threads, and with the objects of a large request it takes milliseconds."""
    monkeypatch.setattr(giving_way, "_RELEASED_SECONDS", 0)
    monkeypatch.setattr(giving_way, "_REQUESTS", giving_way._Requests())
    usual = (700, 10, 10)
    before = gc.get_threshold()  # perhaps that of a large request of an earlier test
    gc.set_threshold(*usual)
    with large_request():
        rare = gc.get_threshold()
        with large_request():
            pass
        await asyncio.sleep(0.001)
        assert gc.get_threshold() == rare
    assert rare[0] > usual[0]
    await asyncio.sleep(0.001)
    assert gc.get_threshold() == usual
    gc.set_threshold(*before)


async def test_a_step_waits_only_so_long() -> None:
    """A large request ends under any load."""
    with large_request(), small_request():
        await give_way()


async def test_small_requests_are_counted_only_beside_a_large_one() -> None:
    """They cost nothing as long as there is none to give way."""
    with small_request():
        assert not await waits()
    with large_request(), large_request():
        pass
    with small_request():
        assert not await waits()


async def test_a_small_request_that_takes_long_is_no_longer_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Perhaps it waits for the large one; its end changes nothing then."""
    monkeypatch.setattr(giving_way, "_COUNTED_SECONDS", 0.0)
    with large_request():
        with small_request():
            await asyncio.sleep(0.001)
            assert not await waits()
        monkeypatch.undo()
        with small_request():
            assert await waits()
        assert not await waits()


async def test_a_computing_thread_waits_between_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops within a few items, and goes on when the small request ends."""
    monkeypatch.setattr(giving_way, "_LONGEST_WAIT_SECONDS", FOREVER)
    done: list[int] = []
    with large_request():
        with small_request():
            computing = asyncio.create_task(compute(lambda: done.extend(in_steps(range(1_000)))))
            began = threading.Event()
            await asyncio.to_thread(began.wait, 0.01)
            assert len(done) < giving_way._ITEMS_OF_STEP
        await computing
    assert done == list(range(1_000))


async def test_a_computing_thread_waits_only_so_long() -> None:
    """However many small requests follow each other."""
    with large_request(), small_request():
        assert await compute(lambda: sum(in_steps(range(100)))) == sum(range(100))


async def test_the_event_loop_never_waits_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, and in threads whose work is not stepwise, such as the database's writer, items follow at once."""
    monkeypatch.setattr(giving_way, "_LONGEST_WAIT_SECONDS", FOREVER)
    with large_request(), small_request():
        assert stepwise(lambda: list(in_steps(range(1_000))))() == list(range(1_000))
        assert await asyncio.to_thread(lambda: list(in_steps(range(1_000)))) == list(range(1_000))


async def test_stepwise_work_within_stepwise_work_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer work still waits between its items afterwards."""
    waits: list[float] = []
    monkeypatch.setattr(giving_way._REQUESTS.no_small, "wait", waits.append)

    def outer() -> None:
        stepwise(lambda: list(in_steps(range(25))))()
        list(in_steps(range(25)))

    await compute(outer)
    assert len(waits) == 2
