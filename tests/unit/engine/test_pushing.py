"""Whether a push may still start when its SET is signed, over a real store, with a signer that is slow."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from riskrelay.actions.integrations import limit_integration
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import DeliveryLimits
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.engine.pushing import SNAPSHOT
from riskrelay.engine.worker import Worker
from riskrelay.ports import Store
from riskrelay.storage.installation import InstallationTransaction
from support.delivering import LEASE, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    return await world_of(sqlite_store, HandClock())


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.001)


@pytest.mark.fault(21, 34)
@pytest.mark.parametrize("signing_takes", [1.1 * SNAPSHOT, LEASE - timedelta(seconds=1)])
async def test_a_set_that_is_signed_too_late_is_not_pushed(world: World, signing_takes: timedelta) -> None:
    """Not when the stream was read a while ago, and not when the lease is nearly over. Nothing was tried then; the next
    batch pushes the same SET, so that a slow signer holds nothing up for ever."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(40)])

    async def take_time() -> None:
        world.clock.pass_time(signing_takes)

    world.signer.before_signing = take_time
    lease = await world.claim()
    late = await world.deliver(lease)
    assert (late.attempts, world.receiver.pushes) == ([], 0)
    assert late.settlement is not None
    assert (late.settlement.failures, late.settlement.due_in) == (0, timedelta(0))
    counted = await world.ledger()
    assert (counted.pending, counted.delivered) == (40, 0)
    delivered = await world.deliver(lease)
    assert [attempt.number for attempt in delivered.attempts] == [1] * 40
    assert world.signer.signed == 40
    await world.check()


@pytest.mark.fault(26)
async def test_a_set_signed_after_a_429_is_not_pushed(world: World) -> None:
    """The second list of SETs is being signed while the first gets its answers."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(32)])
    quiet = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(hours=1))
    world.receiver.answers = lambda email: quiet
    world.delivering = replace(world.delivering, concurrency=32)

    async def wait_for_answers() -> None:
        if world.signer.signed > 16:
            await until(lambda: len(world.receiver.seen) == 16)

    world.signer.before_signing = wait_for_answers
    delivered = await world.deliver(await world.claim())
    assert (len(delivered.attempts), world.receiver.pushes) == (16, 16)
    await world.check()


@pytest.mark.fault(34)
async def test_an_integration_paused_while_a_set_is_signed_gets_nothing(world: World) -> None:
    """A worker starts no push a second after the pause; after a resume it pushes what was kept."""
    signing, may_go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        signing.set()
        await may_go_on.wait()

    world.signer.before_signing = wait
    worker = Worker(world.services, world.delivering, timedelta(seconds=10))
    await record(world.services, finding())
    running = asyncio.create_task(worker.run())
    integration_id = world.integration.integration_id
    await until(signing.is_set)
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, None)
    world.clock.pass_time(1.1 * SNAPSHOT)
    may_go_on.set()
    await until(lambda: worker.lanes_held == 0)
    assert world.receiver.pushes == 0
    woken = replace(world.services, wake=worker.wake)
    await resume_integration(woken, ACCOUNT, COMMAND_LINE, integration_id)
    await until(lambda: len(world.receiver.accepted) == 1)
    worker.stop()
    await running
    assert world.receiver.pushes == 1
    await world.check()


async def test_less_than_one_push_a_second_still_delivers(world: World) -> None:
    """Two lanes share one push a second: each push waits two seconds for its moment, and then starts, however long ago
    its stream was read."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(3)])
    limits = DeliveryLimits(pushes_per_second=1)
    await limit_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, limits)
    await world.services.store.write_installation(
        lambda tx: cast(InstallationTransaction, tx)._connection.exec_driver_sql("UPDATE streams SET lanes = 2")
    )
    starts: list[float] = []
    world.receiver.before_answer = lambda: starts.append(world.clock.monotonic())
    lease = await world.claim()
    assert [len((await world.deliver(lease)).attempts) for _ in range(3)] == [1, 1, 1]
    assert starts == pytest.approx([2, 4, 6])
