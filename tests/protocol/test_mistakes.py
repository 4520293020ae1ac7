"""Mistakes are answered by name: the specification's code, and a sentence that says what to do."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.bench.processes import free_port
from support.certificates import Authority
from support.json_lines import json_lines
from support.service import Process
from support.ssf_operator import TENANT, Operator
from support.ssf_receiver import CAEP, PUSH, SsfReceiver

REVOKED = CAEP + "session-revoked"
AUTHORIZATION = "Bearer what the receiver expects"
PATH = "/security/api/v1/security-events"


class VerifyingReceiver:
    """The receiver library behind https, in a process of its own."""

    def __init__(self, directory: Path, authority: Authority, well_known_url: str, audience: str) -> None:
        port = free_port()
        self.endpoint_url = f"https://127.0.0.1:{port}{PATH}"
        self._log = directory / "events.ndjson"
        files = authority.files("127.0.0.1")
        tls = ["--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key)]
        told = {
            "SSL_CERT_FILE": str(authority.path),
            "RECEIVER_LOG": str(self._log),
            "RECEIVER_WELL_KNOWN": well_known_url,
            "RECEIVER_AUDIENCE": audience,
            "RECEIVER_AUTHORIZATION": AUTHORIZATION,
        }
        served = [
            "--factory",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "support.verifying_receiver:app",
        ]
        self._process = Process(["-m", "uvicorn", *tls, *served], port, told, directory / "receiver.log")

    def stop(self) -> None:
        self._process.stop()

    def events(self) -> list[dict[str, Any]]:
        """What was verified and handed over."""
        return json_lines(self._log)


def first_attempt(operator: Operator, receiver: SsfReceiver) -> dict[str, Any]:
    """What the operator sees of the first push to a receiver: the verification that comes unasked."""
    integration_id = receiver.well_known_url.rpartition("/")[2]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for row in operator.result("GET", f"/integrations/{integration_id}/deliveries"):
            if row["attempts"]:
                attempt: dict[str, Any] = row["attempts"][0]
                return attempt
        time.sleep(0.05)
    raise AssertionError("nothing was tried")


@pytest.fixture
def stranger(operator: Operator) -> SsfReceiver:
    """The receiver of another integration, which has another issuer."""
    return operator.new_receiver()


@pytest.mark.parametrize(
    ("mistake", "reason", "says"),
    [
        ("", "accepted", ""),
        ("audience", "invalid_audience", "aud must be or contain https://other.example.com"),
        ("issuer", "invalid_issuer", "iss must be"),
        ("authorization", "authentication_failed", "the Authorization header is missing or wrong"),
    ],
)
def test_what_a_receiver_refuses_is_named_to_the_operator(
    operator: Operator,
    receiver: SsfReceiver,
    stranger: SsfReceiver,
    authority: Authority,
    tmp_path: Path,
    mistake: str,
    reason: str,
    says: str,
) -> None:
    """RFC 8935 §2.4: a wrong aud, a wrong iss, a wrong header; what is right is verified and handed over."""
    expected = stranger if mistake == "issuer" else receiver
    audience = "https://other.example.com" if mistake == "audience" else TENANT
    verifying = VerifyingReceiver(tmp_path, authority, expected.well_known_url, audience)
    try:
        delivery = {"method": PUSH, "endpoint_url": verifying.endpoint_url, "authorization_header": AUTHORIZATION}
        if mistake == "authorization":
            del delivery["authorization_header"]
        receiver.create_stream(delivery=delivery)
        attempt = first_attempt(operator, receiver)
        assert attempt["reason"] == reason, attempt
        assert says in attempt["detail"]
        assert len(verifying.events()) == (0 if mistake else 1)
    finally:
        verifying.stop()


@pytest.fixture
def stream(receiver: SsfReceiver) -> Iterator[dict[str, Any]]:
    """A polled stream that is as it was afterwards."""
    stream = receiver.create_stream(events_requested=[REVOKED])
    yield stream
    assert receiver.call("GET", "configuration_endpoint").json == [stream]


def test_a_wrong_aud_is_named_to_the_receiver(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """SSF 1.0 §8.1.1.3: 400, what is wrong, and what it is now."""
    body = {"stream_id": stream["stream_id"], "aud": "https://other.example.com"}
    answer = receiver.call("PATCH", "configuration_endpoint", body)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert answer.json["error_description"].startswith("aud: ")
    assert TENANT in answer.json["error_description"]


def test_a_sub_claim_is_named_to_the_account(operator: Operator) -> None:
    """SSF 1.0 §4.1.2: whoever names the subject as a JWT would is told how it is named here."""
    body = {"event_type": REVOKED, "sub": "kai@example.com", "event": {"reason_admin": {"en": "A test"}}}
    answer = operator.call("POST", "/security_events", body)
    assert answer.status == 400
    assert [error["source"]["pointer"] for error in answer.json["errors"]] == ["/subject"]
    wrong = operator.call("POST", "/security_events", {**body, "subject": {"sub": "kai@example.com"}})
    assert [error["source"]["pointer"] for error in wrong.json["errors"]] == ["/subject/format"]
    assert "email" in wrong.json["errors"][0]["message"]


def test_an_expired_token_is_named_to_the_receiver(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """RFC 6750 §3.1: 401 invalid_token, and where to get another."""
    integration_id = receiver.well_known_url.rpartition("/")[2]
    issued = operator.issue_expired(integration_id)
    answer = receiver.call("GET", "configuration_endpoint", token=issued["token"])
    assert (answer.status, answer.json["error"]) == (401, "invalid_token")
    assert "expired" in answer.json["error_description"]
    assert "token endpoint" in answer.json["error_description"]
    assert "resource_metadata=" in answer.headers["www-authenticate"]


def test_an_unknown_stream_is_named_to_the_receiver(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """SSF 1.0 §8.1.1: 404, and what to check."""
    answer = receiver.call("GET", "configuration_endpoint", stream_id=str(uuid.uuid4()))
    assert (answer.status, answer.json["error"]) == (404, "not_found")
    assert "check the id" in answer.json["error_description"]
