"""What the strict reader refuses, and that it refuses nothing else."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.web.account_api.strict_json import MAX_DEPTH, MAX_INTEGER, look_at

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    SCALARS.filter(lambda value: value not in (math.inf, -math.inf)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def faults(body: bytes) -> list[Fault]:
    """All faults of a body, also of one that is no JSON."""
    try:
        found, _ = look_at(body)
    except Invalid as error:
        return list(error.faults)
    return found


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)


@given(JSON, st.booleans())
def test_what_is_sound_is_left_alone(value: Any, escaped: bool) -> None:
    """Any JSON of bounded depth and numbers, escaped or not: no fault, and the very bytes back."""
    body = json.dumps(value, ensure_ascii=escaped).encode()
    assert look_at(body) == ([], body)


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        (b'{"a": 1, "a": 1}', FaultKind.REPEATED_MEMBER, "/a"),
        (b'[0, {"a/b": {"c": 1, "c": 2, "c": 3}}]', FaultKind.REPEATED_MEMBER, "/1/a~1b/c"),
        (b'{"a": 1, "\\u0061": 2}', FaultKind.REPEATED_MEMBER, "/a"),
        (b'{"a": ["\\ud800"]}', FaultKind.CANNOT_BE_HELD, "/a/0"),
        (b'{"a": "\\udc00\\ud800"}', FaultKind.CANNOT_BE_HELD, "/a"),
        (b'{"\\ud800": 1}', FaultKind.CANNOT_BE_HELD, "/?"),
        (b'{"a": 1e999}', FaultKind.CANNOT_BE_HELD, "/a"),
        (b'{"a": -1e999}', FaultKind.CANNOT_BE_HELD, "/a"),
        (b'{"a": 9223372036854775808}', FaultKind.CANNOT_BE_HELD, "/a"),
        (b'{"a": 1' + b"0" * 400 + b"}", FaultKind.CANNOT_BE_HELD, "/a"),
        (b'{"a": ' + b"9" * 10_000 + b"}", FaultKind.CANNOT_BE_HELD, "/a"),
        (nested(MAX_DEPTH + 1), FaultKind.TOO_LONG, "/a" * MAX_DEPTH),
        (nested(900), FaultKind.TOO_LONG, "/a" * MAX_DEPTH),
        (b"[" + b"0," * 10_000 + b"0]", FaultKind.TOO_LONG, ""),
        (b"[" * 100_000, FaultKind.TOO_LONG, ""),
        (b"[" * 9_000, FaultKind.MALFORMED_BODY, ""),
        (nested(3_000), FaultKind.MALFORMED_BODY, ""),
        (b"", FaultKind.MALFORMED_BODY, ""),
        (b" \r\n\t", FaultKind.MALFORMED_BODY, ""),
        (b"{", FaultKind.MALFORMED_BODY, ""),
        (b'{"a": 1', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": "b', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": 1} {}', FaultKind.MALFORMED_BODY, ""),
        (b"{'a': 1}", FaultKind.MALFORMED_BODY, ""),
        (b'{"a": 1,}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": 01}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": NaN}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": -Infinity}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": "\n"}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": "\\x"}', FaultKind.MALFORMED_BODY, ""),
        (b'\xef\xbb\xbf{"a": 1}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": "\xff"}', FaultKind.MALFORMED_BODY, ""),
        (b'{"a": "\xed\xa0\x80"}', FaultKind.MALFORMED_BODY, ""),
        (json.dumps({"a": 1}).encode("utf-16"), FaultKind.MALFORMED_BODY, ""),
    ],
)
def test_each_way_to_be_wrong_has_its_kind_and_place(body: bytes, kind: FaultKind, pointer: str) -> None:
    """One fault, with a message that says what to change."""
    (fault,) = faults(body)
    assert (fault.kind, fault.pointer) == (kind, pointer)
    assert fault.message


def test_everything_that_is_wrong_is_found_at_once() -> None:
    """Several faults of several kinds; what is left can be read on."""
    body = b'{"a": 1, "a": 2, "b": {"c": 1e999, "d": "\\ud800"}, "e": [{"f": 0, "f": 0}]}'
    found, sound = look_at(body)
    assert [fault.pointer for fault in found] == ["/a", "/b/c", "/b/d", "/e/0/f"]
    assert json.loads(sound)["a"] == 2


def test_commas_and_brackets_within_texts_are_no_values() -> None:
    """A long text is one value."""
    body = json.dumps({"a": ',[{"\\' * 50_000}).encode()
    assert look_at(body) == ([], body)


def test_a_prefix_stands_before_every_pointer() -> None:
    """The number of the line, in NDJSON."""
    with pytest.raises(Invalid) as caught:
        look_at(b"{", (7,))
    assert caught.value.faults[0].pointer == "/7"
    ((fault,), _) = look_at(b'{"a": 1, "a": 2}', (7,))
    assert fault.pointer == "/7/a"
