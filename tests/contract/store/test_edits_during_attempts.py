"""What an attempt brings that began before an edit says nothing of the mended stream. On both engines."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.integrations import set_integration_tls, update_integration
from riskrelay.actions.pauses import resume_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import OpenedTls, ReceiverTls
from riskrelay.core.products.okta import EVENTS_PATH as OKTA_EVENTS_PATH
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.engine.worker import Worker
from riskrelay.ports import Services, Store
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

MENDED = "https://mended.example.com"
UNAUTHORIZED = Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401)
GONE = Outcome(kind=OutcomeKind.GONE, reason="http_410", status=410)
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(hours=1))

Edit = Callable[[Services, World], Awaitable[object]]


class EditedMeanwhile:
    """Implements ports.Pusher: an edit is stored while the first push is under way, which is then answered badly."""

    def __init__(self, world: World, edit: Callable[[], Awaitable[object]], answer: Outcome) -> None:
        self._world, self._edit, self._answer = world, edit, answer
        self.urls: list[str] = []

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        self.urls.append(endpoint_url)
        is_first = len(self.urls) == 1
        if is_first:
            await self._edit()
        self._world.receiver.answers = lambda email: self._answer if is_first else ACCEPTED
        return await self._world.receiver.push(endpoint_url, token, authorization, tls)


async def address(services: Services, world: World) -> object:
    integration_id = world.integration.integration_id
    return await update_integration(services, ACCOUNT, COMMAND_LINE, integration_id, MENDED, None, None)


async def resume(services: Services, world: World) -> object:
    return await resume_integration(services, ACCOUNT, COMMAND_LINE, world.integration.integration_id)


async def certificates(services: Services, world: World) -> object:
    tls = ReceiverTls("another authority", None, None)
    return await set_integration_tls(services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, tls)


@pytest.fixture
async def world(store: Store) -> World:
    world = await world_of(store, HandClock())
    world.delivering = replace(world.delivering, concurrency=1)
    return world


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("answer", "edit"),
    [
        *((answer, address) for answer in (UNAUTHORIZED, GONE, THROTTLED, FAILED)),
        (UNAUTHORIZED, resume),
        (THROTTLED, resume),
        (THROTTLED, certificates),
    ],
)
async def test_a_late_response_neither_stops_nor_delays_a_fixed_stream(
    world: World, answer: Outcome, edit: Edit
) -> None:
    """The attempt is written down, the event is due at once, and the receiver has no failure to its name."""
    await record(world.services, finding())
    world.delivering = replace(
        world.delivering, pusher=EditedMeanwhile(world, lambda: edit(world.services, world), answer)
    )
    await world.deliver(await world.claim())
    assert await world.status() is StreamStatus.ENABLED
    lease = await world.claim()
    work = await world.services.store.read_installation(lambda tx: tx.lanes.read(lease, 10, world.delivering.retention))
    assert (work.failures, [(event.attempts, event.due_in <= timedelta(0)) for event in work.held]) == (0, [(1, True)])
    await world.deliver(lease)
    assert (await world.ledger()).delivered == 1
    await world.check()


@pytest.mark.fault(34)
async def test_what_was_accepted_before_the_late_answer_is_delivered(world: World) -> None:
    """Only the one that was refused goes to the new address; nothing goes anywhere twice."""
    await record(world.services, *[finding(f"u{number}@example.com") for number in range(3)])
    await world.deliver(await world.claim(), limit=1)
    pusher = EditedMeanwhile(world, lambda: address(world.services, world), GONE)
    world.delivering = replace(world.delivering, pusher=pusher)
    await world.services.store.write_installation(lambda tx: tx.lanes.release_all())
    await world.deliver(await world.claim())
    await world.deliver(await world.claim())
    assert (await world.ledger()).delivered == 3
    assert pusher.urls == [world.integration.tenant_url + OKTA_EVENTS_PATH, *2 * [MENDED + OKTA_EVENTS_PATH]]
    await world.check()


@pytest.mark.fault(29, 34)
@pytest.mark.parametrize("answer", [UNAUTHORIZED, GONE, THROTTLED], ids=["401", "410", "429"])
async def test_a_worker_continues_with_the_new_address(world: World, answer: Outcome) -> None:
    """Nobody resumes anything."""
    pusher = EditedMeanwhile(world, lambda: address(services, world), answer)
    worker = Worker(world.services, replace(world.delivering, pusher=pusher), timedelta(seconds=10))
    services = replace(world.services, wake=worker.wake)
    running = asyncio.create_task(worker.run())
    await record(services, *[finding(f"u{number}@example.com") for number in range(5)])
    async with asyncio.timeout(60):
        while len(world.receiver.accepted) < 5:
            await asyncio.sleep(0.01)
    worker.stop()
    await running
    assert pusher.urls == [world.integration.tenant_url + OKTA_EVENTS_PATH, *5 * [MENDED + OKTA_EVENTS_PATH]]
    assert (await world.ledger()).delivered == 5
    await world.check()
