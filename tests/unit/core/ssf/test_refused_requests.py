"""Refused requests of receivers, in words."""

import pytest

from riskrelay.core.ssf.refused_requests import ReceiverOperation, RefusedRequest, sentence
from support.services import NOON


@pytest.mark.parametrize(
    ("operation", "message", "said"),
    [
        (ReceiverOperation.POLL, "ack must be an array.", "last poll was rejected (400, {at}): ack must be an array."),
        (ReceiverOperation.TOKEN, "", "last token request was rejected (400, {at}): invalid_request."),
        (ReceiverOperation.OTHER, "x", "last request to an unknown endpoint was rejected (400, {at}): x."),
    ],
)
def test_a_sentence_names_the_request_and_the_reason(operation: ReceiverOperation, message: str, said: str) -> None:
    """Without a message the error code is the reason. The sentence ends with one period."""
    refused = RefusedRequest(operation=operation, status=400, error="invalid_request", message=message, at=NOON)
    assert sentence(refused) == f"The receiver's {said.format(at='2026-03-17 12:00 UTC')}"
