"""The status endpoint, and what a status means for events (SSF 1.0 §8.1.2), over both engines."""

from datetime import timedelta
from typing import Any

import pytest

from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.actions.integrations import delete_integration, update_integration
from riskrelay.core.credentials import COMMAND_LINE
from support.receiver_world import RISK, UPDATED, VERIFICATION, ReceiverWorld, event_of
from support.world import ACCOUNT, finding, record

NOT_YET = timedelta(days=1)
AT_ONCE = timedelta(seconds=-1)


async def update(world: ReceiverWorld, *, active: bool | None = None) -> None:
    """What an operator does who edits the integration."""
    integration = world.integration
    await update_integration(
        world.services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, active
    )


async def polled(world: ReceiverWorld) -> str:
    """A polled stream whose first verification event is taken."""
    stream_id: str = (await world.create())["stream_id"]
    assert [event_of(claims)[0] for claims in await world.drain(stream_id)] == [VERIFICATION]
    return stream_id


def news(sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The members of the stream-updated events."""
    return [members for event_type, members in map(event_of, sets) if event_type == UPDATED]


async def test_a_status_is_set_and_read_with_its_reason(world: ReceiverWorld) -> None:
    """§8.1.2.1, §8.1.2.2: the answer has the fields of the request; the same again is no error."""
    stream_id = await polled(world)
    assert await world.status(stream_id) == ("enabled", None)
    for _ in range(2):
        body = {"stream_id": stream_id, "status": "paused", "reason": "Maintenance"}
        answer = await world.call("POST", "/status", body)
        assert (answer.status_code, answer.json(), answer.headers["cache-control"]) == (200, body, "no-store")
    assert await world.status(stream_id) == ("paused", "Maintenance")
    await world.set_status(stream_id, "enabled")
    assert await world.status(stream_id) == ("enabled", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "stopped"},
        {"status": 5},
        {"status": "paused", "reason": 5},
        {"status": "paused", "reason": "\x1b"},
    ],
)
async def test_a_status_that_is_none_is_a_400(world: ReceiverWorld, body: dict[str, Any]) -> None:
    """And nothing is changed."""
    stream_id = await polled(world)
    assert (await world.call("POST", "/status", {"stream_id": stream_id, **body})).status_code == 400
    assert await world.status(stream_id) == ("enabled", None)
    assert (await world.call("GET", "/status")).status_code == 400


async def test_a_paused_stream_holds_events_and_sends_them_in_order(world: ReceiverWorld) -> None:
    """§8.1.2: nothing while it is paused; on enabling everything, in the order in which it happened."""
    stream_id = await polled(world)
    await record(world.services, finding())
    await world.set_status(stream_id, "paused")
    for behavior in ("imp_travel", "high_dlp"):
        await record(world.services, finding("kai@example.com", behavior))
    assert (await world.poll(stream_id))["sets"] == {}
    assert (await world.ledger(stream_id)).pending == 3
    await world.set_status(stream_id, "enabled")
    levels = [event_of(claims)[1]["current_level"] for claims in await world.drain(stream_id)]
    assert levels == ["LOW", "MEDIUM", "HIGH"]


async def test_what_was_handed_out_can_be_acknowledged_while_paused(world: ReceiverWorld) -> None:
    """Pausing stops what we send, not what the receiver says."""
    stream_id = await polled(world)
    await record(world.services, finding())
    handed = await world.poll(stream_id)
    await world.set_status(stream_id, "paused")
    await world.poll(stream_id, ack=list(handed["sets"]))
    assert (await world.ledger(stream_id)).pending == 0


async def test_a_disabled_stream_drops_events_as_cancelled(world: ReceiverWorld) -> None:
    """§8.1.2: neither sent nor held; but each is a row that says why, also what comes later."""
    stream_id = await polled(world)
    await record(world.services, finding("a@example.com"), finding("b@example.com"))
    got = await world.poll(stream_id)
    first, second = got["sets"]
    await world.poll(stream_id, ack=[second])  # the first one is held now
    await world.set_status(stream_id, "disabled")
    await record(world.services, finding("c@example.com"))
    ledger = await world.ledger(stream_id)
    assert (ledger.cancelled, ledger.pending, ledger.delivered) == (2, 0, 2)
    await world.set_status(stream_id, "enabled")
    await record(world.services, finding("d@example.com"))
    subjects = [claims["sub_id"]["email"] for claims in await world.drain(stream_id)]
    assert subjects == ["d@example.com"]
    assert (await world.poll(stream_id, ack=[first]))["sets"] == {}
    assert (await world.ledger(stream_id)).cancelled == 2


async def test_an_idle_stream_is_paused_and_its_receiver_notified(world: ReceiverWorld) -> None:
    """inactivity_timeout: any call that references the stream starts it again; the pause is a stream-updated event
    that goes out although the stream is paused (§8.1.5)."""
    stream_id = await polled(world)
    assert await pause_idle_streams(world.services, NOT_YET) == 0
    assert await pause_idle_streams(world.services, AT_ONCE) == 1
    assert await pause_idle_streams(world.services, AT_ONCE) == 0
    await record(world.services, finding())
    sets = await world.drain(stream_id)
    assert news(sets) == [{"status": "paused", "reason": "inactivity_timeout"}]
    assert len(sets) == 1
    assert await world.status(stream_id) == ("paused", "inactivity_timeout")
    await world.set_status(stream_id, "enabled")
    assert [event_of(claims)[0] for claims in await world.drain(stream_id)] == [RISK]


async def test_what_a_receiver_paused_an_update_does_not_enable(world: ReceiverWorld) -> None:
    """What we paused, it does; and its receiver is told of that."""
    mine, ours = await polled(world), await polled(world)
    await world.set_status(mine, "paused")
    assert await pause_idle_streams(world.services, AT_ONCE) == 1
    await update(world)
    assert (await world.status(mine))[0] == "paused"
    assert await world.status(ours) == ("enabled", None)
    assert [told["status"] for told in news(await world.drain(ours))] == ["paused", "enabled"]
    assert news(await world.drain(mine)) == []


async def test_an_inactive_integration_pauses_its_streams_in_the_receivers_eyes(world: ReceiverWorld) -> None:
    """The status says so, a stream-updated event too; active again, events flow again."""
    stream_id = await polled(world)
    await update(world, active=False)
    assert await world.status(stream_id) == ("paused", "integration_inactive")
    await record(world.services, finding())
    assert news(await world.drain(stream_id)) == [{"status": "paused", "reason": "integration_inactive"}]
    await update(world, active=True)
    assert [told["status"] for told in news(await world.drain(stream_id))] == ["enabled"]
    await record(world.services, finding("ana@example.com"))
    assert [claims["sub_id"]["email"] for claims in await world.drain(stream_id)] == ["ana@example.com"]


async def test_deleting_an_integration_cancels_its_streams_backlogs(world: ReceiverWorld) -> None:
    """And its receiver has nothing any more: its token is unknown."""
    stream_id = await polled(world)
    await record(world.services, finding())
    await delete_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id)
    assert (await world.ledger(stream_id)).cancelled == 1
    assert (await world.call("GET", "/streams", stream_id=stream_id)).status_code in (401, 404)
