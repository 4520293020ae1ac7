"""SSF 1.0 §8.1.2: a stream is enabled, paused or disabled."""

import uuid
from typing import Any

import pytest

from support.service import Oracle
from support.ssf_operator import Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, PUSH, SsfReceiver, only_event

REVOKED = CAEP + "session-revoked"
ENDPOINT = "status_endpoint"
CONFIGURATION = {"events_requested": [REVOKED]}


def set_status(receiver: SsfReceiver, stream_id: str, status: str, **more: Any) -> dict[str, Any]:
    """The answer to an update that must succeed."""
    answer = receiver.call("POST", ENDPOINT, {"stream_id": stream_id, "status": status, **more})
    assert answer.status == 200, answer
    updated: dict[str, Any] = answer.json
    return updated


def revoke(operator: Operator, reason: str) -> None:
    operator.send(REVOKED, {"reason_admin": {"en": reason}})


def reasons(events: list[dict[str, Any]]) -> list[str]:
    """Why, of each session-revoked, in order."""
    return [only_event(claims)[1]["reason_admin"]["en"] for claims in events]


def test_each_status_can_be_set_and_read(receiver: SsfReceiver) -> None:
    """§8.1.2.1, §8.1.2.2, IOP 1.0 §2.3.5: a new stream is enabled; a reason is kept until the next change."""
    stream_id = receiver.create_stream()["stream_id"]
    first = receiver.call("GET", ENDPOINT, stream_id=stream_id)
    assert (first.status, first.headers["cache-control"]) == (200, "no-store")
    assert first.json == {"stream_id": stream_id, "status": "enabled"}
    for status in ("paused", "disabled", "enabled", "paused"):
        wanted = {"stream_id": stream_id, "status": status, "reason": f"It is {status}."}
        assert set_status(receiver, stream_id, status, reason=wanted["reason"]) == wanted
        assert receiver.call("GET", ENDPOINT, stream_id=stream_id).json == wanted
    assert set_status(receiver, stream_id, "enabled") == {"stream_id": stream_id, "status": "enabled"}


def test_a_paused_stream_holds_events_and_sends_them_in_order_when_enabled(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """§8.1.2.1, by push and by poll; another stream is not touched."""
    pushed = PushStream(receiver, oracle, configuration=CONFIGURATION)
    polled = receiver.create_stream(**CONFIGURATION)
    running = PushStream(receiver, oracle, configuration=CONFIGURATION)
    pushed.wait_for_requests(1)
    assert len(receiver.poll(polled)) == 1
    for stream_id in (pushed.id, polled["stream_id"]):
        set_status(receiver, stream_id, "paused")
    for number in range(5):
        revoke(operator, str(number))
    assert reasons(running.events(5)) == ["0", "1", "2", "3", "4"]
    assert len(pushed.requests()) == 1
    assert receiver.poll(polled) == {}
    for stream_id in (pushed.id, polled["stream_id"]):
        set_status(receiver, stream_id, "enabled")
    revoke(operator, "5")
    assert reasons(pushed.events(6)) == ["0", "1", "2", "3", "4", "5"]
    assert reasons(receiver.events(polled, 6)) == ["0", "1", "2", "3", "4", "5"]


def test_a_disabled_stream_neither_sends_nor_holds(operator: Operator, receiver: SsfReceiver, oracle: Oracle) -> None:
    """§8.1.2.1: what happens meanwhile is not told, and what was waiting is not told either."""
    pushed = PushStream(receiver, oracle, configuration=CONFIGURATION)
    polled = receiver.create_stream(**CONFIGURATION)
    revoke(operator, "before")
    assert reasons(pushed.events(1)) == reasons(receiver.events(polled, 1)) == ["before"]
    set_status(receiver, polled["stream_id"], "paused")
    revoke(operator, "waiting")
    assert reasons(pushed.events(2)) == ["before", "waiting"]
    for stream_id in (pushed.id, polled["stream_id"]):
        set_status(receiver, stream_id, "disabled")
    revoke(operator, "meanwhile")
    assert receiver.poll(polled) == {}
    for stream_id in (pushed.id, polled["stream_id"]):
        set_status(receiver, stream_id, "enabled")
    revoke(operator, "after")
    assert reasons(pushed.events(3)) == ["before", "waiting", "after"]
    assert reasons(receiver.events(polled, 1)) == ["after"]


BAD = [
    b'{"status": ',
    b"[]",
    {},
    {"status": "paused"},
    {"status": "paused", "stream_id": 7},
    {"stream_id": "{id}"},
    {"stream_id": "{id}", "status": "stopped"},
    {"stream_id": "{id}", "status": "Enabled"},
    {"stream_id": "{id}", "status": None},
    {"stream_id": "{id}", "status": "paused", "reason": 7},
]


@pytest.mark.parametrize("bad", BAD)
def test_a_status_update_that_makes_no_sense_is_400(receiver: SsfReceiver, bad: Any) -> None:
    """§8.1.2.2: and the status stays."""
    stream_id = receiver.create_stream()["stream_id"]
    body = {**bad, "stream_id": stream_id} if isinstance(bad, dict) and bad.get("stream_id") == "{id}" else bad
    answer = receiver.call("POST", ENDPOINT, body)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert receiver.call("GET", ENDPOINT, stream_id=stream_id).json["status"] == "enabled"


def test_the_status_of_an_unknown_stream_is_404(receiver: SsfReceiver) -> None:
    """§8.1.2.1, §8.1.2.2; without any id it is a 400."""
    unknown = str(uuid.uuid4())
    assert receiver.call("GET", ENDPOINT, stream_id=unknown).status == 404
    assert receiver.call("POST", ENDPOINT, {"stream_id": unknown, "status": "paused"}).status == 404
    assert receiver.call("GET", ENDPOINT).status == 400


def test_a_stream_whose_status_was_changed_can_be_verified_again(receiver: SsfReceiver, oracle: Oracle) -> None:
    """§8.1.2.1: a paused stream is silent for verification too, and then it is not."""
    stream = PushStream(receiver, oracle)
    stream.wait_for_requests(1)
    assert stream.document["delivery"]["method"] == PUSH
    set_status(receiver, stream.id, "paused")
    set_status(receiver, stream.id, "enabled")
    answer = receiver.call("POST", "verification_endpoint", {"stream_id": stream.id, "state": "again"})
    assert answer.status == 204
    assert only_event(stream.events(1)[0])[1] == {"state": "again"}
