"""The types of members of events: every mistake has its kind, its place and a message that says what to change."""

from typing import Any

import pytest

from riskrelay.core.errors import Fault, FaultKind
from riskrelay.core.ssf.event_fields import (
    CLAIMS,
    LANGUAGE_MAP,
    OPAQUE_TEXT,
    SECONDS,
    SUBJECT_MEMBERS,
    TEXT,
    TEXTS,
    WHOLE_SECONDS,
    Field,
    Kind,
    value_faults,
)

TYPE, VALUE = FaultKind.WRONG_TYPE, FaultKind.WRONG_VALUE
EMPTY = "must not be empty; omit the member instead"
SURROGATE = "must not contain lone surrogates"
NUMBER = "must be a number: seconds since 1970-01-01T00:00:00Z"
RANGE = "must be seconds since 1970-01-01T00:00:00Z, not milliseconds, and not negative"
MAP = 'must be an object of language tags and messages, such as {"en": "Impossible Travel"}'
LATEST = 253_402_300_799


@pytest.mark.parametrize(
    ("kind", "value", "faults"),
    [
        (TEXT, "a", []),
        (TEXT, "", [Fault(VALUE, "/event/x", EMPTY)]),
        (TEXT, 1, [Fault(TYPE, "/event/x", "must be a string")]),
        (TEXT, "\ud800", [Fault(VALUE, "/event/x", SURROGATE)]),
        (OPAQUE_TEXT, "", []),
        (OPAQUE_TEXT, "a\udfff", [Fault(VALUE, "/event/x", SURROGATE)]),
        (OPAQUE_TEXT, None, [Fault(TYPE, "/event/x", "must be a string")]),
        (TEXTS, ["a"], []),
        (TEXTS, [], [Fault(VALUE, "/event/x", EMPTY)]),
        (TEXTS, "a", [Fault(TYPE, "/event/x", "must be an array of strings")]),
        (TEXTS, ["a", ""], [Fault(VALUE, "/event/x/1", EMPTY)]),
        (SECONDS, 0, []),
        (SECONDS, LATEST, []),
        (SECONDS, 1.5, []),
        (SECONDS, LATEST + 1, [Fault(VALUE, "/event/x", RANGE)]),
        (SECONDS, -1, [Fault(VALUE, "/event/x", RANGE)]),
        (SECONDS, float("nan"), [Fault(VALUE, "/event/x", RANGE)]),
        (SECONDS, True, [Fault(TYPE, "/event/x", NUMBER)]),
        (WHOLE_SECONDS, 7, []),
        (WHOLE_SECONDS, 7.5, [Fault(TYPE, "/event/x", "must be whole seconds")]),
        (WHOLE_SECONDS, "7", [Fault(TYPE, "/event/x", NUMBER)]),
        (LANGUAGE_MAP, {"en": "a", "de-AT": "b"}, []),
        (LANGUAGE_MAP, [], [Fault(TYPE, "/event/x", MAP)]),
        (LANGUAGE_MAP, {}, [Fault(VALUE, "/event/x", 'must have at least one message, such as {"en": "…"}')]),
        (LANGUAGE_MAP, {"_": "a"}, [Fault(VALUE, "/event/x/_", "the name must be a BCP 47 language tag, such as en")]),
        (LANGUAGE_MAP, {"en": ""}, [Fault(VALUE, "/event/x/en", EMPTY)]),
        (CLAIMS, {"a": None}, []),
        (CLAIMS, {}, [Fault(VALUE, "/event/x", "must name at least one claim")]),
        (CLAIMS, [], [Fault(TYPE, "/event/x", "must be an object that maps each changed claim to its new value")]),
        (SUBJECT_MEMBERS, {}, []),
        (SUBJECT_MEMBERS, "a", [Fault(TYPE, "/event/x", "must be an object")]),
    ],
)
def test_each_mistake_is_named(kind: Kind, value: Any, faults: list[Fault]) -> None:
    """A valid value has no faults."""
    field = Field(name="x", kind=kind, meaning="", example=None)
    assert value_faults(field, value, ("event", "x")) == faults


def test_only_listed_values_are_valid_unless_the_list_is_open() -> None:
    """The message lists the values. A value of a wrong type has one fault."""
    closed = Field(name="x", kind=TEXT, meaning="", example="", allowed=("low", "high"))
    assert value_faults(closed, "low", ("x",)) == []
    assert value_faults(closed, "none", ("x",)) == [Fault(VALUE, "/x", "must be one of low, high")]
    assert value_faults(closed, 1, ("x",)) == [Fault(TYPE, "/x", "must be a string")]
    open_list = Field(name="x", kind=TEXT, meaning="", example="", allowed=("low",), open=True)
    assert value_faults(open_list, "none", ("x",)) == []
