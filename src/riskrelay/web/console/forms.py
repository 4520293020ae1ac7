"""Forms, read by the same rules as the bodies of the API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, TypeAdapter

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.web.account_api.bodies import parse
from riskrelay.web.account_api.known_behaviors import KnownBehaviors

M = TypeVar("M", bound=BaseModel)


def read_fields(model: type[M], fields: Mapping[str, Any], known: KnownBehaviors | None = None) -> M:
    """Read the fields as one object of the form *model*.

    Args:
        fields: the fields by name; empty ones are ignored.
        known: all behaviors, for models that name behaviors.

    Raises: Invalid: one fault per mistake, all at once.
    """
    given = {name: value for name, value in fields.items() if value != ""}
    return parse(TypeAdapter(model), msgspec.json.encode(given), known=known)


def utc_field(name: str, text: str) -> str:
    """Return the value of `<input type="datetime-local">` as a UTC time of the API; an empty text stays empty.

    Raises: Invalid.
    """
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat()
    except ValueError:
        raise Invalid([Fault(FaultKind.WRONG_VALUE, f"/{name}", "must be a time, such as 2026-11-24T10:00")]) from None


def problems_of(error: Invalid) -> dict[str, str]:
    """Return the messages of faults by field. Of several faults in the values of one field, the first is returned.

    >>> from riskrelay.core.errors import Fault, FaultKind
    >>> problems_of(Invalid([Fault(FaultKind.WRONG_VALUE, "/name", "must be short")]))
    {'name': 'must be short'}
    >>> problems_of(Invalid([Fault(FaultKind.WRONG_VALUE, "/users/1", "must be an id")]))
    {'users': 'Value 2 must be an id'}
    """
    found: dict[str, str] = {}
    for fault in error.faults:
        rest, _, last = fault.pointer.rpartition("/")
        if last.isdecimal():
            found.setdefault(rest.rpartition("/")[2], f"Value {int(last) + 1} {fault.message}")
        else:
            found[last] = fault.message
    return found
