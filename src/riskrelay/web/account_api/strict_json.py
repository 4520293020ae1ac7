"""JSON read strictly: what can be read in two ways, or what nothing here can hold, is refused with its place.

The parser of the models (pydantic) is quick and lenient: of two members with one name it takes the last, and it takes
`NaN`. So a body is looked at here first. Rule: contract 3; RFC 8259 §4, §6, §8; RFC 7493 (I-JSON) §2.
"""

import json
import math
import re
from collections import Counter
from typing import Any

from riskrelay.core.errors import Fault, FaultKind, Invalid, pointer

MAX_DEPTH = 32  # guessed: a finding with details nests 4 deep; programs that read details give up at some 100
MAX_VALUES = 10_000  # guessed: a finding has some ten; bounds the memory of one object, to about 1 MB
MAX_BATCH_VALUES = 1_000_000  # a hundred for each of 10,000 findings; about 100 MB while they are read
MAX_INTEGER = 2**63 - 1  # what a column, and most readers of details, can hold
_MAX_INTEGER_CHARACTERS = len(str(MAX_INTEGER)) + 1

Path = tuple[str | int, ...]

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class _Repeating(dict[str, Any]):
    """An object of which some names came twice."""

    repeated: list[str]


def look_at(body: bytes, prefix: Path = ()) -> tuple[list[Fault], bytes]:
    """What is wrong with a body as JSON, whatever it should say.

    Args:
        prefix: put before every pointer, such as the line's number.

    Returns: the faults, and the body without them, so that its members can be looked at too. Of members that came
        twice the last one is in it; what nests too deep is null.
    Raises: Invalid: it is no JSON, so its members cannot be looked at.
    """
    text = _decoded(body, prefix)
    refuse_too_many_values(body, prefix, MAX_VALUES)
    value = _parsed(text, prefix)
    faults: list[Fault] = []
    if isinstance(value, dict | list):
        _look_within(value, prefix, 1, faults)
    return faults, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") if faults else body


def sound_object(text: bytes, depth: int) -> dict[str, Any]:
    """An object with which nothing is wrong.

    Args:
        depth: how deep it nests in the body of which it is a part; 1: it is the body.

    Raises: ValueError: it is none, or something is wrong with it; RecursionError.
    """
    value = _READER.decode(text.decode())
    faults: list[Fault] = []
    if isinstance(value, dict):
        _look_within(value, (), depth, faults)
    if faults or not isinstance(value, dict):
        raise ValueError
    return value


def refuse_too_many_values(body: bytes, prefix: Path, max_values: int) -> None:
    """Raises: Invalid: reading *body* would make more than *max_values* values.

    Counted before it is parsed: three bytes of JSON can become a hundred of memory.
    """
    if _marks(body) >= max_values and _marks(_STRING.sub(b"", body)) >= max_values:
        message = f"has more than {max_values:,} values; send less in one request"
        raise Invalid([Fault(FaultKind.TOO_LONG, pointer(prefix), message)])


def _marks(body: bytes) -> int:
    """The commas and opening brackets: each value but the first has one of them before it."""
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _decoded(body: bytes, prefix: Path) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(prefix, f"byte {error.start} of the body is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise _malformed(prefix, "the body starts with a byte order mark; send it without (RFC 8259 §8.1)")
    if not text.strip(" \t\r\n"):
        raise _malformed(prefix, "the body is empty; send JSON")
    return text


def _parsed(text: str, prefix: Path) -> Any:
    try:
        return _READER.decode(text)
    except RecursionError:
        raise _malformed(prefix, f"the body nests deeper than {MAX_DEPTH}") from None
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise _malformed(prefix, f"the body is not JSON: {reason}") from None
    except _NotANumber as error:
        raise _malformed(prefix, f"the body is not JSON: {error} is no number") from None


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
    """An integer; infinite, as a float that is too large, when it cannot be held."""
    if len(digits) > _MAX_INTEGER_CHARACTERS:
        return math.inf
    number = int(digits)
    return number if -MAX_INTEGER <= number <= MAX_INTEGER else math.inf


_READER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse_constant)


def _malformed(prefix: Path, message: str) -> Invalid:
    return Invalid([Fault(FaultKind.MALFORMED_BODY, pointer(prefix), message)])


def _look_within(container: Any, place: Path, depth: int, faults: list[Fault]) -> None:
    """Add what is wrong within an object or array; cut off what nests too deep."""
    if isinstance(container, _Repeating):
        message = "this member came more than once in one object; send it once"
        faults += [Fault(FaultKind.REPEATED_MEMBER, pointer((*place, name)), message) for name in container.repeated]
    for key, item in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(key, str) and _HALF_A_PAIR.search(key):
            faults.append(_no_text((*place, key)))
        if isinstance(item, str):
            if _HALF_A_PAIR.search(item):
                faults.append(_no_text((*place, key)))
        elif isinstance(item, dict | list):
            if depth < MAX_DEPTH:
                _look_within(item, (*place, key), depth + 1, faults)
            else:
                container[key] = None
                faults.append(Fault(FaultKind.TOO_LONG, pointer((*place, key)), f"nests deeper than {MAX_DEPTH}"))
        elif isinstance(item, float) and math.isinf(item):
            message = "this number is larger than 64 bits can hold; send it as text"
            faults.append(Fault(FaultKind.CANNOT_BE_HELD, pointer((*place, key)), message))


def _no_text(place: Path) -> Fault:
    return Fault(FaultKind.CANNOT_BE_HELD, pointer(place), "must not contain half of a surrogate pair: it is no text")
