"""Bodies made to cost more than they are: bounded in what is read, stored and answered."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from riskrelay.core.errors import MAX_FAULTS
from riskrelay.core.risk.findings import MAX_DETAILS_BYTES
from support.ledger_checks import Responses, check_ledger
from support.service import Service, running

FINDING = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
NDJSON = "application/x-ndjson"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module, so that its ledger has only the events of these tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def send(
    service: Service, body: Any, content_type: str = "application/json", path: str = "/findings"
) -> tuple[int, dict[str, Any]]:
    return service.call("POST", path, body, **{"Content-Type": content_type})


def places(envelope: dict[str, Any]) -> list[str]:
    return [error["source"]["pointer"] for error in envelope["errors"]]


def details_of(size: int, character: str = "x") -> dict[str, str]:
    """Details that have *size* bytes as compact JSON."""
    room = size - len('{"a":""}')
    return {"a": character * (room // len(character.encode()))}


@pytest.mark.fault(47)
def test_details_have_at_most_64_kib(service: Service) -> None:
    """Alone, in an array and in NDJSON; counted in bytes of compact JSON, so that white space is free."""
    service.enable_behaviors()
    largest = {**FINDING, "id": "largest", "details": details_of(MAX_DETAILS_BYTES)}
    assert send(service, json.dumps(largest, indent=400).encode())[1]["result"]["accepted"] == 1
    assert send(service, [{**largest, "id": "in-an-array"}])[1]["result"]["accepted"] == 1
    for details in (
        details_of(MAX_DETAILS_BYTES + 1),
        details_of(MAX_DETAILS_BYTES + 2, "é"),
        {"a": ["x" * 100] * 640},
        {"x" * MAX_DETAILS_BYTES: None},
    ):
        finding = {**FINDING, "details": details}
        status, envelope = send(service, finding)
        assert (status, places(envelope)) == (400, ["/details"])
        assert envelope["errors"][0]["message"].startswith("details: must not have more than 65,536 bytes")
        assert places(send(service, [FINDING, finding])[1]) == ["/1/details"]
        assert places(send(service, json.dumps(finding).encode(), NDJSON)[1]) == ["/0/details"]
    check_ledger(service, None, Responses({"largest", "in-an-array"}), at_most_copies=0)


@pytest.mark.fault(47)
def test_an_item_of_a_batch_is_no_larger_than_an_object_alone(service: Service) -> None:
    """1 MiB, also of members that are ignored."""
    large = json.dumps({**FINDING, "more": "x" * MIB}).encode()
    for body, kind in ((b"[%s]" % large, "application/json"), (large + b"\n", NDJSON)):
        status, envelope = send(service, body, kind)
        assert (status, places(envelope)) == (400, ["/0"])
        assert envelope["errors"][0]["message"].startswith("item 0: must not have more than 1,048,576 bytes")
    check_ledger(service, None, Responses(set()), at_most_copies=0)


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("body", "kind", "more"),
    [
        (b'{"behavior":"x","user":1,"details":{%s}}', "application/json", 1),
        (b"[" + b",".join([b'{"behavior":"x","user":1,"details":{%s}}'] * 20) + b"]", "application/json", 20),
        (b"\n".join([b'{"behavior":"x","user":1,"details":{%s}}'] * 20), NDJSON, 20),
    ],
)
def test_an_answer_names_a_hundred_faults_and_counts_the_others(
    service: Service, body: bytes, kind: str, more: int
) -> None:
    """Contract 3 within bounds; whatever the names in the body, the answer is small."""
    members = b",".join(b'"%s%d":1e999' % (b"n" * 50, place) for place in range(400))
    status, envelope = send(service, body.replace(b"%s", members), kind)
    assert status == 400
    assert len(envelope["errors"]) == MAX_FAULTS + 1
    last = envelope["errors"][-1]
    assert (last["code"], last["message"]) == (1119, f"… and {more * 402 - MAX_FAULTS:,} more faults")
    assert len(json.dumps(envelope)) < 100_000
    check_ledger(service, None, Responses(set()), at_most_copies=0)


@pytest.mark.fault(47)
@pytest.mark.parametrize("path", ["/findings", "/activity"])
def test_lines_are_counted_before_they_are_read(service: Service, path: str) -> None:
    """32 MiB of newlines; blank lines between findings are fine, as many as there are findings."""
    for blank in (b"\n", b"\r\n", b" \n"):
        status, envelope = send(service, blank * (32 * MIB // len(blank)), NDJSON, path)
        assert (status, places(envelope)) == (400, [""])
        assert "20,000 lines" in envelope["errors"][0]["message"]
    status, envelope = send(service, b"\n" * 20_000, NDJSON, path)
    assert "it has 0" in envelope["errors"][0]["message"]
    check_ledger(service, None, Responses(set()), at_most_copies=0)


def test_blank_lines_do_not_count(service: Service) -> None:
    """Also with carriage returns, at the beginning and at the end."""
    line = json.dumps(FINDING).encode()
    status, envelope = send(service, b"\n\r\n" + b"\r\n\r\n".join([line] * 3) + b"\n\n", NDJSON)
    assert (status, envelope["result"]["ignored"]) == (200, 3)


@pytest.mark.parametrize("kind", ["ndjson", "jsonl", "x-jsonlines", "JSONLines", "x-ndjson;charset=utf-8"])
def test_ndjson_has_many_names(service: Service, kind: str) -> None:
    """None of them is registered; each is in use."""
    line = json.dumps(FINDING).encode()
    status, envelope = send(service, line + b"\n" + line, f"application/{kind}")
    assert (status, envelope["result"]["ignored"]) == (200, 2)


@pytest.mark.parametrize("text", ["0", "1764000000", "-1", "2026-11-29", "2026-03-17T08:00Z", "yesterday"])
def test_a_timestamp_is_rfc_3339_everywhere(service: Service, text: str) -> None:
    """Of findings, of activity, of a token and of a receiver's credential."""
    integration = service.create_integration("https://example.com")["id"]
    login = {"user": FINDING["user"], "latitude": 1, "longitude": 1, "timestamp": text}
    for path, member, body in (
        ("/findings", "timestamp", {**FINDING, "timestamp": text}),
        ("/activity", "timestamp", login),
        (f"/integrations/{integration}/credentials", "expires_at", {"kind": "static_token", "expires_at": text}),
        (
            f"/integrations/{integration}/deliveries/replay",
            "filter/queued_from",
            {"filter": {"state": "dead", "queued_from": text}},
        ),
    ):
        status, envelope = send(service, body, path=path)
        assert (status, places(envelope)) == (400, [f"/{member}"]), envelope
        assert envelope["errors"][0]["message"].startswith(f"{member.replace('/', '.')}: must be a ")


def test_a_finding_lies_at_most_five_minutes_in_the_future(service: Service) -> None:
    """As activity does; a batch with one that does not is refused."""
    service.enable_behaviors()
    now = datetime.now(UTC)

    def at(minutes: float) -> dict[str, Any]:
        return {**FINDING, "timestamp": (now + timedelta(minutes=minutes)).isoformat()}

    assert send(service, at(4.5))[0] == 200
    assert send(service, {**FINDING, "timestamp": "1999-12-31T23:59:59Z"})[0] == 200
    for wrong in (at(6), {**FINDING, "timestamp": "2040-01-01T00:00:00Z"}):
        status, envelope = send(service, wrong)
        assert (status, places(envelope)) == (400, ["/timestamp"])
        assert envelope["errors"][0]["message"].startswith("timestamp: must not be more than 5 minutes in the future")
        assert places(send(service, [at(0), wrong])[1]) == ["/1/timestamp"]
    (user,) = service.result("GET", "/summary")["users"]
    assert user["event_count"] == 2


def test_members_that_are_not_known_are_named(service: Service) -> None:
    """A finding is accepted, and `messages` says which of its members were ignored; a sound one has no message."""
    misspelled = {**FINDING, "detail": {"hits": 17}, "occured_at": "2026-03-17T08:00:00Z"}
    status, envelope = send(service, misspelled)
    assert status == 200
    notes = envelope["messages"]
    assert [set(note) for note in notes] == [{"code", "message", "documentation_url", "source"}] * 2
    assert [(note["code"], note["source"]["pointer"]) for note in notes] == [(1200, "/detail"), (1200, "/occured_at")]
    assert notes[0]["message"] == "detail: is an unknown member and was ignored; did you mean details?"
    assert notes[1]["message"].endswith("did you mean timestamp?")
    status, envelope = send(service, [FINDING, misspelled])
    assert [note["source"]["pointer"] for note in envelope["messages"]] == ["/1/detail", "/1/occured_at"]
    lines = b"\n".join([json.dumps(misspelled).encode()] * 100)
    messages = send(service, lines, NDJSON)[1]["messages"]
    assert (len(messages), messages[-1]["message"]) == (101, "… and 100 more unknown members")
    assert send(service, FINDING)[1]["messages"] == []


def test_notes_are_on_activity_and_security_events_too(service: Service) -> None:
    """In our own form of activity; an event of OCSF has members that nothing here reads."""
    now = datetime.now(UTC)
    login = {"user": FINDING["user"], "latitude": 1, "longitude": 1, "timestamp": now.isoformat(), "aplication": "Mail"}
    (note,) = send(service, login, path="/activity")[1]["messages"]
    assert note["message"].endswith("did you mean application?")
    ocsf = {"class_uid": 3002, "activity_id": 1, "time": int(now.timestamp() * 1000), "raw_data": "x"}
    assert send(service, ocsf, path="/activity")[1]["messages"] == []
    event = {
        "event_type": "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
        "subject": {"format": "email", "email": "kai@example.com"},
        "event": {"reason_admin": {"en": "A test"}},
        "tnx": "17",
    }
    (note,) = send(service, event, path="/security_events")[1]["messages"]
    assert note["message"] == "tnx: is an unknown member and was ignored; did you mean txn?"
