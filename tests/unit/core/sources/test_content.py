"""Bodies as senders write them, to events."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.sources.content import MAX_EVENTS, MAX_VALUES, TooMuchContentError, decode_events
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored, Refused

A, B = {"id": "a", "user": {"email": "kai@example.com"}}, {"id": "b", "n": [1, {"x": "}]"}]}
TEXT = json.dumps(A)
SAMPLES = sorted(Path(__file__).parents[2].glob("mapping/samples/*/*[a-z].json"))
SAMPLES = [sample for sample in SAMPLES if not sample.name.endswith(".expected.json")]

FORMS: dict[str, tuple[Any, list[Any]]] = {
    "object": (A, [A]),
    "array": ([A, B], [A, B]),
    "records": ({"records": [A, B]}, [A, B]),
    "Records": ({"Records": [A, B]}, [A, B]),
    "graph": ({"@odata.context": "https://graph.microsoft.com/v1.0", "value": [A, B]}, [A, B]),
    "okta": ({"eventType": "com.okta.event_hook", "data": {"events": [A, B]}}, [A, B]),
    "splunk": ({"time": 1795946400, "host": "h", "event": A}, [A]),
    "splunk text": ({"event": TEXT, "sourcetype": "_json"}, [A]),
    "cloudevent": ({"specversion": "1.0", "type": "t", "source": "/s", "id": "1", "data": A}, [A]),
    "cloudevents in a batch": (
        [{"specversion": "1.0", "type": "t", "source": "/s", "data": x} for x in (A, B)],
        [A, B],
    ),
    "fluent": ({"log": TEXT, "stream": "stdout", "kubernetes": {"pod": "p"}}, [A]),
    "vector": ({"message": TEXT, "timestamp": "2026-11-29T10:00:00Z"}, [A]),
    "beats": ({"message": "login", "event": {"original": TEXT}}, [A]),
    "cloudtrail": ({"EventId": "1", "CloudTrailEvent": TEXT}, [A]),
    "records of records": ([{"records": [A]}, {"records": [{"message": TEXT}]}], [A, A]),
    "an event with a member of that name": ({"records": [A], "actor": {}}, [{"records": [A], "actor": {}}]),
    "an event that a shipper has parsed": (
        {"@timestamp": 1, "event": {"category": ["iam"], "original": TEXT}},
        [{"@timestamp": 1, "event": {"category": ["iam"], "original": TEXT}}],
    ),
    "no events": ([], []),
    "no object": ("a text", ["a text"]),
}
WHITE = st.sampled_from(["", " ", "\n", "\r\n", "\t \n\n"])
VALUES = st.dictionaries(
    st.sampled_from(["id", "a", 'q"', "é"]),
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=5),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=2), one, max_size=3),
    ),
    max_size=4,
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_form_is_recognized_by_its_content(form: str, indent: int | None) -> None:
    """Each form that senders use gives its events, compact or indented, with or without a byte order mark."""
    sent, events = FORMS[form]
    body = json.dumps(sent, indent=indent).encode()
    assert decode_events(body) == events
    assert decode_events(b"\xef\xbb\xbf " + body + b"\r\n") == events


@given(st.lists(st.tuples(VALUES, st.sampled_from([None, 1])), max_size=4), WHITE, WHITE)
def test_texts_one_after_the_other_are_as_many_events(
    events: list[tuple[Any, int | None]], first: str, between: str
) -> None:
    """Lines and concatenated texts, compact and indented, give every event in its order."""
    body = first + between.join(json.dumps(event, indent=indent) for event, indent in events)
    expected = [event for event, _ in events]
    assert decode_events(body.encode()) == expected
    assert decode_events("\n".join(json.dumps(event) for event in expected).encode()) == expected
    assert decode_events(json.dumps(expected).encode()) == expected


@pytest.mark.parametrize(
    "damaged",
    [
        b"this is no JSON",
        b'{"id": "x"',
        b'{"id": }',
        b'{"id": "x", "y": "\xff"}',
        b'{"id": "x" "y": 1}',
        b'{"id": {"x": 1}',
        b'{"id": NaN}',
        b'{"id": "unfinished}',
        b'{"id": "\\ud800"}',
    ],
)
def test_a_line_that_is_no_json_refuses_itself_only(damaged: bytes) -> None:
    """The lines before and after a damaged one are read, and the damaged one is refused at its place."""
    lines = [json.dumps(A).encode(), damaged, json.dumps(B).encode()]
    read = decode_events(b"\n".join(lines))
    assert [read[0], read[2]] == [A, B]
    assert isinstance(read[1], Refused)
    assert read[1].reason is Reason.NOT_JSON
    assert read[1].detail


def test_a_damaged_element_of_an_array_refuses_itself_only() -> None:
    """The elements beside one that is no JSON, or that nests too deep, are read."""
    good = json.dumps(A).encode()
    for damaged, reason in ((b'{"id": }', Reason.NOT_JSON), (b"[" * 9_000 + b"]" * 9_000, Reason.TOO_LARGE)):
        for body in (
            b"[" + b", ".join([good, damaged, good]) + b"]",
            b'{"records":[' + b",".join([good, damaged, good]) + b"]}",
        ):
            read = decode_events(body)
            assert [read[0], *read[2:]] == [A, A]
            assert read[1].reason is reason


def test_a_truncated_body_gives_the_events_before_the_cut() -> None:
    """Of an array that breaks off, the whole elements are read and the rest is refused."""
    body = json.dumps([A, B, A]).encode()
    read = decode_events(body[:-8])
    assert read[:2] == [A, B]
    assert [type(one) for one in read[2:]] == [Refused]


def test_cloudflares_test_upload_is_ignored_with_its_reason() -> None:
    """The body by which Logpush tests a destination is no event."""
    assert decode_events(b'{"content":"tests"}') == [Ignored(reason=Reason.TEST_UPLOAD)]


def test_a_large_body_is_read_as_a_small_one() -> None:
    """Arrays, envelopes and lines of some megabytes give the same events as small ones."""
    events = [{**A, "n": number, "pad": "x" * 200} for number in range(5_000)]
    assert decode_events(json.dumps(events).encode()) == events
    assert decode_events(json.dumps({"kind": "log", "records": events}).encode()) == events
    assert decode_events(json.dumps({"eventType": "x", "data": {"events": events}}).encode()) == events
    assert decode_events("\n".join(map(json.dumps, events)).encode()) == events


def test_too_many_events_or_values_are_refused_with_the_limit() -> None:
    """A body of more events, or of more values, than a request may have says the limit."""
    with pytest.raises(TooMuchContentError, match="10,000 events"):
        decode_events(b"{}\n" * (MAX_EVENTS + 1))
    with pytest.raises(TooMuchContentError, match="10,000 events"):
        decode_events(b"[" + b"{}," * MAX_EVENTS + b"{}]")
    with pytest.raises(TooMuchContentError, match="2,000,000 JSON values"):
        decode_events(b"[" + b"0," * MAX_VALUES + b"0]")
    assert len(decode_events(b"{}\n" * MAX_EVENTS)) == MAX_EVENTS


@pytest.mark.parametrize(
    "unit", [b"{\n", b"[\n", b'{"a":\n', b'"a\n', b'{"a": [', b"}\n", b"x\n", b'{"a":{}\n', b"\\", b"[0,\n", b" ", b'"']
)
def test_no_body_takes_longer_than_in_proportion(unit: bytes) -> None:
    """Bodies that are made to be read again and again are answered in about a second a megabyte at most."""
    body = unit * (1_500_000 // len(unit))
    start = time.process_time()
    with contextlib.suppress(TooMuchContentError):
        decode_events(body)
    assert time.process_time() - start < 8


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_events_of_shipped_kinds_are_no_envelopes(sample: Path) -> None:
    """What a product writes as one event stays one event, but for the form of Splunk's collector."""
    written = json.loads(sample.read_bytes())
    events = written if isinstance(written, list) else [written]
    assert decode_events(sample.read_bytes()) == [
        event["event"] if event.keys() == {"sourcetype", "event"} else event for event in events
    ]
