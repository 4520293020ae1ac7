"""IOP 1.0 §2.3: what a transmitter must have to be called interoperable."""

import pytest

from support.service import Oracle
from support.ssf_operator import Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, POLL, PUSH, SsfReceiver, fetch, only_event


def test_the_metadata_has_what_the_profile_wants(receiver: SsfReceiver) -> None:
    """§2.3.1 to §2.3.7."""
    metadata = receiver.metadata
    assert tuple(int(part) for part in metadata["spec_version"].split("_")) >= (1, 0)
    assert {PUSH, POLL} <= set(metadata["delivery_methods_supported"])
    assert {"spec_urn": "urn:ietf:rfc:6749"} in metadata["authorization_schemes"]
    for name in ("jwks_uri", "configuration_endpoint", "status_endpoint", "verification_endpoint"):
        assert metadata[name].startswith("https://")
    assert fetch(receiver.tls, "GET", metadata["jwks_uri"]).json["keys"]


@pytest.mark.parametrize("method", [PUSH, POLL])
def test_stream_control(receiver: SsfReceiver, oracle: Oracle, method: str) -> None:
    """§2.3.8: create, read, status and verification, in the order in which a conformance test walks them."""
    pushed = PushStream(receiver, oracle) if method == PUSH else None
    created = pushed.document if pushed else receiver.create_stream(delivery={"method": POLL})
    stream = {"stream_id": created["stream_id"]}
    assert created["delivery"]["method"] == method
    assert receiver.call("GET", "configuration_endpoint", **stream).json == created
    assert receiver.call("GET", "status_endpoint", **stream).json["status"] == "enabled"
    for status in ("paused", "disabled", "enabled"):
        answer = receiver.call("POST", "status_endpoint", {**stream, "status": status})
        assert (answer.status, answer.json["status"]) == (200, status)
    assert receiver.call("POST", "verification_endpoint", {**stream, "state": "s"}).status == 204
    (claims,) = pushed.events(1) if pushed else receiver.events(created, 1)
    assert only_event(claims)[1] == {"state": "s"}
    assert receiver.call("DELETE", "configuration_endpoint", **stream).status == 204


def test_events_come_without_adding_a_subject(operator: Operator, receiver: SsfReceiver) -> None:
    """§2.4.2: receivers assume that all subjects are in a stream from the start."""
    stream = receiver.create_stream(events_requested=[CAEP + "session-presented"])
    operator.send(CAEP + "session-presented")
    assert len(receiver.events(stream, 1)) == 1
