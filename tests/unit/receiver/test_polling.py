"""The polling receiver, over real sockets, with a transmitter that serves real documents (RFC 8936)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from riskrelay.receiver import InvalidSet, PollRefused, SecurityEventToken, poll_events, polling
from unit.receiver.transmitter_stand_in import AUDIENCE, OTHER_RSA, StandIn, signed


@pytest.fixture
async def stand_in(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """A transmitter; the receiver is in a hurry."""
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.001)
    stand_in = StandIn()
    yield stand_in
    await stand_in.stop()


async def polled(stand_in: StandIn, well_known: str, fails_on: str = "") -> list[str]:
    """Poll until the stand-in has given all its answers.

    Args:
        fails_on: the jti that the application refuses for good.

    Returns: the jtis that were handed over, in order.
    """
    seen: list[str] = []

    async def on_event(token: SecurityEventToken) -> None:
        if token.jti == fails_on:
            raise InvalidSet("invalid_request", "not for us")
        seen.append(token.jti)

    polling_task = asyncio.create_task(
        poll_events(
            well_known_url=well_known,
            endpoint_url=stand_in.poll_url,
            token="secret",
            audience=AUDIENCE,
            on_event=on_event,
        )
    )
    done, _ = await asyncio.wait(
        [polling_task, asyncio.create_task(stand_in.all_polled.wait())], return_when=asyncio.FIRST_COMPLETED, timeout=60
    )
    assert done
    if not polling_task.done():
        polling_task.cancel()
        with suppress(asyncio.CancelledError):
            await polling_task
    else:
        await polling_task
    return seen


def requests(stand_in: StandIn) -> list[Any]:
    return [body for _, body in stand_in.polls]


async def test_what_was_handed_over_is_acknowledged_with_the_next_poll(stand_in: StandIn) -> None:
    """RFC 8936 §2.4.3: long polling, acknowledgement and the next batch in one request."""
    well_known = await stand_in.start()
    first = {jti: stand_in.fresh(jti).decode() for jti in ("a", "b")}
    stand_in.answers = [
        (200, {"sets": first}),
        (200, {"sets": {"c": stand_in.fresh("c").decode()}, "moreAvailable": False}),
    ]
    assert await polled(stand_in, well_known) == ["a", "b", "c"]
    assert [body["ack"] for body in requests(stand_in)] == [[], ["a", "b"], ["c"]]
    assert all("returnImmediately" not in body and body["setErrs"] == {} for body in requests(stand_in))
    headers, _ = stand_in.polls[0]
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer secret", "application/json")


async def test_what_cannot_be_believed_is_reported(stand_in: StandIn) -> None:
    """RFC 8936 §2.4.4, §2.6: code and description per jti, their language in Content-Language; the rest goes on."""
    well_known = await stand_in.start()
    forged = signed({"iss": stand_in.issuer}, key=OTHER_RSA).decode()
    sets = {"forged": forged, "unwanted": stand_in.fresh("unwanted").decode(), "good": stand_in.fresh("good").decode()}
    stand_in.answers = [(200, {"sets": sets})]
    assert await polled(stand_in, well_known, fails_on="unwanted") == ["good"]
    headers, body = stand_in.polls[1]
    assert body["ack"] == ["good"]
    assert {jti: error["err"] for jti, error in body["setErrs"].items()} == {
        "forged": "authentication_failed",
        "unwanted": "invalid_request",
    }
    assert all(error["description"] for error in body["setErrs"].values())
    assert headers["Content-Language"] == "en"


async def test_a_repeated_set_is_acknowledged_again_and_handled_once(stand_in: StandIn) -> None:
    """RFC 8936 §2.4: the acknowledgement may have been lost."""
    well_known = await stand_in.start()
    sets = {"sets": {"a": stand_in.fresh("a").decode()}}
    stand_in.answers = [(200, sets), (200, sets)]
    assert await polled(stand_in, well_known) == ["a"]
    assert [body["ack"] for body in requests(stand_in)] == [[], ["a"], ["a"]]


async def test_an_acknowledgement_that_was_perhaps_not_heard_is_sent_again(stand_in: StandIn) -> None:
    """A transmitter that fails, answers nonsense or has nothing is asked again; what its body says does not matter."""
    well_known = await stand_in.start()
    stand_in.answers = [
        (200, {"sets": {"a": stand_in.fresh("a").decode()}}),
        (503, {"sets": {"b": "ignored"}}),
        (200, ["nonsense"]),
        (200, {"sets": {}}),
    ]
    assert await polled(stand_in, well_known) == ["a"]
    assert [body["ack"] for body in requests(stand_in)] == [[], ["a"], ["a"], ["a"], []]


async def test_without_keys_nothing_is_acknowledged(stand_in: StandIn) -> None:
    """What cannot be verified now comes again."""
    well_known = await stand_in.start()
    sets = {"sets": {"a": stand_in.fresh("a").decode()}}
    stand_in.answers = [(200, sets)]
    stand_in.metadata = {}
    assert await polled(stand_in, well_known) == []
    assert [body["ack"] for body in requests(stand_in)] == [[], []]
    assert requests(stand_in)[1]["setErrs"] == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refused_poll_ends_the_polling(stand_in: StandIn, status: int) -> None:
    """Trying again would not help; the message names the URL."""
    well_known = await stand_in.start()
    stand_in.answers = [(status, {})]
    with pytest.raises(PollRefused, match=f"/poll answered {status}"):
        await polled(stand_in, well_known)
