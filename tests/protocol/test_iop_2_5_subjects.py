"""IOP 1.0 §2.5: the subject formats that everybody supports."""

from typing import Any

import pytest

from support.ssf_operator import KAI, Operator
from support.ssf_receiver import CAEP, SsfReceiver, is_unasked


@pytest.mark.parametrize("subject", [KAI, {"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "kai"}])
def test_each_format_of_the_profile_is_sent(operator: Operator, receiver: SsfReceiver, subject: dict[str, Any]) -> None:
    """email and iss_sub for people; opaque for the stream in its verification."""
    stream = receiver.create_stream(events_requested=[CAEP + "session-presented"])
    ((jti, token),) = receiver.poll(stream, returnImmediately=False).items()
    verification = receiver.verified(token)
    assert is_unasked(verification)
    assert verification["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    operator.send(CAEP + "session-presented", {}, subject)
    (sent,) = receiver.poll(stream, returnImmediately=False, ack=[jti]).values()
    assert receiver.verified(sent)["sub_id"] == subject
