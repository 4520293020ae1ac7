"""SSF 1.0 §3 and §4, RFC 8417: what every SET is like, whatever it is about and however it comes."""

import time
from typing import Any

import jwt
import pytest

from support.service import Oracle
from support.ssf_operator import KAI, Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, POLL, RISC, VERIFICATION, SsfReceiver, fetch, only_event

REVOKED = CAEP + "session-revoked"
CHANGED = CAEP + "credential-change"
PURGED = RISC + "account-purged"
WHY = {"reason_admin": {"en": "A test"}}
CREDENTIAL = {"credential_type": "password", "change_type": "update", **WHY}
REQUESTED = {"events_requested": [REVOKED, CHANGED, PURGED, CAEP + "risk-level-change"]}


@pytest.fixture
def stream(receiver: SsfReceiver) -> dict[str, Any]:
    """A polled stream that carries several event types."""
    return receiver.create_stream(**REQUESTED)


def some_sets(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> list[str]:
    """A SET of each origin: CAEP, RISC, verification asked and unasked."""
    operator.send(REVOKED, WHY)
    operator.send(PURGED)
    asked = receiver.call("POST", "verification_endpoint", {"stream_id": stream["stream_id"], "state": "s"})
    assert asked.status == 204
    sets: dict[str, str] = {}
    deadline = time.monotonic() + 60
    while len(sets) < 4 and time.monotonic() < deadline:
        sets |= receiver.poll(stream)
    assert len(sets) == 4
    return list(sets.values())


def test_a_set_is_explicitly_typed_and_signed_by_a_published_key(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """SSF §4.1.1, RFC 8417 §2.3, IOP 1.0 §2.6."""
    kids = {key["kid"] for key in fetch(receiver.tls, "GET", receiver.metadata["jwks_uri"]).json["keys"]}
    for token in some_sets(operator, receiver, stream):
        header = jwt.get_unverified_header(token)
        assert (header["typ"], header["alg"]) == ("secevent+jwt", "RS256")
        assert header["kid"] in kids
        assert receiver.verified(token)


def test_a_set_has_the_claims_of_the_profile_and_no_others(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """RFC 8417 §2.2, RFC 9493 §4.1: all of them are registered claims."""
    for token in some_sets(operator, receiver, stream):
        assert set(receiver.verified(token)) == {"iss", "aud", "jti", "iat", "txn", "sub_id", "events"}


def test_a_set_has_no_sub_exp_or_nbf(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """SSF §4.1.2, §4.1.3, §4.1.7: it cannot be taken for another kind of JWT."""
    for token in some_sets(operator, receiver, stream):
        assert not {"sub", "exp", "nbf"} & set(receiver.verified(token))


def test_a_set_holds_exactly_one_event(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """SSF §4.2.1, IOP 1.0 §2.8.1, RFC 8417 §2.2: a SET has one event, and its payload is an object."""
    types = []
    for token in some_sets(operator, receiver, stream):
        event_type, event = only_event(receiver.verified(token))
        assert isinstance(event, dict)
        types.append(event_type)
    assert sorted(types) == sorted([REVOKED, PURGED, VERIFICATION, VERIFICATION])


def test_a_set_says_whom_it_is_about_at_top_level(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """SSF §3.1, RFC 9493 §4.1: `sub_id`, also for types that once had `subject` in the event."""
    itself = {"format": "opaque", "id": stream["stream_id"]}
    for token in some_sets(operator, receiver, stream):
        claims = receiver.verified(token)
        event_type, event = only_event(claims)
        assert claims["sub_id"] == (itself if event_type == VERIFICATION else KAI)
        assert "subject" not in event


def test_iss_is_the_issuer_of_the_metadata_and_of_the_stream(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """SSF §4.1.6, §7.1, §8.1.1."""
    assert stream["iss"] == receiver.metadata["issuer"]
    for token in some_sets(operator, receiver, stream):
        assert receiver.verified(token)["iss"] == stream["iss"]


def test_iat_is_when_the_event_was_accepted(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """RFC 8417 §2.2: never in the future, and not when it was fetched."""
    before = int(time.time())
    operator.send(REVOKED, WHY)
    after = time.time()
    time.sleep(1.1)
    (claims,) = receiver.events(stream, 1)
    assert before <= claims["iat"] <= after


def test_jti_is_never_used_twice(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """RFC 8417 §2.2: equal events are different SETs; the key in a poll's answer is the SET's own."""
    for _ in range(5):
        operator.send(PURGED)
    assert len({claims["jti"] for claims in receiver.events(stream, 5)}) == 5
    operator.send(PURGED)
    ((jti, token),) = receiver.poll(stream, returnImmediately=False).items()
    assert receiver.verified(token)["jti"] == jti


def test_txn_is_the_same_for_one_cause_and_differs_between_causes(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """SSF §4.1.9: given by the caller or made; one cause can lead to several SETs on several streams."""
    second = receiver.create_stream(**REQUESTED)
    operator.send(REVOKED, WHY, txn="incident-17")
    operator.send(CHANGED, CREDENTIAL, txn="incident-17")
    operator.send(PURGED)
    operator.send(PURGED)
    mine, others = receiver.events(stream, 4), receiver.events(second, 4)
    txns = [claims["txn"] for claims in mine]
    assert txns == [claims["txn"] for claims in others]
    assert txns[:2] == ["incident-17"] * 2
    assert len(set(txns)) == 3


def test_receivers_of_one_account_get_sets_of_their_own(operator: Operator, oracle: Oracle) -> None:
    """SSF §4.1.8: distinct SETs, each for its audience alone."""
    integrations = [operator.create_integration("SSF", f"https://receiver-{n}.example.com") for n in range(2)]
    receivers = [
        SsfReceiver(each["well_known_url"], operator.tls, operator.issue(each)["token"]) for each in integrations
    ]
    streams = [each.create_stream(**REQUESTED) for each in receivers]
    operator.send(REVOKED, WHY)
    sets = [receiver.events(stream, 1)[0] for receiver, stream in zip(receivers, streams, strict=True)]
    assert [claims["aud"] for claims in sets] == [each["tenant_url"] for each in integrations]
    assert [claims["aud"] for claims in sets] == [each["aud"] for each in streams]
    assert [claims["iss"] for claims in sets] == [each.metadata["issuer"] for each in receivers]
    assert sets[0]["jti"] != sets[1]["jti"]
    for integration in integrations:
        operator.result("DELETE", f"/integrations/{integration['id']}")


def test_a_pushed_set_is_like_a_polled_one(operator: Operator, receiver: SsfReceiver, oracle: Oracle) -> None:
    """Delivery changes nothing but jti."""
    pushed = PushStream(receiver, oracle, configuration=REQUESTED)
    polled = receiver.create_stream(delivery={"method": POLL}, **REQUESTED)
    operator.send(REVOKED, WHY)
    (one,), (other,) = pushed.events(1), receiver.events(polled, 1)
    assert {**one, "jti": ""} == {**other, "jti": ""}
