"""RFC 8935 and SSF 1.0 §6.1.1: SETs are pushed."""

import jwt
import pytest

from support.service import Oracle
from support.ssf_operator import Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, SsfReceiver, is_unasked, only_event

REVOKED = CAEP + "session-revoked"
CONFIGURATION = {"events_requested": [REVOKED]}


def revoke(operator: Operator, reason: str = "A test") -> None:
    operator.send(REVOKED, {"reason_admin": {"en": reason}})


def test_a_push_is_a_post_of_the_set_itself(operator: Operator, receiver: SsfReceiver, oracle: Oracle) -> None:
    """§2.1: Content-Type, Accept, and a body that is the compact SET and nothing else."""
    stream = PushStream(receiver, oracle, configuration=CONFIGURATION)
    revoke(operator)
    for request in stream.wait_for_requests(2):
        assert request["content_type"] == "application/secevent+jwt"
        assert request["accept"] == "application/json"
        assert request["token"].count(".") == 2
        assert receiver.verified(request["token"])


@pytest.mark.parametrize("authorization", ["Bearer eyJ0b2tlbiI6ImV4YW1wbGUifQo=", "Token  with two  spaces", "x"])
def test_every_push_has_the_verbatim_authorization_header(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle, authorization: str
) -> None:
    """SSF §6.1.1: each push has the header that the receiver supplied last."""
    stream = PushStream(receiver, oracle, authorization=authorization, configuration=CONFIGURATION)
    revoke(operator)
    seen = {request["authorization"] for request in stream.wait_for_requests(2)}
    assert seen == {authorization}
    moved = {**stream.delivery, "authorization_header": "Bearer later"}
    body = {"stream_id": stream.id, "delivery": moved}
    assert receiver.call("PATCH", "configuration_endpoint", body).status == 200
    revoke(operator)
    assert stream.wait_for_requests(3)[2]["authorization"] == "Bearer later"


def test_without_an_authorization_header_none_is_sent(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """SSF §6.1.1: not ours, not another stream's."""
    PushStream(receiver, oracle, authorization="Bearer of another stream", configuration=CONFIGURATION)
    stream = PushStream(receiver, oracle, configuration=CONFIGURATION)
    revoke(operator)
    assert [request["authorization"] for request in stream.wait_for_requests(2)] == [None, None]


def test_a_set_that_was_accepted_or_rejected_is_not_sent_again(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """§2: 202, and 400 with an `err`, are the receiver's last word on a SET; the next one goes on."""
    accepting = PushStream(receiver, oracle, configuration=CONFIGURATION)
    rejecting = PushStream(receiver, oracle, below="reject", configuration=CONFIGURATION)
    for reason in ("one", "two", "three"):
        revoke(operator, reason)
    for stream in (accepting, rejecting):
        stream.events(3)
        jtis = [jwt.decode(r["token"], options={"verify_signature": False})["jti"] for r in stream.requests()]
        assert len(jtis) == len(set(jtis)) == 4


def test_a_passing_failure_is_tried_again_later_with_the_same_claims(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """§2, §4: after a while, the same SET; what is about another subject does not wait for it."""
    stream = PushStream(receiver, oracle, below="fail-once", configuration=CONFIGURATION)
    (failed,) = stream.wait_for_requests(1)
    revoke(operator, "meanwhile")
    requests = stream.wait_for_requests(3)
    first = receiver.verified(failed["token"])
    again = [request for request in requests[1:] if receiver.verified(request["token"]) == first]
    assert is_unasked(first)
    assert len(again) == 1
    assert again[0]["received_at"] - failed["received_at"] > 0.3
    assert only_event(stream.events(1)[0])[1]["reason_admin"] == {"en": "meanwhile"}
