"""What the specifications show a receiver sending, and one bad request per way to be wrong, at a running service."""

import re
from typing import Any

import pytest

from riskrelay.core.errors import member_name
from support.specifications import documents
from support.ssf_receiver import Answer, SsfReceiver

STREAM = "STREAM"
"""Stands in a document for the id of a stream that the test has made."""

# By the word in the document's name: how the request is sent, and the status of success.
REQUESTS = {
    "create": ("POST", "configuration_endpoint", 201),
    "update": ("PATCH", "configuration_endpoint", 200),
    "replace": ("PUT", "configuration_endpoint", 200),
    "status": ("POST", "status_endpoint", 200),
    "add": ("POST", "add_subject_endpoint", 200),
    "remove": ("POST", "remove_subject_endpoint", 204),
    "verify": ("POST", "verification_endpoint", 204),
    "poll": ("POST", "", 200),
}
RECEIVERS_OWN = ("delivery", "events_requested", "description")


def send(receiver: SsfReceiver, stream: dict[str, Any], name: str, body: dict[str, Any]) -> tuple[Answer, int]:
    """Send a document.

    Returns: the answer, and the status that a good one gets.
    """
    word = re.fullmatch(r"[a-z0-9]+-[\d.]+(?:-\d+)?-([a-z]+).*", name)
    assert word is not None, name
    method, endpoint, status = REQUESTS[word[1]]
    filled = {key: stream["stream_id"] if value == STREAM else value for key, value in body.items()}
    return receiver.call(method, endpoint or stream["delivery"]["endpoint_url"], filled), status


@pytest.mark.parametrize("name", documents("examples/requests"))
def test_a_request_of_the_texts_is_taken(receiver: SsfReceiver, name: str) -> None:
    """And what a receiver says of its stream is answered as it was sent; sent back, it changes nothing."""
    body = documents("examples/requests")[name]
    answer, status = send(receiver, receiver.create_stream(), name, body)
    assert answer.status == status, answer
    shown = answer.json if answer.body else {}
    if "events_delivered" not in shown:
        return
    assert {key: shown[key] for key in RECEIVERS_OWN if key in body} == {
        key: body[key] for key in RECEIVERS_OWN if key in body
    }
    assert receiver.call("PUT", "configuration_endpoint", shown).json == shown


@pytest.mark.parametrize("name", documents("bad/receivers"))
def test_a_bad_request_is_refused(receiver: SsfReceiver, name: str) -> None:
    """400, and the description names the place; the stream stays as it was."""
    stream = receiver.create_stream(description="as it was")
    bad = documents("bad/receivers")[name]
    answer, _ = send(receiver, stream, name, bad["body"])
    assert answer.status == 400, answer
    assert answer.json["error"] == "invalid_request"
    assert answer.json["error_description"].startswith(f"{member_name(bad['pointer'])}: ")
    kept = receiver.call("GET", "configuration_endpoint", stream_id=stream["stream_id"]).json
    assert kept == stream
