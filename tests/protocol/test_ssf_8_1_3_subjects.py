"""SSF 1.0 §8.1.3: a receiver says about whom it wants to hear."""

import uuid
from typing import Any

import pytest

from support.ssf_operator import KAI, Operator
from support.ssf_receiver import CAEP, SsfReceiver, is_unasked

REVOKED = CAEP + "session-revoked"
WHY = {"reason_admin": {"en": "A test"}}
ADD, REMOVE = "add_subject_endpoint", "remove_subject_endpoint"
LEE = {"format": "email", "email": "lee@example.com"}

TENANT = {"format": "opaque", "id": "example-a38h4792-uw2"}
JDOE = {"format": "email", "email": "jdoe@example.com"}
GROUP = {"format": "did", "url": "did:example:123456"}
OTHER_GROUP = {"format": "did", "url": "did:example:9999999"}
ADDRESS = {"format": "ip-addresses", "ip-addresses": ["10.29.37.75"]}


def complex_of(**members: Any) -> dict[str, Any]:
    return {"format": "complex", **members}


@pytest.fixture
def stream(receiver: SsfReceiver) -> dict[str, Any]:
    """A polled stream, about everybody."""
    return receiver.create_stream(events_requested=[REVOKED])


def tell(receiver: SsfReceiver, endpoint: str, stream: dict[str, Any], subject: Any) -> None:
    """Add or remove a subject, which must succeed."""
    answer = receiver.call("POST", endpoint, {"stream_id": stream["stream_id"], "subject": subject})
    assert answer.status == (200 if endpoint == ADD else 204), answer


def heard(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any], subject: Any) -> bool:
    """Whether an event about *subject* goes onto the stream; a later one about somebody else shows that all came."""
    marker = {"format": "opaque", "id": str(uuid.uuid4())}
    operator.send(REVOKED, WHY, subject)
    operator.send(REVOKED, WHY, marker)
    told: list[Any] = []
    while marker not in told:
        told += [claims["sub_id"] for claims in receiver.events(stream, 1)]
    return subject in told


@pytest.mark.parametrize("verified", [None, True, False])
def test_adding_is_an_empty_200_and_removing_a_204(
    receiver: SsfReceiver, stream: dict[str, Any], verified: bool | None
) -> None:
    """§8.1.3.2, §8.1.3.3: verified or not, as often as you like."""
    body: dict[str, Any] = {"stream_id": stream["stream_id"], "subject": KAI}
    added = {**body, **({} if verified is None else {"verified": verified})}
    for _ in range(2):
        answer = receiver.call("POST", ADD, added)
        assert (answer.status, answer.body) == (200, b"")
    for _ in range(2):
        answer = receiver.call("POST", REMOVE, body)
        assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"


def test_a_removed_subject_is_silent_until_it_is_added_again(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """§7.1 default_subjects ALL, §8.1.3.1: others are heard all the time, and so are other streams."""
    other = receiver.create_stream(events_requested=[REVOKED])
    assert heard(operator, receiver, stream, KAI)
    tell(receiver, REMOVE, stream, KAI)
    assert not heard(operator, receiver, stream, KAI)
    assert heard(operator, receiver, stream, LEE)
    tell(receiver, ADD, stream, KAI)
    assert heard(operator, receiver, stream, KAI)
    assert [claims["sub_id"] for claims in receiver.events(other, 8)].count(KAI) == 3


@pytest.mark.parametrize(
    ("removed", "sent", "matches"),
    [
        (complex_of(tenant=TENANT), complex_of(tenant=TENANT, user=JDOE), True),
        (complex_of(user=JDOE, device=ADDRESS), complex_of(user=JDOE), True),
        (complex_of(user=JDOE, group=GROUP), complex_of(user=JDOE, group=OTHER_GROUP), False),
        (complex_of(user=JDOE, tenant=TENANT), complex_of(user=JDOE, tenant=TENANT), True),
        (complex_of(user=JDOE), complex_of(user=LEE), False),
        (complex_of(user=JDOE), complex_of(tenant=TENANT), True),
    ],
)
def test_complex_subjects_match_by_the_three_rules(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any], removed: Any, sent: Any, matches: bool
) -> None:
    """§8.1.3.1: the text's three examples, then more; each removed subject silences what matches it."""
    tell(receiver, REMOVE, stream, removed)
    assert heard(operator, receiver, stream, sent) is not matches


def test_known_and_unknown_subjects_are_answered_alike(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§9.1: an answer does not tell whether the transmitter has ever heard of somebody."""
    stranger = {"format": "email", "email": f"{uuid.uuid4()}@example.com"}
    for endpoint in (ADD, REMOVE):
        answers = [
            receiver.call("POST", endpoint, {"stream_id": stream["stream_id"], "subject": subject})
            for subject in (KAI, stranger)
        ]
        seen = [(answer.status, answer.body, sorted(answer.headers)) for answer in answers]
        assert seen[0] == seen[1]


def test_the_stream_itself_cannot_be_removed(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§8.1.4.1, §8.1.5: verification still arrives."""
    itself = {"format": "opaque", "id": stream["stream_id"]}
    receiver.call("POST", REMOVE, {"stream_id": stream["stream_id"], "subject": itself})
    body = {"stream_id": stream["stream_id"], "state": "still there"}
    assert receiver.call("POST", "verification_endpoint", body).status == 204
    (claims,) = receiver.events(stream, 1)
    assert not is_unasked(claims)
    assert claims["sub_id"] == itself


BAD: list[Any] = [
    b'{"subject": ',
    b"[]",
    {},
    {"subject": KAI},
    {"stream_id": "{id}"},
    {"stream_id": "{id}", "subject": "kai@example.com"},
    {"stream_id": "{id}", "subject": None},
    {"stream_id": "{id}", "subject": {"email": "kai@example.com"}},
    {"stream_id": "{id}", "subject": {"format": "email"}},
    {"stream_id": "{id}", "subject": {"format": "email", "email": ""}},
    {"stream_id": "{id}", "subject": {"format": "email", "email": "kai@example.com", "name": "Kai"}},
    {"stream_id": "{id}", "subject": {"format": "complex"}},
    {"stream_id": "{id}", "subject": {"format": "complex", "user": "kai"}},
]


@pytest.mark.parametrize("bad", [*BAD, {"stream_id": "{id}", "subject": KAI, "verified": "yes"}])
def test_a_subject_request_that_makes_no_sense_is_400(receiver: SsfReceiver, stream: dict[str, Any], bad: Any) -> None:
    """§8.1.3.2, §8.1.3.3: the answer says what is wrong."""
    named = isinstance(bad, dict) and "stream_id" in bad
    body = {**bad, "stream_id": stream["stream_id"]} if named else bad
    endpoints = [ADD] if named and "verified" in bad else [ADD, REMOVE]
    for endpoint in endpoints:
        answer = receiver.call("POST", endpoint, body)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request"), answer
        assert answer.json["error_description"]


def test_subjects_of_an_unknown_stream_are_404(receiver: SsfReceiver) -> None:
    """§8.1.3.2, §8.1.3.3."""
    for endpoint in (ADD, REMOVE):
        answer = receiver.call("POST", endpoint, {"stream_id": str(uuid.uuid4()), "subject": KAI})
        assert (answer.status, answer.json["error"]) == (404, "not_found")
