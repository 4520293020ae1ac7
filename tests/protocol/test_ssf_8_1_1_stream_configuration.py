"""SSF 1.0 §8.1.1: create, read, update, replace and delete streams."""

import re
from typing import Any

import pytest

from support.service import Oracle
from support.ssf_operator import TENANT, Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, POLL, PUSH, Answer, SsfReceiver, only_event

REVOKED, CHANGED = CAEP + "session-revoked", CAEP + "credential-change"
UNKNOWN = "urn:example:secevent:events:type_4"
WHY = {"reason_admin": {"en": "A test"}}
ENDPOINT = "configuration_endpoint"
REQUIRED = {"stream_id", "iss", "aud", "events_delivered", "delivery"}
PUSHED = {"method": PUSH, "endpoint_url": "https://receiver.example.com/events"}

OPERATIONS = ["POST", "GET", "PATCH", "PUT", "DELETE"]
WITH_BODY = ["POST", "PATCH", "PUT"]


@pytest.fixture
def stream(receiver: SsfReceiver) -> dict[str, Any]:
    """A push stream with every receiver-supplied property; nothing listens there."""
    return receiver.create_stream(delivery=PUSHED, events_requested=[REVOKED, UNKNOWN], description="for a test")


def read(receiver: SsfReceiver, stream: dict[str, Any]) -> Any:
    """The stream's configuration now."""
    answer = receiver.call("GET", ENDPOINT, stream_id=stream["stream_id"])
    assert answer.status == 200
    return answer.json


def changed(receiver: SsfReceiver, method: str, **body: Any) -> Any:
    """The answer to an update or replacement that must succeed."""
    answer = receiver.call(method, ENDPOINT, body)
    assert answer.status == 200, answer
    return answer.json


def assert_explained(answer: Answer, status: int) -> None:
    """A refusal says what to do."""
    assert answer.status == status, answer
    assert answer.json["error"]
    assert len(answer.json["error_description"]) > 15


# Create (§8.1.1.1)


@pytest.mark.parametrize("delivery", [PUSHED, {"method": POLL}])
def test_create_answers_201_with_the_whole_configuration(receiver: SsfReceiver, delivery: dict[str, str]) -> None:
    """§8.1.1, §8.1.1.1: required properties, and what the receiver supplied; push and poll."""
    answer = receiver.call("POST", ENDPOINT, {"delivery": delivery, "events_requested": [REVOKED], "description": "d"})
    assert answer.status == 201
    created = answer.json
    assert set(created) >= REQUIRED
    assert (created["iss"], created["aud"]) == (receiver.metadata["issuer"], TENANT)
    assert created["delivery"]["method"] == delivery["method"]
    assert created["delivery"]["endpoint_url"].startswith("https://")
    assert created["events_requested"] == created["events_delivered"] == [REVOKED]
    assert created["description"] == "d"
    assert isinstance(created["min_verification_interval"], int)


def test_create_without_delivery_makes_a_poll_stream(receiver: SsfReceiver) -> None:
    """§8.1.1.1: poll is assumed, and the transmitter supplies the URL. Every property is optional."""
    created = receiver.create_stream()
    assert set(created) >= REQUIRED
    assert created["delivery"]["method"] == POLL
    assert created["delivery"]["endpoint_url"].startswith("https://")
    assert created["events_delivered"] == []


def test_a_second_create_is_a_second_stream(receiver: SsfReceiver) -> None:
    """§8.1.1.1: several streams, also with the same configuration; ids are unique, of unreserved characters."""
    ids = [receiver.create_stream(delivery=PUSHED)["stream_id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]+", stream_id) for stream_id in ids)


def test_event_types_that_are_unknown_are_ignored(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1: events_delivered is a subset of what is supported and requested; no error."""
    assert stream["events_requested"] == [REVOKED, UNKNOWN]
    assert stream["events_delivered"] == [REVOKED]
    assert {REVOKED, CHANGED} <= set(stream["events_supported"])
    assert UNKNOWN not in stream["events_supported"]
    assert receiver.create_stream(events_requested=[UNKNOWN])["events_delivered"] == []


def test_a_stream_carries_what_events_delivered_names(operator: Operator, receiver: SsfReceiver) -> None:
    """§8.1.1: and nothing else; an update changes it for what comes later."""
    stream = receiver.create_stream(events_requested=[REVOKED])
    operator.send(CHANGED, {"credential_type": "pin", "change_type": "create", **WHY})
    operator.send(REVOKED, WHY)
    changed(receiver, "PATCH", stream_id=stream["stream_id"], events_requested=[CHANGED])
    operator.send(REVOKED, WHY)
    operator.send(CHANGED, {"credential_type": "app", "change_type": "create", **WHY})
    first, second = (only_event(claims) for claims in receiver.events(stream, 2))
    assert (first[0], second[0], second[1]["credential_type"]) == (REVOKED, CHANGED, "app")
    assert receiver.poll(stream) == {}


# Read (§8.1.1.2)


def test_read_answers_what_create_answered(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.2: 200, not to be stored anywhere."""
    answer = receiver.call("GET", ENDPOINT, stream_id=stream["stream_id"])
    assert answer.status == 200
    assert answer.json == stream
    assert answer.headers["cache-control"] == "no-store"


def test_read_without_a_stream_id_lists_the_receivers_streams(receiver: SsfReceiver) -> None:
    """§8.1.1.2: none, one, several; always a list."""
    assert receiver.call("GET", ENDPOINT).json == []
    one = receiver.create_stream()
    assert receiver.call("GET", ENDPOINT).json == [one]
    other = receiver.create_stream(delivery=PUSHED)
    listed = receiver.call("GET", ENDPOINT)
    assert (listed.status, listed.json) == (200, [one, other])


# Update (§8.1.1.3)


def test_patch_changes_what_it_names_and_nothing_else(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.3: 200 with the entire configuration, as it is read afterwards."""
    stream_id = stream["stream_id"]
    assert changed(receiver, "PATCH", stream_id=stream_id) == stream
    described = changed(receiver, "PATCH", stream_id=stream_id, description="other")
    assert described == {**stream, "description": "other"}
    requested = changed(receiver, "PATCH", stream_id=stream_id, events_requested=[CHANGED])
    assert requested == {**described, "events_requested": [CHANGED], "events_delivered": [CHANGED]}
    polled = changed(receiver, "PATCH", stream_id=stream_id, delivery={"method": POLL})
    assert polled["delivery"]["method"] == POLL
    assert {**polled, "delivery": None} == {**requested, "delivery": None}
    assert read(receiver, stream) == polled


# Replace (§8.1.1.4)


def test_put_replaces_and_deletes_omitted_members(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.4: the receiver-supplied properties are those of the body, and no others."""
    moved = {**PUSHED, "endpoint_url": "https://receiver.example.com/other"}
    replaced = changed(receiver, "PUT", stream_id=stream["stream_id"], delivery=moved, events_requested=[CHANGED])
    assert replaced["delivery"]["endpoint_url"] == moved["endpoint_url"]
    assert (replaced["events_requested"], replaced["events_delivered"]) == ([CHANGED], [CHANGED])
    assert "description" not in replaced
    bare = changed(receiver, "PUT", stream_id=stream["stream_id"], delivery=moved)
    assert bare.get("events_requested", []) == bare["events_delivered"] == []
    assert read(receiver, stream) == bare


def test_what_was_read_can_be_put_back(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.4: read, modify, replace; transmitter-supplied values match."""
    edited = {**read(receiver, stream), "description": "edited"}
    assert changed(receiver, "PUT", **edited) == edited
    assert changed(receiver, "PATCH", **edited) == edited


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.example.com"},
        {"aud": "https://other.example.com"},
        {"aud": [TENANT, "https://other.example.com"]},
        {"events_supported": [UNKNOWN]},
        {"events_delivered": [CHANGED]},
        {"events_delivered": []},
        {"min_verification_interval": 987_654},
    ],
)
def test_a_transmitters_value_that_does_not_match_is_400(
    receiver: SsfReceiver, stream: dict[str, Any], method: str, wrong: dict[str, Any]
) -> None:
    """§8.1.1.3, §8.1.1.4: it is named, and nothing is changed. `aud` cannot be updated."""
    body = {"stream_id": stream["stream_id"], "delivery": PUSHED, "description": "other", **wrong}
    answer = receiver.call(method, ENDPOINT, body)
    assert_explained(answer, 400)
    assert next(iter(wrong)) in answer.json["error_description"]
    assert read(receiver, stream) == stream


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_events_delivered_is_compared_before_the_change(
    receiver: SsfReceiver, stream: dict[str, Any], method: str
) -> None:
    """§8.1.1.3, §8.1.1.4: the old value matches, the new one does not."""
    body = {"stream_id": stream["stream_id"], "delivery": PUSHED, "events_requested": [CHANGED]}
    assert receiver.call(method, ENDPOINT, {**body, "events_delivered": [CHANGED]}).status == 400
    assert changed(receiver, method, **body, events_delivered=[REVOKED])["events_delivered"] == [CHANGED]


# Delete (§8.1.1.5)


def test_delete_answers_204_and_then_404(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.5: the first DELETE gets an empty 204 and the second a 404. Another stream is kept."""
    other = receiver.create_stream()
    gone = receiver.call("DELETE", ENDPOINT, stream_id=stream["stream_id"])
    assert (gone.status, gone.body) == (204, b"")
    assert_explained(receiver.call("GET", ENDPOINT, stream_id=stream["stream_id"]), 404)
    assert_explained(receiver.call("DELETE", ENDPOINT, stream_id=stream["stream_id"]), 404)
    assert receiver.call("GET", ENDPOINT).json == [other]


def test_delete_needs_a_stream_id(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.1.5: it is a query parameter, and without it nothing is deleted."""
    assert_explained(receiver.call("DELETE", ENDPOINT), 400)
    assert read(receiver, stream) == stream


def test_nothing_is_sent_on_a_deleted_stream(operator: Operator, receiver: SsfReceiver, oracle: Oracle) -> None:
    """What is accepted afterwards goes to the streams that are left."""
    stream = PushStream(receiver, oracle, configuration={"events_requested": [REVOKED]})
    stream.wait_for_requests(1)
    assert receiver.call("DELETE", ENDPOINT, stream_id=stream.id).status == 204
    left = PushStream(receiver, oracle, configuration={"events_requested": [REVOKED]})
    operator.send(REVOKED, WHY)
    assert left.events(1)
    assert len(stream.requests()) == 1


# What is wrong with a request (the tables of §8.1.1)

BROKEN = {
    "no JSON": b'{"delivery": ',
    "empty": b"",
    "no object": b"[]",
    "twice": b'{"description": "a", "description": "b"}',
    "no UTF-8": b'{"description": "\xff"}',
    "delivery is no object": {"delivery": "push"},
    "delivery without a method": {"delivery": {"endpoint_url": "https://receiver.example.com/"}},
    "a method that is unknown": {"delivery": {"method": "urn:example:pigeon"}},
    "push without an endpoint": {"delivery": {"method": PUSH}},
    "push over http": {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example.com/"}},
    "push to no URL": {"delivery": {"method": PUSH, "endpoint_url": "receiver"}},
    "push to this machine": {"delivery": {"method": PUSH, "endpoint_url": "https://169.254.169.254/"}},
    "a header that is none": {"delivery": {**PUSHED, "authorization_header": "Bearer a\r\nX-Evil: b"}},
    "events_requested is no array": {"events_requested": REVOKED},
    "events_requested holds numbers": {"events_requested": [1]},
    "description is no text": {"description": 7},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("method", WITH_BODY)
def test_a_broken_body_is_400(receiver: SsfReceiver, stream: dict[str, Any], method: str, broken: Any) -> None:
    """The body says what to change; nothing is created or changed."""
    named = {} if method == "POST" else {"stream_id": stream["stream_id"]}
    body = broken if isinstance(broken, bytes) else {**named, **broken}
    assert_explained(receiver.call(method, ENDPOINT, body), 400)
    assert receiver.call("GET", ENDPOINT).json == [stream]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("stream_id", [None, 7])
def test_a_body_without_a_stream_id_is_400(receiver: SsfReceiver, method: str, stream_id: Any) -> None:
    """§8.1.1.3, §8.1.1.4: it must be present."""
    body = {"delivery": PUSHED} if stream_id is None else {"delivery": PUSHED, "stream_id": stream_id}
    assert_explained(receiver.call(method, ENDPOINT, body), 400)


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("stream_id", ["5f2d0c7b-1e4a-4f7e-9c55-0d9a8b6c7d1e", "no-uuid", "ä \U0001f511"])
def test_an_unknown_stream_is_404(receiver: SsfReceiver, stream: dict[str, Any], method: str, stream_id: str) -> None:
    """Whatever the id looks like; the stream that is there stays as it is."""
    if method in WITH_BODY:
        answer = receiver.call(method, ENDPOINT, {"stream_id": stream_id, "delivery": PUSHED})
    else:
        answer = receiver.call(method, ENDPOINT, stream_id=stream_id)
    assert_explained(answer, 404)
    assert receiver.call("GET", ENDPOINT).json == [stream]
