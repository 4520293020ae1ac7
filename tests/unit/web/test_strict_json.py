"""What the strict reader refuses, and that it refuses nothing else."""

import json
import math
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.errors import MAX_FAULTS, MAX_POINTER_CHARACTERS, Fault, FaultKind, Invalid
from riskrelay.web.account_api import strict_json
from riskrelay.web.account_api.strict_json import MAX_DEPTH, MAX_INTEGER, check_json, value_counts

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
        return check_json(body).faults.kept
    except Invalid as error:
        return list(error.faults)


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)


@given(JSON, st.booleans())
def test_valid_json_is_unchanged(value: Any, escaped: bool) -> None:
    """Any JSON of bounded depth and numbers, escaped or not: no fault, and the very bytes back."""
    body = json.dumps(value, ensure_ascii=escaped).encode()
    checked = check_json(body)
    assert (checked.faults.kept, checked.faults.more, checked.sound, checked.value) == ([], 0, body, value)


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
    checked = check_json(body)
    assert [fault.pointer for fault in checked.faults.kept] == ["/a", "/b/c", "/b/d", "/e/0/f"]
    assert json.loads(checked.sound)["a"] == 2


def test_commas_and_brackets_within_texts_are_no_values() -> None:
    """A long text is one value."""
    body = json.dumps({"a": ',[{"\\' * 50_000}).encode()
    assert check_json(body).sound == body


def test_a_prefix_stands_before_every_pointer() -> None:
    """The number of the line, in NDJSON."""
    with pytest.raises(Invalid) as caught:
        check_json(b"{", (7,))
    assert caught.value.faults[0].sentence.startswith("item 7: is not JSON: ")
    (fault,) = check_json(b'{"a": 1, "a": 2}', (7,)).faults.kept
    assert fault.pointer == "/7/a"


def counted(body: bytes) -> int:
    """The commas and opening brackets outside strings, one character at a time."""
    count, is_inside, is_escaped = 0, False, False
    for character in body.decode("latin-1"):
        if is_escaped:
            is_escaped = False
        elif is_inside and character == "\\":
            is_escaped = True
        elif character == '"':
            is_inside = not is_inside
        elif not is_inside and character in ",[{":
            count += 1
    return count


PIECES = st.sampled_from([b'"', b"\\", b'\\"', b",", b"[", b"{", b"a", b"\\\\", b"\n"])


@given(JSON, st.lists(PIECES, max_size=30).map(b"".join), st.integers(1, 40))
def test_values_are_counted_outside_strings(value: Any, unfinished: bytes, slice_bytes: int) -> None:
    """In sound JSON and in a string without an end; wherever the slices are cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "SLICE_BYTES", slice_bytes)
        for body in (json.dumps(value).encode(), json.dumps([value]).encode() + b'"' + unfinished.replace(b'"', b"")):
            assert list(value_counts(body))[-1] == counted(body)


HOSTILE = {
    "a string without an end, full of escaped quotes": lambda n: b'"' + b"," * 10_001 + b'\\"' * n,
    "quotation marks": lambda n: b'"' * n,
    "backslashes": lambda n: b'["' + b"\\" * n,
    "strings in an array without an end": lambda n: b"[" + b'"",' * (n // 400),
    "one name again and again": lambda n: b"{" + b'"a":1,' * min(n, 9_000) + b'"a":1}',
    "faults below a long name": lambda n: b'{"' + b"n" * n + b'":{' + b'"a":1e999,' * 9_000 + b'"b":1}}',
    "digits": lambda n: b"9" * n,
    "a fraction": lambda n: b"0." + b"0" * n + b"1",
    "an exponent": lambda n: b"1e" + b"9" * n,
    "escapes": lambda n: b'"' + b"\\ud83d" * (n // 6) + b'"',
    "white space": lambda n: b" " * n,
    "opening brackets": lambda n: b"[" * min(n, 9_999),
}


@pytest.mark.fault(47)
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_is_bounded_by_the_length_of_the_body(kind: str) -> None:
    """No part is gone over again: a body four times as long takes at most four times the calls, and few of them."""

    def calls(body: bytes) -> int:
        count = 0

        def seen(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(seen)
        try:
            faults(body)
        finally:
            sys.setprofile(None)
        return count

    short, long = calls(HOSTILE[kind](100_000)), calls(HOSTILE[kind](400_000))
    assert long <= 4 * short + 100
    assert long < 200_000


@pytest.mark.fault(47)
def test_no_regular_expression_reads_a_string() -> None:
    """Where one pattern can begin at every quotation mark and fail at the end, time grows with the square."""
    patterns = [value.pattern for value in vars(strict_json).values() if isinstance(value, re.Pattern)]
    assert [pattern for pattern in patterns if "*" in pattern or "+" in pattern] == []


@pytest.mark.fault(47)
def test_a_long_name_above_many_faults_is_cut() -> None:
    """166 kB of body made an answer of 452 MB: 100 faults are kept, their pointers are short, the others counted."""
    found = check_json(
        b'{"' + b"n" * 75_000 + b'":{' + b",".join(b'"%d":1e999' % i for i in range(9_000)) + b"}}"
    ).faults
    assert (len(found.kept), found.more) == (MAX_FAULTS, 8_900)
    assert max(len(fault.pointer) for fault in found.kept) <= MAX_POINTER_CHARACTERS
