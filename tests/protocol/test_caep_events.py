"""CAEP 1.0: each event type, from the account that knows what happened to the receiver that asked for it."""

from typing import Any

import pytest

from support.service import Oracle
from support.ssf_operator import KAI, Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, SsfReceiver, only_event

WHEN = 1_615_304_991
COMMON = {
    "event_timestamp": WHEN,
    "initiating_entity": "policy",
    "reason_admin": {"en": "Landspeed policy", "es-410": "Política de landspeed"},
    "reason_user": {"en": "Access from several regions."},
}
DEVICE = {
    "format": "complex",
    "device": {"format": "iss_sub", "iss": "https://idp.example.com/123456789/", "sub": "e9297990"},
    "tenant": {"format": "opaque", "id": "123456789"},
}
TOKEN = {"format": "jwt_id", "iss": "https://idp.example.com/987654321/", "jti": "f61t6e20"}
ASSERTION = {"format": "saml_assertion_id", "issuer": "https://idp.example.com/", "assertion_id": "_a75adf55"}
SESSION = {"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"}

# By event type: a subject, and the members that are its own. CAEP 1.0 §3.1 to §3.8.
EVENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "session-revoked": (SESSION, {}),
    "token-claims-change": (TOKEN, {"claims": {"role": "ro-admin", "trusted_network": False}}),
    "credential-change": (
        {"format": "iss_sub", "iss": "https://idp.example.com/3456789/", "sub": "jane.smith@example.com"},
        {
            "credential_type": "fido2-roaming",
            "change_type": "create",
            "fido2_aaguid": "accced6a-63f5-490a-9eea-e59bc1896cfc",
            "friendly_name": "Jane's USB authenticator",
        },
    ),
    "assurance-level-change": (
        KAI,
        {
            "namespace": "NIST-AAL",
            "current_level": "nist-aal2",
            "previous_level": "nist-aal1",
            "change_direction": "increase",
        },
    ),
    "device-compliance-change": (DEVICE, {"current_status": "not-compliant", "previous_status": "compliant"}),
    "session-established": (KAI, {"fp_ua": "abb0b6e7da81a422", "acr": "AAL2", "amr": ["otp"], "ext_id": "12345"}),
    "session-presented": (KAI, {"fp_ua": "abb0b6e7da81a422", "ext_id": "12345"}),
    "risk-level-change": (
        KAI,
        {
            "principal": "USER",
            "current_level": "LOW",
            "previous_level": "HIGH",
            "risk_reason": "PASSWORD_FOUND_IN_DATA_BREACH",
        },
    ),
}
INTEROPERABLE = ["session-revoked", "credential-change", "device-compliance-change"]


@pytest.mark.parametrize("name", INTEROPERABLE)
def test_an_interoperable_event_is_pushed(operator: Operator, receiver: SsfReceiver, oracle: Oracle, name: str) -> None:
    """What the interoperability profile and its conformance tests ask for, by push, with authorization."""
    subject, own = EVENTS[name]
    requested = {"events_requested": [CAEP + each for each in INTEROPERABLE]}
    stream = PushStream(receiver, oracle, authorization="Bearer push", configuration=requested)
    assert stream.document["events_delivered"] == requested["events_requested"]
    operator.send(CAEP + name, {**own, **COMMON}, subject)
    (claims,) = stream.events(1)
    assert only_event(claims) == (CAEP + name, {**own, **COMMON})
    assert claims["sub_id"] == subject


@pytest.mark.parametrize("name", INTEROPERABLE)
def test_an_interoperable_event_is_polled(operator: Operator, receiver: SsfReceiver, name: str) -> None:
    """The same by poll."""
    subject, own = EVENTS[name]
    stream = receiver.create_stream(events_requested=[CAEP + name])
    operator.send(CAEP + name, {**own, **COMMON}, subject)
    (claims,) = receiver.events(stream, 1)
    assert only_event(claims) == (CAEP + name, {**own, **COMMON})
    assert claims["sub_id"] == subject


def test_every_event_type_arrives_as_it_was_given(operator: Operator, receiver: SsfReceiver) -> None:
    """§3: all of CAEP is supported; every member is what the account said, and nothing is added."""
    stream = receiver.create_stream(events_requested=[CAEP + name for name in EVENTS])
    assert stream["events_delivered"] == stream["events_requested"]
    sent = []
    for name, (subject, own) in EVENTS.items():
        told = COMMON if name in INTEROPERABLE else {"event_timestamp": WHEN}
        operator.send(CAEP + name, {**own, **told}, subject)
        sent.append((CAEP + name, {**own, **told}, subject))
    operator.send(CAEP + "token-claims-change", {"claims": {"role": "ro-admin"}}, ASSERTION)
    sent.append((CAEP + "token-claims-change", {"claims": {"role": "ro-admin"}}, ASSERTION))
    got = receiver.events(stream, len(sent))
    assert [(*only_event(claims), claims["sub_id"]) for claims in got] == sent


def test_nothing_that_was_not_said_is_asserted(operator: Operator, receiver: SsfReceiver) -> None:
    """§2: optional members stay absent."""
    stream = receiver.create_stream(events_requested=[CAEP + "session-presented"])
    operator.send(CAEP + "session-presented")
    (claims,) = receiver.events(stream, 1)
    assert only_event(claims) == (CAEP + "session-presented", {})


WRONG = {
    "initiating_entity is no other word": ("session-presented", {"initiating_entity": "robot"}),
    "reason_admin is an object": ("session-presented", {"reason_admin": "because"}),
    "reason_admin is not empty": ("session-presented", {"reason_admin": {}}),
    "reason_admin has language tags": ("session-presented", {"reason_admin": {"not a tag!": "because"}}),
    "reason_admin has messages": ("session-presented", {"reason_admin": {"en": 7}}),
    "reason_user is not empty": ("session-presented", {"reason_user": {}}),
    "event_timestamp is a number": ("session-presented", {"event_timestamp": "yesterday"}),
    "claims is required": ("token-claims-change", {}),
    "claims is an object": ("token-claims-change", {"claims": ["role"]}),
    "claims is not empty": ("token-claims-change", {"claims": {}}),
    "credential_type is required": ("credential-change", {"change_type": "create", **COMMON}),
    "change_type is required": ("credential-change", {"credential_type": "pin", **COMMON}),
    "change_type is no other word": ("credential-change", {"credential_type": "pin", "change_type": "lose", **COMMON}),
    "namespace is required": ("assurance-level-change", {"current_level": "nist-aal2"}),
    "current_level is required": ("assurance-level-change", {"namespace": "NIST-AAL"}),
    "change_direction is up or down": (
        "assurance-level-change",
        {"namespace": "NIST-AAL", "current_level": "nist-aal2", "change_direction": "sideways"},
    ),
    "previous_status is required": ("device-compliance-change", {"current_status": "compliant"}),
    "current_status is required": ("device-compliance-change", {"previous_status": "compliant"}),
    "a status is no other word": (
        "device-compliance-change",
        {"previous_status": "compliant", "current_status": "unknown"},
    ),
    "amr is an array": ("session-established", {"amr": "otp"}),
    "amr holds strings": ("session-established", {"amr": [1]}),
    "principal is required": ("risk-level-change", {"current_level": "LOW"}),
    "risk current_level is required": ("risk-level-change", {"principal": "USER"}),
    "a risk level is upper case": ("risk-level-change", {"principal": "USER", "current_level": "low"}),
    "a risk level was one of three": (
        "risk-level-change",
        {"principal": "USER", "current_level": "LOW", "previous_level": "NONE"},
    ),
}


@pytest.mark.parametrize(("name", "event"), WRONG.values(), ids=WRONG)
def test_an_event_that_breaks_its_definition_is_refused(
    operator: Operator, receiver: SsfReceiver, name: str, event: dict[str, Any]
) -> None:
    """§2, §3: with a pointer to what is wrong; nothing is sent."""
    stream = receiver.create_stream(events_requested=[CAEP + name])
    body = {"event_type": CAEP + name, "subject": EVENTS[name][0], "event": event}
    answer = operator.call("POST", "/security_events", body)
    assert answer.status == 400
    assert all(error["source"]["pointer"].startswith("/event") for error in answer.json["errors"]), answer
    operator.send(CAEP + name, {**EVENTS[name][1], **COMMON}, EVENTS[name][0])
    assert len(receiver.events(stream, 1)) == 1


def test_a_level_change_is_a_caep_event_on_a_receivers_stream(
    operator: Operator, receiver: SsfReceiver, oracle: Oracle
) -> None:
    """§3.8: from a finding to risk-level-change; a user without a level counts as LOW."""
    operator.enable_behaviors()
    requested = {"events_requested": [CAEP + "risk-level-change"]}
    stream = PushStream(receiver, oracle, configuration=requested)
    finding = {"behavior": "high_dlp", "user": {"email": "mo@example.com"}}
    (change,) = operator.result("POST", "/findings", finding)["changes"]
    operator.result("POST", f"/{change['user_id']}/reset")
    up, down = stream.events(2)
    assert up["sub_id"] == down["sub_id"] == {"format": "email", "email": "mo@example.com"}
    event_type, event = only_event(up)
    assert event_type == CAEP + "risk-level-change"
    assert (event["principal"], event["previous_level"], event["current_level"]) == ("USER", "LOW", "HIGH")
    assert event["risk_reason"]
    assert event["initiating_entity"] == "policy"
    assert isinstance(event["event_timestamp"], int)
    reset = only_event(down)[1]
    assert (reset["previous_level"], reset["current_level"], reset["initiating_entity"]) == ("HIGH", "LOW", "admin")
