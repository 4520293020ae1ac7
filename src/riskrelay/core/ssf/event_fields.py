"""The types of the members of events, and their validation."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from riskrelay.core.errors import Fault, FaultKind, pointer

_LATEST_SECONDS = 253_402_300_799  # the end of the year 9999; larger numbers are milliseconds by mistake
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, syntax only

Part = str | int


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value.

    Attributes:
        words: its name, for people.
        check: yields the faults of a value at a pointer.
    """

    words: str
    check: Callable[[Any, tuple[Part, ...]], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A member of an event.

    Attributes:
        meaning: a phrase for people.
        example: a valid value.
        required: whether the specification of the event, or the profile that `rule` cites, requires it.
        allowed: the valid values; empty: any value of its type.
        open: whether other values are valid if transmitter and receiver have agreed on them.
        rule: the section that requires it, if that is not the section of the event.
    """

    name: str
    kind: Kind
    meaning: str
    example: Any
    required: bool = False
    allowed: tuple[str, ...] = ()
    open: bool = False
    rule: str = ""


def value_faults(field: Field, value: Any, at: tuple[Part, ...]) -> list[Fault]:
    """Return the faults of the value of *field*.

    Args: at: its pointer in the request.
    """
    faults = list(field.kind.check(value, at))
    if not faults and field.allowed and not field.open and value not in field.allowed:
        message = f"must be one of {', '.join(field.allowed)}"
        faults.append(Fault(FaultKind.WRONG_VALUE, pointer(at), message))
    return faults


def _opaque_text(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be a string")
    elif any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not contain lone surrogates")


def _text(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if value == "":
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not be empty; omit the member instead")
    else:
        yield from _opaque_text(value, at)


def _texts(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be an array of strings")
        return
    if not value:
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not be empty; omit the member instead")
    for place, item in enumerate(value):
        yield from _text(item, (*at, place))


def _seconds(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be a number: seconds since 1970-01-01T00:00:00Z")
    elif not math.isfinite(value) or not 0 <= value <= _LATEST_SECONDS:
        message = "must be seconds since 1970-01-01T00:00:00Z, not milliseconds, and not negative"
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), message)


def _whole_seconds(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    faults = list(_seconds(value, at))
    yield from faults
    if not faults and not isinstance(value, int):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be whole seconds")


def _language_map(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    """Rule: CAEP 1.0 §2: one or more pairs of a BCP 47 tag and a message."""
    if not isinstance(value, dict):
        message = 'must be an object of language tags and messages, such as {"en": "Impossible Travel"}'
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), message)
        return
    if not value:
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), 'must have at least one message, such as {"en": "…"}')
    for tag, message in value.items():
        if _LANGUAGE_TAG.fullmatch(tag) is None:
            yield Fault(
                FaultKind.WRONG_VALUE, pointer((*at, tag)), "the name must be a BCP 47 language tag, such as en"
            )
        yield from _text(message, (*at, tag))


def _claims(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(
            FaultKind.WRONG_TYPE, pointer(at), "must be an object that maps each changed claim to its new value"
        )
    elif not value:
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must name at least one claim")


def _subject_members(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    """Its content is the SET's subject, checked as such."""
    if not isinstance(value, dict):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be an object")


TEXT = Kind("string", _text)
OPAQUE_TEXT = Kind("string, may be empty", _opaque_text)
TEXTS = Kind("array of strings", _texts)
SECONDS = Kind("number, seconds since 1970 UTC", _seconds)
WHOLE_SECONDS = Kind("integer, seconds since 1970 UTC", _whole_seconds)
LANGUAGE_MAP = Kind("object, language tag to message", _language_map)
CLAIMS = Kind("object, claim to new value", _claims)
SUBJECT_MEMBERS = Kind("object, the subject again as the member `user`", _subject_members)
