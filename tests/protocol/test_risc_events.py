"""RISC 1.0: each event type, and whom it can be about."""

from typing import Any

import pytest

from support.ssf_operator import KAI, Operator
from support.ssf_receiver import RISC, SsfReceiver, only_event

ACCOUNT = {"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "7375626A656374"}
PHONE = {"format": "phone_number", "phone_number": "+12065550100"}

# By event type: a subject and an event. RISC 1.0 §2.1 to §2.11.
EVENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "account-credential-change-required": (ACCOUNT, {}),
    "account-purged": (ACCOUNT, {}),
    "account-disabled": (ACCOUNT, {"reason": "hijacking"}),
    "account-enabled": (ACCOUNT, {}),
    "identifier-changed": (KAI, {"new-value": "kai.roe@example.com"}),
    "identifier-recycled": (KAI, {}),
    "credential-compromise": (ACCOUNT, {"credential_type": "password"}),
    "opt-in": (ACCOUNT, {}),
    "opt-out-initiated": (ACCOUNT, {}),
    "opt-out-cancelled": (ACCOUNT, {}),
    "opt-out-effective": (ACCOUNT, {}),
    "recovery-activated": (ACCOUNT, {}),
    "recovery-information-changed": (ACCOUNT, {}),
    "sessions-revoked": (ACCOUNT, {}),
}


def test_every_event_type_arrives_as_it_was_given(operator: Operator, receiver: SsfReceiver) -> None:
    """§2, RFC 8417 §2: all of RISC is supported; an event without attributes is an empty object."""
    stream = receiver.create_stream(events_requested=[RISC + name for name in EVENTS])
    assert stream["events_delivered"] == stream["events_requested"]
    for name, (subject, event) in EVENTS.items():
        operator.send(RISC + name, event, subject)
    got = receiver.events(stream, len(EVENTS))
    assert [(*only_event(claims), claims["sub_id"]) for claims in got] == [
        (RISC + name, event, subject) for name, (subject, event) in EVENTS.items()
    ]


@pytest.mark.parametrize("name", ["identifier-changed", "identifier-recycled"])
def test_the_subject_of_an_identifier_event_is_an_email_or_a_phone_number(operator: Operator, name: str) -> None:
    """§2.5, §2.6."""
    body = {"event_type": RISC + name, "event": {}}
    for own in (KAI, PHONE):
        assert operator.call("POST", "/security_events", {**body, "subject": own}).status == 200
    others: list[Any] = [ACCOUNT, {"format": "complex", "user": KAI}]
    for other in others:
        refused = operator.call("POST", "/security_events", {**body, "subject": other})
        assert refused.status == 400
        assert all(error["source"]["pointer"].startswith("/subject") for error in refused.json["errors"])


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("credential-compromise", {}),
        ("credential-compromise", {"credential_type": "mood ring"}),
        ("credential-compromise", {"credential_type": 7}),
        ("account-disabled", {"reason": "boredom"}),
        ("identifier-changed", {"new-value": 7}),
    ],
)
def test_an_event_that_breaks_its_definition_is_refused(operator: Operator, name: str, event: dict[str, Any]) -> None:
    """§2.3, §2.5, §2.7."""
    body = {"event_type": RISC + name, "subject": EVENTS[name][0], "event": event}
    refused = operator.call("POST", "/security_events", body)
    assert refused.status == 400
    assert all(error["source"]["pointer"].startswith("/event") for error in refused.json["errors"])
