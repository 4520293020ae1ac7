"""A sample of a shipped kind becomes the same in every envelope, and with members that are null instead of absent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from riskrelay.core.sources.content import decode_events
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Mapped, Refused
from riskrelay.mapping.compiled import CompiledMapping
from riskrelay.mapping.shipped import shipped_mapping

pytestmark = pytest.mark.usefixtures("drop_expressions")

_SAMPLES = Path(__file__).parent / "samples"
_KINDS = sorted(path.name for path in _SAMPLES.iterdir())
_encode = msgspec.json.Encoder(order="deterministic").encode

_ENVELOPES: dict[str, Callable[[list[Any]], Any]] = {
    "lines": lambda events: "\n".join(map(json.dumps, events)),
    "concatenated, over several lines": lambda events: "".join(json.dumps(event, indent=2) for event in events),
    "array": lambda events: events,
    "records of Azure Monitor": lambda events: {"records": events},
    "Records of CloudTrail": lambda events: {"Records": events},
    "page of Microsoft Graph": lambda events: {"@odata.context": "x", "@odata.nextLink": "y", "value": events},
    "page of the Reports API": lambda events: {"kind": "x", "etag": "y", "items": events},
    "Okta event hook": lambda events: {"eventType": "x", "eventTime": "y", "data": {"events": events}},
    "HTTP Event Collector": lambda events: "".join(json.dumps({"time": 1, "event": event}) for event in events),
    "text in an HTTP Event Collector event": lambda events: "".join(
        json.dumps({"sourcetype": "x", "event": json.dumps(event)}) for event in events
    ),
    "Logstash message": lambda events: [
        {"@timestamp": "x", "@version": "1", "host": {"name": "h"}, "message": json.dumps(event)} for event in events
    ],
    "Fluent Bit log": lambda events: [{"date": 1.5, "log": json.dumps(event)} for event in events],
    "CloudEvents": lambda events: [
        {"specversion": "1.0", "id": str(place), "type": "x", "source": "y", "data": event}
        for place, event in enumerate(events)
    ],
}


def _events(kind: str) -> list[Any]:
    events: list[Any] = []
    for path in sorted((_SAMPLES / kind).glob("*.json")):
        if not path.name.endswith(".expected.json"):
            content = json.loads(path.read_text())
            events += content if isinstance(content, list) else [content]
    return events


@pytest.mark.parametrize("envelope", _ENVELOPES)
@pytest.mark.parametrize("kind", _KINDS)
def test_a_sample_becomes_the_same_in_every_envelope(kind: str, envelope: str) -> None:
    """An event without an id of its own gets the hash of its content, which no envelope changes."""
    mapping = CompiledMapping(shipped_mapping(kind))
    events = _events(kind)
    wrapped = _ENVELOPES[envelope](events)
    body = wrapped.encode() if isinstance(wrapped, str) else json.dumps(wrapped).encode()
    # What a product itself writes around its events, such as CrowdStrike's metadata, is part of the sample.
    bare = [found for event in events for found in decode_events(json.dumps(event).encode())]
    found = decode_events(body)
    assert [mapping.map(_encode(event)) for event in found] == [mapping.map(_encode(event)) for event in bare]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_sample_alone_is_one_event(kind: str) -> None:
    """Nothing in a product's own form is taken for an envelope that would lose its time or its user."""
    mapping = CompiledMapping(shipped_mapping(kind))
    for event in _events(kind):
        (found,) = decode_events(json.dumps(event).encode())
        direct, read = mapping.map(_encode(event)), mapping.map(_encode(found))
        assert type(read) is type(direct)
        if isinstance(direct, (ActivitySignal, FindingSignal)):
            assert isinstance(read, type(direct))
            assert (read.identities, read.names, read.at_ms) == (direct.identities, direct.names, direct.at_ms)


@pytest.mark.parametrize("kind", _KINDS)
def test_members_that_are_null_are_absent(kind: str) -> None:
    """Exports of tables write every column of every event. An event without an id gets another hash, as it must."""
    mapping = CompiledMapping(shipped_mapping(kind))
    events = _events(kind)
    columns: dict[tuple[str, ...], dict[str, None]] = {}
    _collect(events, (), columns)
    for event in events:
        direct, full = mapping.map(_encode(event)), mapping.map(_encode(_fill(event, (), columns)))
        assert type(full) is type(direct)
        assert _without_hash(full) == _without_hash(direct)


def _collect(node: object, path: tuple[str, ...], columns: dict[tuple[str, ...], dict[str, None]]) -> None:
    if isinstance(node, dict):
        columns.setdefault(path, {}).update(dict.fromkeys(node))
        for name, value in node.items():
            _collect(value, (*path, name), columns)
    elif isinstance(node, list):
        for value in node:
            _collect(value, path, columns)


def _fill(node: object, path: tuple[str, ...], columns: dict[tuple[str, ...], dict[str, None]]) -> object:
    if isinstance(node, dict):
        return columns[path] | {name: _fill(value, (*path, name), columns) for name, value in node.items()}
    return [_fill(value, path, columns) for value in node] if isinstance(node, list) else node


def _without_hash(mapped: Mapped) -> dict[str, Any]:
    members = msgspec.structs.asdict(mapped)
    if str(members.get("event_id")).startswith("sha256:"):
        del members["event_id"]
    return members


@pytest.mark.parametrize("kind", _KINDS)
def test_a_truncated_line_takes_no_other_with_it(kind: str) -> None:
    """What was cut off is refused in words, wherever it was cut; the lines before it become what they are."""
    mapping = CompiledMapping(shipped_mapping(kind))
    whole = json.dumps(_events(kind)[0])
    (event,) = decode_events(whole.encode())
    for length in range(1, len(whole), 97):
        first, *rest = decode_events(f"{whole}\n{whole[:length]}".encode())
        assert mapping.map(_encode(first)) == mapping.map(_encode(event))
        assert rest
        assert all(isinstance(cut, Refused) and cut.reason is Reason.NOT_JSON and cut.detail for cut in rest)
