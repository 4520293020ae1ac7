"""RFC 8936 and SSF 1.0 §6.1.2: SETs are fetched."""

import threading
import time
import uuid
from typing import Any

import pytest

from support.ssf_operator import Operator
from support.ssf_receiver import CAEP, Answer, SsfReceiver, only_event

REVOKED = CAEP + "session-revoked"


@pytest.fixture
def stream(receiver: SsfReceiver) -> dict[str, Any]:
    """A polled stream on which nothing is waiting."""
    stream = receiver.create_stream(events_requested=[REVOKED])
    sets = receiver.poll(stream, returnImmediately=False)
    assert receiver.poll(stream, ack=list(sets)) == {}
    return stream


def revoke(operator: Operator, *reasons: str) -> None:
    for reason in reasons or ("A test",):
        operator.send(REVOKED, {"reason_admin": {"en": reason}})


def reasons_of(receiver: SsfReceiver, sets: dict[str, str]) -> list[str]:
    return [only_event(receiver.verified(token))[1]["reason_admin"]["en"] for token in sets.values()]


def url_of(stream: dict[str, Any]) -> str:
    url: str = stream["delivery"]["endpoint_url"]
    return url


class LongPoll:
    """A poll in a thread of its own; long polling is the default."""

    def __init__(self, receiver: SsfReceiver, stream: dict[str, Any], **request: Any) -> None:
        self._answer: Answer | None = None
        self._thread = threading.Thread(target=self._poll, args=(receiver, stream, request))
        self._thread.start()

    def _poll(self, receiver: SsfReceiver, stream: dict[str, Any], request: dict[str, Any]) -> None:
        self._answer = receiver.call("POST", url_of(stream), request)

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()

    def answer(self) -> Any:
        """The body, once it is there."""
        self._thread.join(20)
        assert self._answer is not None, "the long poll does not end"
        assert self._answer.status == 200
        return self._answer.json


def test_each_stream_has_a_poll_url_of_its_own(operator: Operator, receiver: SsfReceiver) -> None:
    """SSF §6.1.2: and each has its own SETs."""
    streams = [receiver.create_stream(events_requested=[REVOKED]) for _ in range(2)]
    assert len({url_of(stream) for stream in streams}) == 2
    revoke(operator)
    sets = [receiver.events(stream, 1)[0]["jti"] for stream in streams]
    assert sets[0] != sets[1]


def test_poll_only_gives_the_same_sets_until_they_are_acknowledged(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """§2.4.1, §2.5: JSON with `sets` by jti; what was not acknowledged comes again, as it was."""
    revoke(operator, "one", "two")
    answer = receiver.call("POST", url_of(stream), {"returnImmediately": True})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    sets = answer.json["sets"]
    assert reasons_of(receiver, sets) == ["one", "two"]
    assert all(receiver.verified(token)["jti"] == jti for jti, token in sets.items())
    again = receiver.poll(stream)
    assert {jti: receiver.verified(token) for jti, token in again.items()} == {
        jti: receiver.verified(token) for jti, token in sets.items()
    }
    first, second = sets
    assert list(receiver.poll(stream, ack=[first])) == [second]
    assert receiver.poll(stream, ack=[second]) == {}
    assert receiver.poll(stream) == {}


def test_poll_and_acknowledge_in_one_request(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§2.4.3: the old ones go, the next ones come."""
    revoke(operator, "one")
    first = receiver.poll(stream, returnImmediately=False)
    revoke(operator, "two")
    second = receiver.poll(stream, ack=list(first), returnImmediately=False)
    assert reasons_of(receiver, first) + reasons_of(receiver, second) == ["one", "two"]


def test_acknowledge_only(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§2.4.2: maxEvents 0 gives no SETs; at once with returnImmediately, else as a long poll that an event ends."""
    revoke(operator, "one", "two")
    first, second = receiver.poll(stream)
    assert receiver.poll(stream, ack=[first], maxEvents=0) == {}
    assert (
        receiver.call("POST", url_of(stream), {"maxEvents": 0, "ack": [second]} | {"returnImmediately": True}).json[
            "sets"
        ]
        == {}
    )
    waiting = LongPoll(receiver, stream, maxEvents=0)
    time.sleep(0.3)
    assert waiting.waits
    revoke(operator, "three")
    assert waiting.answer()["sets"] == {}
    assert reasons_of(receiver, receiver.poll(stream)) == ["three"]


def test_errors_settle_a_set(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§2.4.4, §2.6: a SET that is reported does not come again, and the account sees why."""
    revoke(operator, "good", "bad")
    good, bad = receiver.poll(stream)
    errors = {bad: {"err": "authentication_failed", "description": "The SET could not be authenticated"}}
    assert receiver.poll(stream, ack=[good], setErrs=errors) == {}
    assert receiver.poll(stream) == {}
    integration_id = receiver.well_known_url.rpartition("/")[2]
    rows = operator.result("GET", f"/integrations/{integration_id}/deliveries")
    states = {row["jti"]: row["state"] for row in rows}
    assert (states[good], states[bad]) == ("delivered", "dead")


def test_max_events_bounds_an_answer(operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§2.2, §2.3: the oldest come first, and moreAvailable says that there are more."""
    revoke(operator, "one", "two", "three")
    answer = receiver.call("POST", url_of(stream), {"maxEvents": 2, "returnImmediately": True}).json
    assert reasons_of(receiver, answer["sets"]) == ["one", "two"]
    assert answer["moreAvailable"] is True
    rest = receiver.call(
        "POST", url_of(stream), {"maxEvents": 2, "returnImmediately": True, "ack": list(answer["sets"])}
    ).json
    assert reasons_of(receiver, rest["sets"]) == ["three"]
    assert rest.get("moreAvailable", False) is False


def test_short_polling_answers_at_once(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§2.2, §2.3: `sets` is an empty object when there is nothing."""
    begun = time.monotonic()
    answer = receiver.call("POST", url_of(stream), {"returnImmediately": True})
    assert time.monotonic() - begun < 20  # a long poll takes 25 s
    assert answer.json["sets"] == {}
    assert answer.json.get("moreAvailable", False) is False


def test_a_long_poll_returns_when_an_event_is_queued(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """§2.5: the default; the answer is delayed until there is a SET, and no longer."""
    waiting = LongPoll(receiver, stream)
    time.sleep(0.3)
    assert waiting.waits
    sent_at = time.monotonic()
    revoke(operator, "awaited")
    assert reasons_of(receiver, waiting.answer()["sets"]) == ["awaited"]
    assert time.monotonic() - sent_at < 20  # a poll without an event takes 25 s


def test_acknowledging_an_unknown_jti_changes_nothing(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any]
) -> None:
    """§2.4: nor does acknowledging twice, or another stream's SET."""
    other = receiver.create_stream(events_requested=[REVOKED])
    revoke(operator, "one")
    (jti,) = receiver.poll(stream)
    foreign = list(receiver.poll(other))
    unknown = [str(uuid.uuid4()), "", "no uuid", *foreign]
    assert list(receiver.poll(stream, ack=unknown, setErrs={str(uuid.uuid4()): {"err": "x"}})) == [jti]
    assert receiver.poll(stream, ack=[jti, jti]) == {}
    assert receiver.poll(stream, ack=[jti]) == {}
    assert list(receiver.poll(other)) == foreign


BAD: list[Any] = [
    b"{",
    b"",
    b"[]",
    b'{"ack": ["\xff"]}',
    {"maxEvents": -1},
    {"maxEvents": "2"},
    {"maxEvents": 1.5},
    {"returnImmediately": "true"},
    {"ack": "jti"},
    {"ack": [7]},
    {"setErrs": ["jti"]},
    b'{"returnImmediately": true} {"ack": []}',
]


@pytest.mark.parametrize("bad", BAD)
def test_a_poll_that_makes_no_sense_is_400(
    operator: Operator, receiver: SsfReceiver, stream: dict[str, Any], bad: Any
) -> None:
    """§2.5.1: and settles nothing."""
    answer = receiver.call("POST", url_of(stream), bad)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request"), answer
    assert answer.json["error_description"]


def test_polling_wants_a_token_and_says_which_kind(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """§3, SSF §7.1.1: 401 with WWW-Authenticate."""
    for token in ("", "wrong"):
        answer = receiver.call("POST", url_of(stream), {"returnImmediately": True}, token=token)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_polling_a_pushed_or_unknown_stream_is_404(receiver: SsfReceiver, stream: dict[str, Any]) -> None:
    """A URL that was made up, and one of a stream that is no longer polled."""
    assert receiver.call("POST", url_of(stream)[:-4] + "0000", {"returnImmediately": True}).status == 404
    body = {
        "stream_id": stream["stream_id"],
        "delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.example.com/"},
    }
    assert receiver.call("PATCH", "configuration_endpoint", body).status == 200
    assert receiver.call("POST", url_of(stream), {"returnImmediately": True}).status == 404
