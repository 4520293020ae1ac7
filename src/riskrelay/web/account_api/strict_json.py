"""Read JSON strictly: refuse ambiguous JSON, and values that a database cannot store, with their places.

The parser of the models (pydantic) is fast and lenient: of two members with one name it takes the last, and it accepts
`NaN`. So every body is checked here first. Rule: contract 3; RFC 8259 §4, §6, §8; RFC 7493 (I-JSON) §2.

The time of all steps is linear in the size of the body.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from riskrelay.core.errors import MAX_FAULTS, Fault, FaultKind, Faults, Invalid, pointer

MAX_DEPTH = 32  # guessed: a finding with details nests 4 deep; programs that read details give up at some 100
MAX_VALUES = 10_000  # guessed: a finding has some ten; bounds the memory of one object, to about 1 MB
MAX_INTEGER = 2**63 - 1  # the largest integer of a column, and of most readers of details
_MAX_INTEGER_CHARACTERS = len(str(MAX_INTEGER)) + 1
SLICE_BYTES = 256 * 1024  # 1 to 2 ms of counting

Path = tuple[str | int, ...]

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class _Repeating(dict[str, Any]):
    """An object with repeated names."""

    repeated: list[str]


@dataclass(frozen=True, slots=True)
class Checked:
    """A body that is JSON.

    Attributes:
        faults: the faults of the body as JSON.
        sound: the body without these faults, so that its members can be checked too. It has the last of repeated
            members; values that are nested too deeply are null.
        value: the decoded *sound*.
    """

    faults: Faults
    sound: bytes
    value: Any


def check_json(body: bytes, prefix: Path = (), room: int = MAX_FAULTS) -> Checked:
    """Check a body as JSON.

    Args:
        prefix: put before every pointer, such as the line's number.
        room: how many faults are kept; the others are counted.

    Raises: Invalid: it is not JSON, so its members cannot be checked.
    """
    text = _decoded(body, prefix)
    if all(count < MAX_VALUES for count in value_counts(body)):
        value = _parsed(text, prefix)
    else:
        raise Invalid([whole_fault(FaultKind.TOO_LONG, prefix, f"has more than {MAX_VALUES:,} values; send fewer")])
    faults = Faults(room)
    if isinstance(value, dict | list):
        _scan_within(value, prefix, 1, faults)
    sound = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") if faults else body
    return Checked(faults, sound, value)


def sound_object(text: bytes, depth: int) -> dict[str, Any]:
    """Read an object that has no fault.

    Args:
        depth: how deep it nests in the body of which it is a part; 1: it is the body.

    Raises: ValueError: it is not an object, or has a fault; RecursionError.
    """
    value = _READER.decode(text.decode())
    faults = Faults(room=0)
    if isinstance(value, dict):
        _scan_within(value, (), depth, faults)
    if faults or not isinstance(value, dict):
        raise ValueError
    return value


def value_counts(body: bytes) -> Iterator[int]:
    """Count the values of a JSON text before it is parsed: three bytes of JSON can become a hundred of memory.

    Each value but the first has a comma or an opening bracket before it. Those within strings do not count, so a
    slice is split at its quotation marks, after the escaped ones are taken out.

    Yields: for each slice of the body the count up to its end, so that the caller can stop or let other tasks run.
    """
    count, is_inside, escape = 0, False, b""
    for start in range(0, len(body), SLICE_BYTES):
        piece = (escape + body[start : start + SLICE_BYTES]).replace(b"\\\\", b"")
        escape = b"\\" if piece.endswith(b"\\") else b""  # it escapes the first byte of the next slice
        parts = piece.replace(b'\\"', b"").split(b'"')
        services = b"".join(parts[is_inside::2])
        is_inside = is_inside == (len(parts) % 2 == 1)
        count += services.count(b",") + services.count(b"[") + services.count(b"{")
        yield count


def whole_fault(kind: FaultKind, prefix: Path, message: str) -> Fault:
    """Return the fault of a whole body, or with *prefix* of a whole item of a batch."""
    return Fault(kind, pointer(prefix), message if prefix else f"the body {message}")


def _decoded(body: bytes, prefix: Path) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(prefix, f"is not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise _malformed(prefix, "must not start with a byte order mark (RFC 8259 §8.1)")
    if not text.strip(" \t\r\n"):
        raise _malformed(prefix, "is empty; send JSON")
    return text


def _parsed(text: str, prefix: Path) -> Any:
    try:
        return _READER.decode(text)
    except RecursionError:
        raise _malformed(prefix, f"must not be nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        reason = _REASONS.get(error.msg, "an unexpected character")
        raise _malformed(prefix, f"is not JSON: {reason} at line {error.lineno} column {error.colno}") from None
    except _NotANumber as error:
        raise _malformed(prefix, f"is not JSON: {error} is not a number") from None


# The messages of Python's JSON parser, and the messages of this API.
_REASONS = {
    "Expecting value": "a value is missing",
    "Expecting ',' delimiter": "a comma is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Expecting property name enclosed in double quotes": "a member name in double quotes is missing",
    "Extra data": "more text after the end of the value",
    "Unterminated string starting at": "a string without an end, which starts",
    "Invalid control character at": "a control character in a string, which must be escaped,",
    "Invalid \\escape": "an unknown escape",
    "Invalid \\uXXXX escape": "an unfinished escape",
}


class _NotANumber(ValueError):
    """NaN or Infinity, which JSON does not have."""


def _refuse_constant(word: str) -> float:
    raise _NotANumber(word)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeating = _Repeating(members)
    repeating.repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    return repeating


def _integer(digits: str) -> int | float:
    """Return an integer; infinity, like a float that is too large, if it is out of range."""
    if len(digits) > _MAX_INTEGER_CHARACTERS:
        return math.inf
    number = int(digits)
    return number if -MAX_INTEGER <= number <= MAX_INTEGER else math.inf


_READER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse_constant)


def _malformed(prefix: Path, message: str) -> Invalid:
    return Invalid([whole_fault(FaultKind.MALFORMED_BODY, prefix, message)])


def _scan_within(container: Any, place: Path, depth: int, faults: Faults) -> None:
    """Add the faults within an object or array, and cut off values that are nested too deeply."""
    if isinstance(container, _Repeating):
        for name in container.repeated:
            message = "is repeated in the object; send it once"
            faults.add(FaultKind.REPEATED_MEMBER, (*place, name), message)
    for key, item in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(key, str) and _HALF_A_PAIR.search(key):
            _add_no_text(faults, (*place, key))
        if isinstance(item, str):
            if _HALF_A_PAIR.search(item):
                _add_no_text(faults, (*place, key))
        elif isinstance(item, dict | list):
            if depth < MAX_DEPTH:
                _scan_within(item, (*place, key), depth + 1, faults)
            else:
                container[key] = None
                faults.add(FaultKind.TOO_LONG, (*place, key), f"must not be nested deeper than {MAX_DEPTH} levels")
        elif isinstance(item, float) and math.isinf(item):
            message = "this number does not fit in 64 bits; send it as a string"
            faults.add(FaultKind.CANNOT_BE_HELD, (*place, key), message)


def _add_no_text(faults: Faults, place: Path) -> None:
    faults.add(FaultKind.CANNOT_BE_HELD, place, "must not contain a lone surrogate")
