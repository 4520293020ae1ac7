"""SSF 1.0 §8.1.4: a receiver asks whether the stream works, and is told over the stream."""

import uuid
from typing import Any

import pytest

from support.service import Oracle
from support.ssf_pushes import PushStream
from support.ssf_receiver import VERIFICATION, SsfReceiver, only_event

ENDPOINT = "verification_endpoint"
STATE = "VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo="


def ask(receiver: SsfReceiver, stream_id: str, **more: Any) -> None:
    """Ask for a verification event, which must be granted."""
    answer = receiver.call("POST", ENDPOINT, {"stream_id": stream_id, **more})
    assert (answer.status, answer.body) == (204, b"")


def assert_verification(claims: dict[str, Any], stream_id: str, expected: dict[str, Any]) -> None:
    """§8.1.4.1: the event type, the subject that is the stream, and the state."""
    assert only_event(claims) == (VERIFICATION, expected)
    assert claims["sub_id"] == {"format": "opaque", "id": stream_id}


@pytest.mark.parametrize("authorization", [None, "Bearer push_token_1", "Basic a2FpOnNlY3JldA=="])
def test_verification_over_push(receiver: SsfReceiver, oracle: Oracle, authorization: str | None) -> None:
    """§8.1.4.2: 204, then the event with the state; with and without an authorization header."""
    stream = PushStream(receiver, oracle, authorization=authorization)
    ask(receiver, stream.id, state=STATE)
    assert_verification(stream.events(1)[0], stream.id, {"state": STATE})
    assert {request["authorization"] for request in stream.requests()} == {authorization}


def test_verification_over_poll(receiver: SsfReceiver) -> None:
    """§8.1.4.2: the same, fetched; poll only, then poll and acknowledge."""
    stream = receiver.create_stream()
    ask(receiver, stream["stream_id"], state=STATE)
    sets: dict[str, str] = {}
    while len(sets) < 2:
        sets |= receiver.poll(stream, returnImmediately=False, ack=[])
    states = sorted(only_event(receiver.verified(token))[1].get("state", "") for token in sets.values())
    assert states == ["", STATE]
    assert receiver.poll(stream, ack=list(sets)) == {}


def test_acknowledging_a_verification_alone(receiver: SsfReceiver) -> None:
    """RFC 8936 §2.4.2: with maxEvents 0, what was acknowledged does not come again."""
    stream = receiver.create_stream()
    sets: dict[str, str] = {}
    while not sets:
        sets = receiver.poll(stream, returnImmediately=False)
    assert receiver.poll(stream, ack=list(sets), maxEvents=0) == {}
    assert receiver.poll(stream) == {}


def test_a_new_stream_is_verified_unasked_and_without_state(receiver: SsfReceiver, oracle: Oracle) -> None:
    """§8.1.4: `state` is not set when nobody asked, by push and by poll."""
    pushed = PushStream(receiver, oracle)
    (request,) = pushed.wait_for_requests(1)
    assert_verification(receiver.verified(request["token"]), pushed.id, {})
    polled = receiver.create_stream()
    ((_, token),) = receiver.poll(polled, returnImmediately=False).items()
    assert_verification(receiver.verified(token), polled["stream_id"], {})


@pytest.mark.parametrize("state", ["", "ä\U0001f511", "a" * 1_000, '"\\\n'])
def test_any_string_is_a_state(receiver: SsfReceiver, state: str) -> None:
    """§8.1.4.2: an arbitrary string, echoed as it is."""
    stream = receiver.create_stream()
    ask(receiver, stream["stream_id"], state=state)
    (claims,) = receiver.events(stream, 1)
    assert_verification(claims, stream["stream_id"], {"state": state})


def test_verification_without_state(receiver: SsfReceiver) -> None:
    """§8.1.4.2: `state` is optional."""
    stream = receiver.create_stream()
    while len(receiver.poll(stream, returnImmediately=False)) != 1:
        pass
    ask(receiver, stream["stream_id"])
    sets = receiver.poll(stream)
    assert [only_event(receiver.verified(token)) for token in sets.values()] == [(VERIFICATION, {})] * 2


def test_verifying_too_often_is_429_and_not_sooner(receiver: SsfReceiver) -> None:
    """§8.1.1 min_verification_interval: a second request is too early, that of another stream is not."""
    one, other = receiver.create_stream(), receiver.create_stream()
    assert one["min_verification_interval"] > 0
    ask(receiver, one["stream_id"], state="first")
    early = receiver.call("POST", ENDPOINT, {"stream_id": one["stream_id"], "state": "second"})
    assert early.status == 429
    assert 1 <= int(early.headers["retry-after"]) <= one["min_verification_interval"]
    assert early.json["error_description"]
    ask(receiver, other["stream_id"], state="other")
    assert [only_event(claims)[1] for claims in receiver.events(one, 1)] == [{"state": "first"}]


@pytest.mark.parametrize("bad", [b"{", b"[]", {}, {"stream_id": 7}, {"stream_id": "{id}", "state": 7}])
def test_a_verification_request_that_makes_no_sense_is_400(receiver: SsfReceiver, bad: Any) -> None:
    """§8.1.4.2: and it does not count as a request."""
    stream_id = receiver.create_stream()["stream_id"]
    body = {**bad, "stream_id": stream_id} if isinstance(bad, dict) and bad.get("stream_id") == "{id}" else bad
    answer = receiver.call("POST", ENDPOINT, body)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request"), answer
    ask(receiver, stream_id)


def test_verifying_an_unknown_stream_is_404(receiver: SsfReceiver) -> None:
    """§8.1.4.2."""
    answer = receiver.call("POST", ENDPOINT, {"stream_id": str(uuid.uuid4())})
    assert (answer.status, answer.json["error"]) == (404, "not_found")
