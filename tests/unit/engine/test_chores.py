"""What has to be done from time to time, over a real store."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from riskrelay.engine import chores as doing
from riskrelay.engine.chores import Chores, Retention
from riskrelay.ports import Services, Store
from support.services import HandClock, services_of
from support.working import until

RETENTION = Retention(
    undelivered=timedelta(days=1),
    settled=timedelta(days=1),
    audit=timedelta(days=90),
    findings=timedelta(days=400),
)


async def test_a_chore_that_fails_is_done_the_next_time_and_so_are_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it fails with."""
    began: list[str] = []

    async def failing(services: Services, *rest: Any) -> bool:
        began.append("replays")
        raise LookupError("a defect")

    async def counting(services: Services) -> None:
        began.append("stock")

    monkeypatch.setattr(doing, "REPLAY_SWEEP", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "FRESH", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "continue_replays", failing)
    monkeypatch.setattr(doing, "take_stock", counting)
    chores = Chores(services_of(store, HandClock()), RETENTION, levels_per_second=500)
    running = asyncio.create_task(chores.run())
    await until(lambda: min(began.count("replays"), began.count("stock")) > 1)
    chores.stop()
    await running


async def test_streams_whose_receivers_are_silent_are_paused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start and then from time to time; the log says how many."""
    sweeps: list[int] = []

    async def pausing(services: Services) -> int:
        sweeps.append(len(sweeps))
        return 3 if len(sweeps) == 1 else 0

    monkeypatch.setattr(doing, "SWEEP", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "_BETWEEN", timedelta(milliseconds=1))
    monkeypatch.setattr(doing, "pause_idle_streams", pausing)
    chores = Chores(services_of(store, HandClock()), RETENTION, levels_per_second=500)
    with capture_logs() as logs:
        running = asyncio.create_task(chores.run())
        await until(lambda: len(sweeps) > 1)
        chores.stop()
        await running
    assert [line["streams"] for line in logs if line["event"] == "idle_streams_paused"] == [3]
