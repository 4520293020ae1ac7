"""No sentence of pydantic reaches a user, whatever error it has now or gets later."""

import re
from typing import Any

import pytest
from pydantic_core._pydantic_core import list_all_errors

from riskrelay.core.errors import FaultKind
from riskrelay.web.account_api.model_errors import fault_of

ERRORS: dict[str, Any] = {known["type"]: known for known in list_all_errors()}
LIBRARY = re.compile(r"\b(Input|input|valid|pydantic|validation|instance|Unable|Decimal|Expected)\b")


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_each_error_has_our_own_sentence(kind: str) -> None:
    """It says what to send, and the words of the library are not in it."""
    known = ERRORS[kind]
    context = known.get("example_context") or {}
    if kind == "value_error":
        context = {"error": ValueError("must be an e-mail address")}
    item = {"type": kind, "loc": ("user", "email"), "msg": known["example_message_python"], "ctx": context, "input": 0}
    fault = fault_of(item, (3,))  # type: ignore[arg-type]
    assert fault.pointer == "/3/user/email"
    assert fault.message.startswith(("must ", "is "))
    assert not LIBRARY.search(fault.message)
    assert known["example_message_python"] not in fault.message


@pytest.mark.parametrize(
    ("kind", "context", "message"),
    [
        ("missing", {}, "is required"),
        ("bool_type", {}, "must be true or false"),
        ("string_too_short", {"min_length": 1}, "must not be empty"),
        ("too_short", {"min_length": 2}, "must have at least 2"),
        ("string_too_long", {"max_length": 2048}, "must not have more than 2,048 characters"),
        ("less_than_equal", {"le": 90.0}, "must be 90.0 or less"),
        ("greater_than_equal", {"ge": 100}, "must be 100 or more"),
        ("literal_error", {"expected": "'low', 'medium' or 'high'"}, "must be low, medium or high"),
        ("a_new_type", {}, "must be of a different JSON type"),
        ("a_new_error", {}, "is not an allowed value"),
    ],
)
def test_a_sentence_says_what_is_accepted(kind: str, context: dict[str, object], message: str) -> None:
    """With the limit or the values."""
    item = {"type": kind, "loc": ("a",), "msg": "Input should be", "ctx": context, "input": 0}
    assert fault_of(item, ()).message == message  # type: ignore[arg-type]


def test_a_name_at_fault_is_pointed_at() -> None:
    """An object's name, not a member called [key]."""
    item = {"type": "missing", "loc": ("behaviors", "a/b", "[key]"), "msg": "", "input": 0}
    fault = fault_of(item, ())  # type: ignore[arg-type]
    assert (fault.kind, fault.pointer) == (FaultKind.REQUIRED, "/behaviors/a~1b")
