"""Polling (RFC 8936), over both engines."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.engine.poll_sweep import PollSweep
from riskrelay.local.clock import SystemClock
from riskrelay.ports import Store
from support.receiver_world import PUSH, ReceiverWorld, receiver_world
from support.services import services_of
from support.world import ACCOUNT, OTHER, finding, record


async def stream_with(world: ReceiverWorld, *emails: str) -> tuple[str, list[str]]:
    """A polled stream on which an event about each of *emails* waits, and their jtis in order."""
    stream_id: str = (await world.create())["stream_id"]
    await world.drain(stream_id)
    account_id = world.integration.account_id
    await record(world.services, *[finding(email) for email in emails], account_id=account_id)
    return stream_id, list((await world.poll(stream_id))["sets"])


async def test_an_unacknowledged_set_is_returned_again(world: ReceiverWorld) -> None:
    """§2.4: the same jti, the same claims, until it is acknowledged; then never again."""
    stream_id, _ = await stream_with(world, "a@example.com", "b@example.com")
    first, again = await world.poll(stream_id), await world.poll(stream_id)
    assert first == again
    assert "moreAvailable" not in first
    assert (await world.poll(stream_id, ack=list(first["sets"])))["sets"] == {}
    assert (await world.ledger(stream_id)).delivered == 3


@pytest.mark.fault(38)
async def test_max_events_and_more_available(world: ReceiverWorld) -> None:
    """At most so many, the oldest first; 0 acknowledges only."""
    stream_id, jtis = await stream_with(world, *[f"u{n}@example.com" for n in range(5)])
    polled = await world.poll(stream_id, maxEvents=2)
    assert (list(polled["sets"]), polled["moreAvailable"]) == (jtis[:2], True)
    polled = await world.poll(stream_id, maxEvents=0, ack=jtis[:2])
    assert (polled["sets"], polled["moreAvailable"]) == ({}, True)
    polled = await world.poll(stream_id, maxEvents=3)
    assert (list(polled["sets"]), polled.get("moreAvailable", False)) == (jtis[2:], False)


@pytest.mark.fault(38)
async def test_acknowledgements_in_any_order_and_more_than_once(world: ReceiverWorld) -> None:
    """Later ones first: the earlier ones still come. Twice, of unknown ones, of another stream's: no error."""
    stream_id, jtis = await stream_with(world, "a@example.com", "b@example.com", "c@example.com")
    async with receiver_world(world.services, OTHER) as other:
        _, theirs = await stream_with(other, "kai@example.com")
        polled = await world.poll(stream_id, ack=[jtis[2], jtis[2], "unknown", "", *theirs])
        assert list(polled["sets"]) == jtis[:2]
        polled = await world.poll(stream_id, ack=[jtis[2], jtis[0]])
        assert list(polled["sets"]) == [jtis[1]]
        assert (await world.ledger(stream_id)).pending == 1


async def test_a_refused_set_is_a_dead_letter_with_its_reason(world: ReceiverWorld) -> None:
    """§2.4.4: setErrs; the others go on, and operators see what was said."""
    stream_id, jtis = await stream_with(world, "a@example.com", "b@example.com", "c@example.com")
    errors = {
        jtis[0]: {"err": "invalid_key", "description": "no such kid"},
        jtis[1]: {"err": "made_up\u009b"},
        "unknown": {"err": "invalid_key"},
    }
    polled = await world.poll(stream_id, setErrs=errors, ack=[jtis[0]])
    assert list(polled["sets"]) == [jtis[2]]
    dead = await world.services.store.read(
        ACCOUNT,
        lambda tx: tx.events.deliveries(world.integration.integration_id, DeliveryState.DEAD, None, 10),
    )
    assert [(d.jti, d.reason) for d in reversed(dead)] == [(jtis[0], "invalid_key"), (jtis[1], "unregistered_err")]
    assert dead[1].attempts[-1].outcome.detail == "invalid_key: no such kid"
    assert "\u009b" not in dead[0].attempts[-1].outcome.detail


ERRORS: list[Any] = [
    {"err": "invalid_key", "description": None},
    {"err": "invalid_key", "description": {"en": "x"}},
    {"err": "invalid_key", "description": 7},
    {"err": "INVALID_KEY", "description": "\ud800"},
    {"Err": "invalid_key"},
]
NO_ERRORS: list[Any] = ["broken", None, 7, [], {}, {"description": "no err"}, {"err": None}, {"err": 7}, {"err": ""}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_only_err_decides_and_a_member_without_it_is_passed_over(world: ReceiverWorld, encoding: str) -> None:
    """§2.4.4: whatever stands beside the code, its SET is settled, and so are the acknowledgements beside it. The SET
    of a member without a code is handed out again."""
    emails = [f"u{n}@example.com" for n in range(len(ERRORS) + len(NO_ERRORS) + 1)]
    stream_id, jtis = await stream_with(world, *emails)
    errors = dict(zip(jtis[1:], [*ERRORS, *NO_ERRORS], strict=True))
    body = json.dumps({"ack": jtis[:1], "setErrs": errors, "returnImmediately": True}).encode(encoding)
    answer = await world.call("POST", f"/poll/{stream_id}", body)
    assert answer.status_code == 200
    assert list(answer.json()["sets"]) == jtis[1 + len(ERRORS) :]
    ledger = await world.ledger(stream_id)
    assert (ledger.delivered, ledger.dead) == (2, len(ERRORS))


async def test_a_description_in_latin_1_keeps_nothing_from_being_settled(world: ReceiverWorld) -> None:
    """Codes and jtis are ASCII; what is not UTF-8 is replaced."""
    stream_id, jtis = await stream_with(world, "a@example.com", "b@example.com")
    text = json.dumps({"ack": jtis[:1], "setErrs": {jtis[1]: {"err": "invalid_key", "description": "cle"}}})
    body = text.replace("cle", "cl\xe9").replace("}}}", '}}, "returnImmediately": true}').encode("latin-1")
    assert (await world.call("POST", f"/poll/{stream_id}", body)).json() == {"sets": {}}
    assert (await world.ledger(stream_id)).dead == 1


async def test_an_empty_array_of_errors_is_an_empty_object(world: ReceiverWorld) -> None:
    """PHP writes it so."""
    stream_id, jtis = await stream_with(world, "a@example.com")
    assert await world.poll(stream_id, ack=jtis, setErrs=[]) == {"sets": {}}


async def test_an_error_about_the_transmitter_settles_its_set(world: ReceiverWorld) -> None:
    """§2.4.4: as in its own example. The receiver has read the SET, and goes on to get the others."""
    stream_id, jtis = await stream_with(world, "a@example.com", "b@example.com")
    polled = await world.poll(stream_id, setErrs={jtis[0]: {"err": "authentication_failed"}})
    assert list(polled["sets"]) == jtis[1:]
    assert (await world.status(stream_id))[0] == "enabled"
    assert (await world.ledger(stream_id)).dead == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        {"maxEvents": -1},
        {"maxEvents": "1"},
        {"maxEvents": True},
        {"maxEvents": 1.5},
        {"returnImmediately": 1},
        {"ack": "jti"},
        {"ack": [5]},
        b'{"ack": ["\xff"]}',
        {"setErrs": ["jti"]},
        b'{"returnImmediately": true} {"ack": []}',
    ],
)
async def test_a_poll_that_cannot_be_understood_settles_nothing(world: ReceiverWorld, body: Any) -> None:
    """400, also when its other members are right."""
    stream_id, jtis = await stream_with(world, "a@example.com")
    sent = {"ack": jtis, **body} if isinstance(body, dict) else body
    assert (await world.call("POST", f"/poll/{stream_id}", sent)).status_code == 400
    assert (await world.ledger(stream_id)).pending == 1


async def test_a_pushed_stream_is_not_polled(world: ReceiverWorld) -> None:
    """404 at the poll endpoint; and once it is changed to poll, what waits is fetched, and no worker claims it."""
    made = await world.push_stream()
    stream_id = made["stream_id"]
    assert (await world.call("POST", f"/poll/{stream_id}", {})).status_code == 404
    await world.call("PUT", "/streams", {"stream_id": stream_id, "events_requested": made["events_requested"]})
    await record(world.services, finding())
    assert len((await world.poll(stream_id))["sets"]) == 2
    leases = await world.services.store.write_installation(lambda tx: tx.lanes.claim(100, timedelta(minutes=1)))
    assert stream_id not in {lease.key.stream_id for lease in leases}
    back = {"stream_id": stream_id, "delivery": {"method": PUSH, "endpoint_url": "https://receiver.example.com"}}
    await world.call("PATCH", "/streams", back)
    leases = await world.services.store.write_installation(lambda tx: tx.lanes.claim(100, timedelta(minutes=1)))
    assert stream_id in {lease.key.stream_id for lease in leases}


async def test_a_worker_in_the_middle_of_a_batch_writes_nothing_after_a_poll(world: ReceiverWorld) -> None:
    """A stream that changes to poll while it is being pushed: the poll owns the lane, the worker's epoch is old."""
    made = await world.push_stream()
    leases = await world.services.store.write_installation(lambda tx: tx.lanes.claim(100, timedelta(minutes=1)))
    (lease,) = [lease for lease in leases if (lease.key.stream_id, lease.key.lane) == (made["stream_id"], 0)]
    await world.call("PUT", "/streams", {"stream_id": made["stream_id"]})
    await world.drain(made["stream_id"])
    taken = await world.services.store.write(ACCOUNT, lambda tx: tx.polls.take(lease.key))
    assert taken.epoch > lease.epoch + 1
    assert (await world.ledger(made["stream_id"])).delivered == 1


async def test_many_unacknowledged_events_are_bounded(world: ReceiverWorld) -> None:
    """However many wait, an answer has at most 256, and acknowledging the last first keeps the ledger right."""
    stream_id, jtis = await stream_with(world, *[f"u{n}@example.com" for n in range(700)])
    assert len(jtis) == 256
    seen = set(jtis)
    while jtis:
        jtis = list((await world.poll(stream_id, ack=jtis[-1:0:-2]))["sets"])
        seen |= set(jtis)
        if len(jtis) == 1:
            jtis = list((await world.poll(stream_id, ack=jtis))["sets"])
    assert len(seen) == 700
    assert (await world.ledger(stream_id)).delivered == 701


@pytest.mark.fault(38)
async def test_two_pollers_at_once_lose_and_double_count_nothing(world: ReceiverWorld) -> None:
    """faults.md 38: both may get the same; each is settled once."""
    stream_id, _ = await stream_with(world, *[f"u{n}@example.com" for n in range(60)])
    seen: list[str] = []

    async def poller() -> None:
        taken: list[str] = []
        while True:
            taken = list((await world.poll(stream_id, maxEvents=7, ack=taken))["sets"])
            seen.extend(taken)
            if not taken:
                return

    await asyncio.gather(poller(), poller(), poller())
    assert len(set(seen)) == 60
    ledger = await world.ledger(stream_id)
    assert (ledger.delivered, ledger.pending) == (61, 0)


async def test_a_waiting_poll_returns_new_events(store: Store) -> None:
    """§2.4: it waits, wakes on the commit, and answers at once when there is something already."""
    services = services_of(store)
    services = replace(services, clock=SystemClock())
    async with receiver_world(services, longest_wait=timedelta(minutes=10)) as world:
        stream_id = (await world.create())["stream_id"]
        await world.drain(stream_id)
        waiting = asyncio.create_task(world.poll(stream_id, returnImmediately=False))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await record(world.services, finding())
        async with asyncio.timeout(60):  # no sweep runs: the commit woke it
            polled = await waiting
        assert len(polled["sets"]) == 1
        assert await world.poll(stream_id, returnImmediately=False) == polled


async def test_a_long_poll_hears_of_another_process_within_a_sweep(store: Store) -> None:
    """The sweep of waiting polls finds events that were queued without a wake."""
    services = services_of(store)
    services = replace(services, clock=SystemClock())
    async with receiver_world(services, longest_wait=timedelta(seconds=20)) as world:
        stream_id = (await world.create())["stream_id"]
        await world.drain(stream_id)
        sweep = PollSweep(services, world.bell)
        sweeping = asyncio.create_task(sweep.run())
        waiting = asyncio.create_task(world.poll(stream_id, returnImmediately=False))
        await asyncio.sleep(0.2)
        await record(services, finding())  # this outside rings no bell
        assert len((await waiting)["sets"]) == 1
        sweep.stop()
        await sweeping


async def test_a_long_poll_ends_empty(store: Store) -> None:
    """After the longest wait the answer is an empty object, never an error."""
    services = services_of(store)
    services = replace(services, clock=SystemClock())
    async with receiver_world(services, longest_wait=timedelta(milliseconds=50)) as world:
        stream_id = (await world.create())["stream_id"]
        await world.drain(stream_id)
        assert await world.poll(stream_id, returnImmediately=False) == {"sets": {}}
