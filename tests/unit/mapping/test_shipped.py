"""Every shipped mapping: it is valid, maps its documented samples as expected, and answers damaged ones in words.

The samples of a kind are in `samples/KIND`: `NAME.json` is an event, or a list of events, as the product writes it;
`NAME.expected.json` has members that what each event becomes must have.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from riskrelay.core.sources.mappings import read_mapping
from riskrelay.core.sources.reasons import Reason, sentence
from riskrelay.core.sources.signals import Ignored, Mapped, Refused
from riskrelay.mapping.compiled import CompiledMapping, check_expressions
from riskrelay.mapping.events import encode_event
from riskrelay.mapping.shipped import shipped_mapping, shipped_texts

pytestmark = pytest.mark.usefixtures("drop_expressions")

_SAMPLES = Path(__file__).parent / "samples"
_FILES = sorted(path for path in _SAMPLES.glob("*/*.json") if not path.name.endswith(".expected.json"))


def _events(path: Path) -> list[Any]:
    content = msgspec.json.decode(path.read_bytes())
    return content if isinstance(content, list) else [content]


def _map(kind: str, event: object) -> Mapped:
    return CompiledMapping(shipped_mapping(kind)).map(_encode(event))


def _encode(event: object) -> bytes:
    encoded = encode_event(event)
    assert isinstance(encoded, bytes)
    return encoded


@pytest.mark.parametrize("kind", shipped_texts())
def test_a_shipped_mapping_is_valid_and_named_after_its_kind(kind: str) -> None:
    document = shipped_mapping(kind)
    assert document.kind == kind
    assert document.description
    assert check_expressions(document) == ()
    given = {rule.behavior for rule in document.rules} - {None}
    assert {behavior.behavior_id for behavior in document.behaviors} <= given


@pytest.mark.parametrize("kind", shipped_texts())
def test_the_content_of_a_document_keeps_its_order(kind: str) -> None:
    """The process that maps, and an account's copy, read the content: later members of `let` use earlier ones."""
    document = shipped_mapping(kind)
    again = read_mapping(msgspec.json.decode(document.content))
    assert (list(again.let), again.rules) == (list(document.let), document.rules)


@pytest.mark.parametrize("kind", shipped_texts())
def test_a_shipped_mapping_has_samples(kind: str) -> None:
    assert any((_SAMPLES / kind).glob("*.expected.json"))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_sample_is_mapped_as_expected(path: Path) -> None:
    events, expected = _events(path), _events(path.with_suffix(".expected.json"))
    assert len(events) == len(expected)
    for event, members in zip(events, expected, strict=True):
        became = msgspec.json.decode(msgspec.json.encode(_map(path.parent.name, event)))
        assert {name: became.get(name) for name in members} == members


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_damaged_sample_is_answered_in_words(path: Path) -> None:
    """Without a member, and with each member of every wrong type, an event becomes a signal or gets a reason."""
    mapping = CompiledMapping(shipped_mapping(path.parent.name))
    for event in _events(path):
        for answer in mapping.map_all([_encode(damaged) for damaged in _damaged(event)]):
            _assert_answered(answer)


@pytest.mark.parametrize("kind", shipped_texts())
@pytest.mark.parametrize("event", [{}, {"": ""}, {"time": 0}, {"$": "$", "\\": '"'}, {"type": "\ud7ff\u2028\x00"}])
def test_an_event_of_nothing_is_answered_in_words(kind: str, event: object) -> None:
    answer = _map(kind, event)
    assert isinstance(answer, (Ignored, Refused))
    _assert_answered(answer)


def _assert_answered(answer: Mapped) -> None:
    if isinstance(answer, (Ignored, Refused)):
        assert isinstance(answer.reason, Reason)
        assert sentence(answer.reason)
    else:
        assert answer.identities or answer.names
        assert answer.at_ms is None or answer.at_ms > 0
        assert answer.event_id


_WRONG: tuple[object, ...] = (None, "", "x" * 5_000, -1, 1e308, True, [], {}, [[[[[None, "x"]]]]], [{"a": {}}, 2])


def _damaged(event: object) -> Iterator[object]:
    """Yield an event once without each member, at any depth, and once with each wrong value in its place."""
    if isinstance(event, dict):
        for name, member in event.items():
            others = {other: value for other, value in event.items() if other != name}
            yield others
            for wrong in _WRONG:
                yield {**others, name: wrong}
            for inner in _damaged(member):
                yield {**others, name: inner}
    elif isinstance(event, list):
        for place, entry in enumerate(event):
            for inner in _damaged(entry):
                yield [*event[:place], inner, *event[place + 1 :]]
