"""Verification (SSF 1.0 §8.1.4), over both engines."""

from datetime import timedelta
from typing import Any

import pytest

from riskrelay.actions.verification import verify_stream
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.streams import StreamId
from support.receiver_world import VERIFICATION, ReceiverWorld, event_of


async def verify(world: ReceiverWorld, stream_id: str, **more: Any) -> int:
    return (await world.call("POST", "/verify", {"stream_id": stream_id, **more})).status_code


async def test_a_new_stream_gets_one_unasked_without_a_state(world: ReceiverWorld) -> None:
    """§8.1.4.1: sub_id names the stream, and there is no `state` member."""
    made = await world.create()
    (claims,) = await world.drain(made["stream_id"])
    assert event_of(claims) == (VERIFICATION, {})
    assert claims["sub_id"] == {"format": "opaque", "id": made["stream_id"]}
    assert (claims["iss"], claims["aud"]) == (made["iss"], made["aud"])
    assert {"sub", "exp", "nbf"} & claims.keys() == set()


@pytest.mark.parametrize("state", ["VGhpcyBpcyBhbiBleGFtcGxl", "", "ü\n", None])
async def test_the_state_is_echoed_on_that_stream_only(world: ReceiverWorld, state: str | None) -> None:
    """Byte for byte; without one there is none."""
    asked, other = (await world.create())["stream_id"], (await world.create())["stream_id"]
    await world.drain(asked)
    await world.drain(other)
    assert await verify(world, asked, state=state) == 204
    (claims,) = await world.drain(asked)
    assert event_of(claims) == (VERIFICATION, {} if state is None else {"state": state})
    assert await world.drain(other) == []


async def test_more_often_than_the_interval_is_a_429(world: ReceiverWorld) -> None:
    """With Retry-After; the interval is the stream's, and once it is over the next request is taken."""
    stream_id, other = (await world.create())["stream_id"], (await world.create())["stream_id"]
    assert await verify(world, stream_id) == 204
    answer = await world.call("POST", "/verify", {"stream_id": stream_id})
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
    assert answer.headers["retry-after"] == str((await world.create())["min_verification_interval"])
    assert await verify(world, other) == 204
    integration = world.integration
    receiver = Receiver(
        account_id=integration.account_id,
        integration_id=integration.integration_id,
        credential_id=CredentialId("c"),
        scopes=frozenset(),
    )
    await verify_stream(world.services, receiver, StreamId(stream_id), "late", interval=timedelta(0))
    states = [event_of(claims)[1].get("state") for claims in await world.drain(stream_id)]
    assert states == [None, None, "late"]


async def test_a_paused_stream_verifies_later_and_a_disabled_one_says_so(world: ReceiverWorld) -> None:
    """A paused stream holds it like any event; for a disabled one the request is a 400 that says what to do."""
    stream_id = (await world.create())["stream_id"]
    await world.drain(stream_id)
    await world.set_status(stream_id, "disabled")
    answer = await world.call("POST", "/verify", {"stream_id": stream_id, "state": "x"})
    assert (answer.status_code, "disabled" in answer.json()["error_description"]) == (400, True)
    await world.set_status(stream_id, "paused")
    assert await verify(world, stream_id, state="x") == 204
    assert await world.drain(stream_id) == []
    await world.set_status(stream_id, "enabled")
    assert [event_of(claims)[1] for claims in await world.drain(stream_id)] == [{"state": "x"}]


@pytest.mark.parametrize("state", [5, {}, "x" * 5_000])
async def test_a_state_that_is_none_is_a_400(world: ReceiverWorld, state: Any) -> None:
    """Nothing is sent, and the interval does not start."""
    stream_id = (await world.create())["stream_id"]
    assert await verify(world, stream_id, state=state) == 400
    assert await verify(world, stream_id) == 204
