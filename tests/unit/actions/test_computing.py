"""Long work leaves the event loop to others."""

import threading

import pytest

from riskrelay.actions.computing import compute_for


@pytest.mark.parametrize(("items", "is_apart"), [(1, False), (200, False), (201, True)])
async def test_work_on_many_items_runs_in_a_thread(items: int, is_apart: bool) -> None:
    thread = await compute_for(items, threading.current_thread)
    assert (thread is not threading.current_thread()) is is_apart


async def test_an_error_of_the_work_reaches_the_caller() -> None:
    def fail() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await compute_for(1_000, fail)
