"""Security events on request, over HTTP, against a running service."""

import json
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from riskrelay.core.errors import FaultKind
from riskrelay.core.ssf.event_type import CAEP, OKTA_USER_RISK_CHANGE, VERIFICATION, EventType
from riskrelay.core.ssf.event_types import EVENT_TYPES, OF_STREAMS
from riskrelay.web.account_api.problem_table import FAULTS
from support.contract import DOCUMENT
from support.event_examples import full_example, minimal_example
from support.service import Service
from support.specifications import documents

EMAIL = {"format": "email", "email": "kai@example.com"}
OKTA = {"current_level": "high", "previous_level": "low", "event_timestamp": 1_773_735_243, "reason_user": {"en": "x"}}
OKTA_BODY = {"event_type": OKTA_USER_RISK_CHANGE, "subject": EMAIL, "event": OKTA}


def faults(service: Service, body: Any) -> list[tuple[str, int]]:
    status, envelope = service.call("POST", "/security_events", body)
    assert status == 400
    return [(error["source"]["pointer"], error["code"]) for error in envelope["errors"]]


@pytest.mark.parametrize(
    "row", [row for row in EVENT_TYPES.values() if row.uri not in OF_STREAMS], ids=lambda row: row.name
)
def test_every_type_of_the_table_is_taken(service: Service, row: EventType) -> None:
    """The least event and the full one; without a stream there is nothing to deliver."""
    for event in (minimal_example(row), full_example(row)):
        body = {"event_type": row.uri, "subject": row.subject_example, "event": event}
        if row.subject_in_event:
            body["event"] = {name: value for name, value in event.items() if name != "subject"}
        assert service.result("POST", "/security_events", body)["deliveries"] == []


def test_the_contract_lists_the_types_of_the_table() -> None:
    """The contract lists all event types except SSF's own two, in the order of the table."""
    listed = DOCUMENT["components"]["schemas"]["SecurityEvent"]["properties"]["event_type"]["enum"]
    assert listed == [uri for uri in EVENT_TYPES if uri not in OF_STREAMS]


def test_it_is_queued_for_the_integrations_that_take_it(service: Service) -> None:
    """The answer names each delivery; the txn is the caller's."""
    first, second = (service.create_integration(f"https://{name}.example.com")["id"] for name in ("one", "two"))
    result = service.result("POST", "/security_events", {**OKTA_BODY, "txn": "incident-17"})
    assert result["txn"] == "incident-17"
    assert {delivery["integration_id"] for delivery in result["deliveries"]} == {first, second}
    for delivery in result["deliveries"]:
        (listed,) = service.result("GET", f"/integrations/{delivery['integration_id']}/deliveries")
        assert listed["jti"] == delivery["jti"]


def test_an_id_makes_a_repeat_harmless(service: Service) -> None:
    """Same body: same jtis, whatever the order of its members. Another body: refused, at /id."""
    service.create_integration("https://one.example.com")
    body = {**OKTA_BODY, "id": "incident-17"}
    first = service.result("POST", "/security_events", body)
    assert service.result("POST", "/security_events", dict(reversed(body.items()))) == first
    other = {**body, "event": {**OKTA, "previous_level": "none"}}
    assert faults(service, other) == [("/id", 1120)]


def test_all_faults_come_at_once(service: Service) -> None:
    """Those of the form and those by the table, each with its pointer."""
    body = {
        "event_type": CAEP + "credential-change",
        "subject": {"format": "email", "email": "kai", "x": 1},
        "event": {"credential_type": 7, "change_type": "rename", "reason_adm": {}},
        "txn": "",
        "id": 17,
    }
    assert faults(service, body) == [
        ("/txn", 1103),
        ("/id", 1102),
        ("/subject/email", 1103),
        ("/subject/x", 1103),
        ("/event/credential_type", 1102),
        ("/event/change_type", 1103),
        ("/event/reason_admin", 1101),
        ("/event/reason_adm", 1103),
    ]


@pytest.mark.parametrize("name", documents("bad/requests"))
def test_each_bad_document_gets_its_faults(service: Service, name: str) -> None:
    """Those that it names, at their places, and no other."""
    bad = documents("bad/requests")[name]
    expected = [(fault["pointer"], FAULTS[FaultKind(fault["kind"])].code) for fault in bad["faults"]]
    assert faults(service, bad["body"]) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/event_type", 1101), ("/subject", 1101), ("/event", 1101)]),
        ([], [("", 1101)]),
        ([OKTA_BODY, {}], [("/1/event_type", 1101), ("/1/subject", 1101), ("/1/event", 1101)]),
        ([[OKTA_BODY]], [("/0", 1102)]),
        (
            [{**OKTA_BODY, "id": 7}, {**OKTA_BODY, "event": {**OKTA, "current_level": 1}}],
            [("/0/id", 1102), ("/1/event/current_level", 1102)],
        ),
        ({**OKTA_BODY, "event_type": "session-revoked"}, [("/event_type", 1103)]),
        ({**OKTA_BODY, "event_type": None}, [("/event_type", 1102)]),
        ({**OKTA_BODY, "event_type": VERIFICATION, "event": {}}, [("/event_type", 1103)]),
        ({**OKTA_BODY, "subject": "kai@example.com"}, [("/subject", 1102)]),
        ({**OKTA_BODY, "event": []}, [("/event", 1102)]),
        ({**OKTA_BODY, "event": {**OKTA, "urn:x": 10**30}}, [("/event/urn:x", 1110)]),
        ({**OKTA_BODY, "event": {**OKTA, "urn:x": "\ud800"}}, [("/event/urn:x", 1110)]),
        ({**OKTA_BODY, "id": "a\0b"}, [("/id", 1103)]),
        (
            {**OKTA_BODY, "event": {**OKTA, "subject": {"user": {**EMAIL, "email": "lea@example.com"}}}},
            [("/event/subject", 1103)],
        ),
        ({**OKTA_BODY, "event": {**OKTA, "urn:x": "x" * 40_000}}, [("/event", 1104)]),
    ],
)
def test_one_way_to_be_wrong(service: Service, body: Any, expected: list[tuple[str, int]]) -> None:
    """Nothing of it is queued."""
    made = service.create_integration("https://one.example.com")
    assert faults(service, body) == expected
    assert service.result("GET", f"/integrations/{made['id']}/deliveries") == []


def test_many_are_sent_in_one_request(service: Service) -> None:
    """As an array or NDJSON, each is answered in its place; a repeat of the whole request queues nothing."""
    made = service.create_integration("https://one.example.com")
    bodies = [{**OKTA_BODY, "id": f"incident-{number}", "txn": f"t-{number}"} for number in range(3)]
    events = service.result("POST", "/security_events", bodies)["events"]
    assert [event["txn"] for event in events] == ["t-0", "t-1", "t-2"]
    lines = b"\n".join(json.dumps(body).encode() for body in bodies)
    status, envelope = service.call("POST", "/security_events", lines, **{"Content-Type": "application/x-ndjson"})
    assert status == 200
    assert envelope["result"]["events"] == events
    listed = service.result("GET", f"/integrations/{made['id']}/deliveries")
    assert {row["jti"] for row in listed} == {event["deliveries"][0]["jti"] for event in events}


def test_a_reused_id_in_an_array_is_named(service: Service) -> None:
    """Its place is in the pointer, and nothing of the request is queued."""
    made = service.create_integration("https://one.example.com")
    service.result("POST", "/security_events", {**OKTA_BODY, "id": "incident-17"})
    other = {**OKTA_BODY, "id": "incident-17", "txn": "t"}
    assert faults(service, [OKTA_BODY, other]) == [("/1/id", 1120)]
    assert len(service.result("GET", f"/integrations/{made['id']}/deliveries")) == 1


def test_a_request_has_at_most_1000_events(service: Service) -> None:
    """And no more bytes than a single object."""
    assert faults(service, [OKTA_BODY] * 1_001) == [("", 1104)]
    assert service.call("POST", "/security_events", [{**OKTA_BODY, "x": "x" * 2_000}] * 600)[0] == 413


def test_a_misspelled_member_in_an_array_is_noted(service: Service) -> None:
    """It is ignored, and named with its place."""
    _, envelope = service.call("POST", "/security_events", [OKTA_BODY, {**OKTA_BODY, "tnx": "t"}])
    assert [note["source"]["pointer"] for note in envelope["messages"]] == ["/1/tnx"]


def test_it_needs_the_scope_write(service: Service) -> None:
    """Whoever may only record findings cannot send an event of his choice."""
    token = service.new_token(service.account_id, Scope.READ, Scope.INGEST)
    status, _ = service.call("POST", "/security_events", OKTA_BODY, Authorization=f"Bearer {token}")
    assert status == 403
