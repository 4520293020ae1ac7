"""What a body must not be, for every operation that takes one, against a running service."""

import gzip
import json
from typing import Any

import pytest

from support.contract import ACCOUNT_PREFIX, DOCUMENT, examples, filled, operations
from support.service import Service
from support.wire import Answer, exchange, request

TAKING_JSON = [
    pytest.param(
        path, method.upper(), operation["requestBody"]["content"]["application/json"], id=operation["operationId"]
    )
    for path, method, operation in operations()
    if path.startswith(ACCOUNT_PREFIX) and "application/json" in operation.get("requestBody", {}).get("content", {})
]
"""But for events of sources, which have any form: tests/contract/api/test_sources.py."""
WITHOUT_BODY = [
    pytest.param(path, method.upper(), id=operation["operationId"])
    for path, method, operation in operations()
    if path.startswith(ACCOUNT_PREFIX) and "requestBody" not in operation and "{secret}" not in path
]
CREATE = f"{ACCOUNT_PREFIX}/integrations"
FINDINGS = f"{ACCOUNT_PREFIX}/findings"
SOUND = {"integration_type": "Okta", "tenant_url": "https://example.com"}
MIB = 1024 * 1024


def port_of(service: Service) -> int:
    return int(service.settings["RISKRELAY_PORT"])


def send(service: Service, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send a body to a path of the contract, with the account's token, as JSON unless *headers* say otherwise."""
    known = {"account_id": service.account_id}
    if "{integration_id}" in path:
        known["integration_id"] = service.create_integration("https://example.com")["id"]
    given = {"Authorization": f"Bearer {service.token}", "Content_Type": "application/json", **headers}
    answer = exchange(port_of(service), request(method, filled(path, **known), body, **given))
    assert answer is not None
    return answer


@pytest.mark.parametrize(("path", "method", "content"), TAKING_JSON)
def test_no_json_is_a_400_everywhere(service: Service, path: str, method: str, content: dict[str, Any]) -> None:
    """Contract 3: empty, broken off, not UTF-8, a BOM, NaN, another type, too deep: never a 500, nothing is done."""
    example = json.dumps(examples(content)[0]).encode()
    bodies = [b"", b" ", example[:-1], b"\xff" + example, b"\xef\xbb\xbf" + example, b"NaN", b"17", b'"x"', b"null"]
    bodies += [
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        example + example,
        b"\0",
        b'{"\\ud800": "\\u0000"}',
    ]
    optional = DOCUMENT["paths"][path][method.lower()]["requestBody"].get("required") is False
    for body in bodies:
        if optional and not body.strip():
            continue
        assert send(service, method, path, body).status == 400, body[:50]


@pytest.mark.parametrize(("path", "method", "content"), TAKING_JSON)
def test_a_duplicate_member_is_refused_everywhere(
    service: Service, path: str, method: str, content: dict[str, Any]
) -> None:
    """Contract 3: whatever the member is, known or not, also deep in the body."""
    example = next(example for example in examples(content) if isinstance(example, dict))
    name = next(iter(example))
    twice = f'{{"{name}": 1, "strange": {{"b": 1, "b": 2}}, {json.dumps(example)[1:]}'
    answer = send(service, method, path, twice.encode())
    assert answer.status == 400
    repeated = [error["source"]["pointer"] for error in answer.envelope["errors"] if error["code"] == 1109]
    assert repeated == [f"/{name}", "/strange/b"]


@pytest.mark.parametrize(("path", "method", "content"), TAKING_JSON)
def test_other_media_types_and_compressed_bodies_are_a_415(
    service: Service, path: str, method: str, content: dict[str, Any]
) -> None:
    """Contract 1: in the envelope, with the code that says what to send."""
    example = json.dumps(examples(content)[0]).encode()
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "", "json", "application/jsonx"):
        answer = send(service, method, path, example, Content_Type=kind)
        assert (answer.status, answer.codes) == (415, {1005}), kind
    is_batch = path.endswith(("/findings", "/activity", "/directory", "/security_events"))
    coding, packed = ("br", example) if is_batch else ("gzip", gzip.compress(example))
    answer = send(service, method, path, packed, Content_Encoding=coding)
    assert (answer.status, answer.codes) == (415, {1005})


@pytest.mark.parametrize(("path", "method", "content"), TAKING_JSON)
def test_a_body_that_is_too_large_is_a_413(service: Service, path: str, method: str, content: dict[str, Any]) -> None:
    """Contract 1: an object beyond 1 MiB, with a declared length or in chunks; also one that is said to be enormous."""
    padded = json.dumps({"padding": "x" * MIB}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (padded[:MIB], padded[MIB:])) + b"0\r\n\r\n"
    assert send(service, method, path, padded).status == 413
    answer = send(service, method, path, chunks, Transfer_Encoding="chunked")
    assert (answer.status, answer.codes) == (413, {1004})
    assert send(service, method, path, b"{", Content_Length=str(10**12)).status == 413


@pytest.mark.parametrize(("path", "method"), WITHOUT_BODY)
def test_a_body_where_none_is_taken_changes_nothing(service: Service, path: str, method: str) -> None:
    """Contract 17: `Content-Type: application/json` with an empty body is normal, and so is what some clients add."""
    plain = send(service, method, path)
    for body in (b"{}", b"null", b"{", b"\xff" * 100):
        assert send(service, method, path, body).status == plain.status
    needs_parameters = (method, path.rpartition("/")[2]) == ("DELETE", "directory")
    assert plain.status in ((400,) if needs_parameters else (200, 404))


def test_every_fault_of_a_body_is_reported_at_once(service: Service) -> None:
    """Contract 3: what is wrong with it as JSON and what is wrong with its members, each with its own pointer."""
    body = (
        b'{"integration_type": "okta", "tenant_url": "not a url", "reference_id": "a\\u0007", "active": 1e999,'
        b' "x": {"y": 1, "y": 2}, "z": "\\ud800"}'
    )
    answer = send(service, "POST", CREATE, body)
    assert answer.status == 400
    pointers = {"/integration_type", "/tenant_url", "/reference_id", "/active", "/x/y", "/z"}
    assert set(answer.pointers) == pointers
    assert len(answer.pointers) == len(pointers)


@pytest.mark.parametrize("name", ["tenant_url", "reference_id"])
def test_texts_that_cannot_be_stored_are_refused(service: Service, name: str) -> None:
    """Contract 3: NUL, control characters, half a surrogate pair; a whole pair is fine."""
    for bad in ("\\u0000", "\\u001f", "\\u007f", "\\ud83d", "\\ude00"):
        members = {**SOUND, name: "https://example.com/BAD"}
        body = json.dumps(members).replace("BAD", bad).encode()
        answer = send(service, "POST", CREATE, body)
        assert (answer.status, answer.pointers) == (400, [f"/{name}"]), bad
    body = json.dumps({**SOUND, "reference_id": "PAIR"}).replace("PAIR", "\\ud83d\\ude00").encode()
    assert send(service, "POST", CREATE, body).envelope["result"]["reference_id"] == "😀"


def test_numbers_that_cannot_be_held_are_refused(service: Service) -> None:
    """Contract 3: in details too, which are stored as they are; the largest that can be held come back."""
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}, "details": {"n": "N"}}
    for number in ("1e999", "-1e999", "1" + "0" * 400, str(2**63), "9" * 100_000):
        body = json.dumps(finding).replace('"N"', number).encode()
        answer = send(service, "POST", FINDINGS, body)
        assert (answer.status, answer.pointers) == (400, ["/details/n"]), number[:50]
    service.enable_behaviors()
    body = json.dumps({**finding, "details": {"n": [2**63 - 1, 1e308, -0.0]}}).encode()
    (change,) = send(service, "POST", FINDINGS, body).envelope["result"]["changes"]
    (event,) = service.result("GET", f"/{change['user_id']}")["events"]
    assert event["event_details"] == {"n": [2**63 - 1, 1e308, -0.0]}


def test_a_batch_is_bounded_in_values_and_in_size(service: Service) -> None:
    """A batch may have 32 MiB and a million values; NDJSON and an array alike."""
    small = b'{"behavior":"high_dlp","user":{"email":"a@b.c"},"details":{"a":[' + b"[]," * 5_000 + b"0]}}"
    for body, kind in ((b"\n".join([small] * 300), "application/x-ndjson"), (b"[%s]" % b",".join([small] * 300), None)):
        answer = send(service, "POST", FINDINGS, body, Content_Type=kind or "application/json")
        assert (answer.status, answer.codes, answer.pointers) == (400, {1104}, [""])
    for kind in ("application/x-ndjson", "application/json"):
        answer = send(service, "POST", FINDINGS, b" " * (32 * MIB + 1), Content_Type=kind)
        assert (answer.status, answer.codes) == (413, {1004})


def test_a_body_that_breaks_off_is_a_400(service: Service) -> None:
    """With a length, in chunks, and with broken chunks: nothing of it is done, although what came is whole JSON."""
    path = filled(CREATE, account_id=service.account_id)
    whole = json.dumps(SOUND).encode()
    given = {"Authorization": f"Bearer {service.token}", "Content_Type": "application/json"}
    short = request("POST", path, whole, **given, Content_Length=str(len(whole) + 5))
    chunk = b"%x\r\n%s\r\n" % (len(whole), whole)
    for raw in (
        short,
        request("POST", path, chunk, **given, Transfer_Encoding="chunked"),
        request("POST", path, chunk + b"zz\r\n", **given, Transfer_Encoding="chunked"),
    ):
        answer = exchange(port_of(service), raw, end=True)
        assert answer is not None
        assert (answer.status, answer.codes) == (400, {1100})
    assert service.result("GET", "/integrations") == []
