"""RFC 9493 and SSF 1.0 §3: subjects of every format, from the account to the receiver."""

from typing import Any

import pytest

from support.ssf_operator import KAI, Operator
from support.ssf_receiver import CAEP, SsfReceiver

PRESENTED = CAEP + "session-presented"
PHONE = {"format": "phone_number", "phone_number": "+12065550100"}
TENANT = {"format": "opaque", "id": "123456789"}

GOOD: list[dict[str, Any]] = [
    {"format": "account", "uri": "acct:example.user@service.example.com"},
    {"format": "email", "email": "user@example.com"},
    {"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"},
    {"format": "opaque", "id": "11112222333344445555"},
    PHONE,
    {"format": "did", "url": "did:example:123456"},
    {"format": "did", "url": "did:example:123456/did/url/path?versionId=1"},
    {"format": "uri", "uri": "https://user.example.com/"},
    {"format": "uri", "uri": "urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f"},
    {"format": "aliases", "identifiers": [KAI, PHONE, {"format": "email", "email": "kai+more@example.com"}]},
    {"format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353-A866-823539EECBC8"},
    {
        "format": "saml_assertion_id",
        "issuer": "https://idp.example.com/123456789/",
        "assertion_id": "_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6",
    },
    {"format": "ip-addresses", "ip-addresses": ["10.29.37.75", "2001:0db8:0000:0000:0000:8a2e:0370:7334"]},
    {"format": "complex", "user": KAI, "tenant": TENANT},
    {"format": "complex", "member_of_our_own": TENANT},
]

BAD: dict[str, Any] = {
    "no object": "kai@example.com",
    "no format": {"email": "kai@example.com"},
    "format is no text": {"format": 7, "email": "kai@example.com"},
    "format is unknown": {"format": "shoe_size", "size": "43"},
    "Google's old word": {"subject_type": "email", "email": "kai@example.com"},
    "a member that is not described": {**KAI, "name": "Kai"},
    "account without uri": {"format": "account"},
    "account that is no acct URI": {"format": "account", "uri": "https://service.example.com/kai"},
    "email without email": {"format": "email"},
    "email null": {"format": "email", "email": None},
    "email empty": {"format": "email", "email": ""},
    "email that is none": {"format": "email", "email": "kai"},
    "iss_sub without sub": {"format": "iss_sub", "iss": "https://issuer.example.com/"},
    "iss_sub without iss": {"format": "iss_sub", "sub": "1"},
    "iss_sub empty": {"format": "iss_sub", "iss": "", "sub": ""},
    "opaque without id": {"format": "opaque"},
    "opaque number": {"format": "opaque", "id": 7},
    "opaque empty": {"format": "opaque", "id": ""},
    "phone without a prefix": {"format": "phone_number", "phone_number": "2065550100"},
    "phone empty": {"format": "phone_number", "phone_number": ""},
    "did that is none": {"format": "did", "url": "https://example.com/"},
    "uri that is none": {"format": "uri", "uri": "not a uri"},
    "uri empty": {"format": "uri", "uri": ""},
    "aliases without identifiers": {"format": "aliases"},
    "aliases empty": {"format": "aliases", "identifiers": []},
    "aliases nested": {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": [KAI]}]},
    "aliases with exact duplicates": {"format": "aliases", "identifiers": [KAI, KAI]},
    "aliases of no identifier": {"format": "aliases", "identifiers": ["kai@example.com"]},
    "jwt_id without jti": {"format": "jwt_id", "iss": "https://idp.example.com/"},
    "saml_assertion_id without assertion_id": {"format": "saml_assertion_id", "issuer": "https://idp.example.com/"},
    "ip-addresses without addresses": {"format": "ip-addresses"},
    "ip-addresses as one text": {"format": "ip-addresses", "ip-addresses": "10.29.37.75"},
    "ip-addresses that are none": {"format": "ip-addresses", "ip-addresses": ["10.29.37.750"]},
    "complex without members": {"format": "complex"},
    "complex of text": {"format": "complex", "user": "kai@example.com"},
    "complex of a bad member": {"format": "complex", "user": {"format": "email"}},
    "complex in complex": {"format": "complex", "user": {"format": "complex", "user": KAI}},
}


def test_a_subject_arrives_as_it_was_given(operator: Operator, receiver: SsfReceiver) -> None:
    """RFC 9493 §3.2.1 to §3.2.8, SSF §3.3 and §3.5: all the texts' examples, member for member."""
    stream = receiver.create_stream(events_requested=[PRESENTED])
    for subject in GOOD:
        operator.send(PRESENTED, {}, subject)
    assert [claims["sub_id"] for claims in receiver.events(stream, len(GOOD))] == GOOD


@pytest.mark.parametrize("subject", BAD.values(), ids=BAD)
def test_a_subject_that_breaks_a_rule_is_refused(operator: Operator, subject: Any) -> None:
    """With a pointer into the subject."""
    body = {"event_type": PRESENTED, "subject": subject, "event": {}}
    answer = operator.call("POST", "/security_events", body)
    assert answer.status == 400
    assert all(error["source"]["pointer"].startswith("/subject") for error in answer.json["errors"]), answer


def test_a_level_change_always_names_its_user_the_same_way(operator: Operator, receiver: SsfReceiver) -> None:
    """SSF §10.1, RFC 9493 §3.2: by e-mail address, the most specific format, whoever wrote it in which case."""
    operator.enable_behaviors()
    stream = receiver.create_stream(events_requested=[CAEP + "risk-level-change"])
    for behavior, email in (("high_risk_domain", "Ann@Example.com"), ("high_dlp", "ann@example.com")):
        operator.result("POST", "/findings", {"behavior": behavior, "user": {"email": email}})
    first = receiver.events(stream, 1)
    seen = [claims["sub_id"] for claims in (first if len(first) == 2 else first + receiver.events(stream, 1))]
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0]["format"] == "email"
