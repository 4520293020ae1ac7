"""What has to be done from time to time, over a real store."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from riskrelay.engine import chores as doing
from riskrelay.engine.chores import Chores, Kept
from riskrelay.ports import Outside, Store
from support.outside import HandClock, outside_of
from support.working import until


async def test_a_chore_that_fails_is_done_the_next_time_and_so_are_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it fails with."""
    began: list[str] = []

    async def failing(outside: Outside, *rest: Any) -> bool:
        began.append("replays")
        raise LookupError("a defect")

    async def counting(outside: Outside) -> None:
        began.append("stock")

    monkeypatch.setattr(doing, "REPLAY_SWEEP", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "FRESH", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "continue_replays", failing)
    monkeypatch.setattr(doing, "take_stock", counting)
    chores = Chores(outside_of(store, HandClock()), Kept(timedelta(days=1), timedelta(days=1)))
    running = asyncio.create_task(chores.run())
    await until(lambda: min(began.count("replays"), began.count("stock")) > 1)
    chores.stop()
    await running
