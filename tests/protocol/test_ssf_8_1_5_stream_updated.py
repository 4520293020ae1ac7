"""SSF 1.0 §8.1.5: when the transmitter itself stops or starts a stream, it says so on the stream."""

from typing import Any

from support.service import Oracle
from support.ssf_operator import TENANT, Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, STREAM_UPDATED, SsfReceiver, only_event

REVOKED = CAEP + "session-revoked"
CONFIGURATION = {"events_requested": [REVOKED]}


def set_active(operator: Operator, receiver: SsfReceiver, *, active: bool) -> None:
    """The operator switches the receiver's integration off or on."""
    integration_id = receiver.well_known_url.rpartition("/")[2]
    operator.result("PUT", f"/integrations/{integration_id}", {"active": active, "tenant_url": TENANT})


def assert_update(claims: dict[str, Any], stream_id: str, status: str) -> None:
    """The event type, the new status with a reason, and the subject that is the stream."""
    event_type, event = only_event(claims)
    assert (event_type, event["status"]) == (STREAM_UPDATED, status)
    assert set(event) == {"status", "reason"}
    assert event["reason"]
    assert claims["sub_id"] == {"format": "opaque", "id": stream_id}


def test_a_pushed_stream_is_notified_before_it_stops_and_when_it_resumes(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """§8.1.2, §8.1.5: paused with the integration, enabled with it; the event type was never requested."""
    stream = PushStream(receiver, oracle, configuration=CONFIGURATION)
    stream.wait_for_requests(1)
    set_active(operator, receiver, active=False)
    assert_update(stream.events(1)[0], stream.id, "paused")
    status = receiver.call("GET", "status_endpoint", stream_id=stream.id).json
    assert status["status"] == "paused"
    assert status["reason"]
    set_active(operator, receiver, active=True)
    assert_update(stream.events(2)[1], stream.id, "enabled")
    operator.send(REVOKED, {"reason_admin": {"en": "A test"}})
    assert only_event(stream.events(3)[2])[0] == REVOKED


def test_a_polled_stream_is_notified_too(operator: Operator, receiver: SsfReceiver) -> None:
    """§8.1.5: what the stream says about itself can be fetched while it is paused."""
    stream = receiver.create_stream(**CONFIGURATION)
    set_active(operator, receiver, active=False)
    assert_update(receiver.events(stream, 1)[0], stream["stream_id"], "paused")
    set_active(operator, receiver, active=True)
    assert_update(receiver.events(stream, 1)[0], stream["stream_id"], "enabled")


def test_a_change_by_the_receiver_sends_no_notice(receiver: SsfReceiver) -> None:
    """§8.1.2: the answer to its request is enough; and what a receiver stopped, no operator starts."""
    stream = receiver.create_stream(**CONFIGURATION)
    (unasked,) = receiver.poll(stream, returnImmediately=False)
    for status in ("paused", "enabled", "disabled", "enabled"):
        body = {"stream_id": stream["stream_id"], "status": status}
        assert receiver.call("POST", "status_endpoint", body).status == 200
    assert receiver.poll(stream, ack=[unasked]) == {}


def test_an_operator_does_not_start_what_a_receiver_stopped(operator: Operator, receiver: SsfReceiver) -> None:
    """§8.1.2: the receiver's word stands."""
    stream = receiver.create_stream(**CONFIGURATION)
    body = {"stream_id": stream["stream_id"], "status": "paused", "reason": "maintenance"}
    assert receiver.call("POST", "status_endpoint", body).status == 200
    set_active(operator, receiver, active=False)
    set_active(operator, receiver, active=True)
    assert receiver.call("GET", "status_endpoint", stream_id=stream["stream_id"]).json == body
