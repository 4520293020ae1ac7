"""The sentences that say what is wrong with a setting, so that no sentence of pydantic is shown."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import ErrorDetails

PREFIX = "RISKRELAY_"

_WORDS: Mapping[str, str] = {
    "bool": "must be true or false",
    "path": "must be a path",
    "string": "must be text",
    "list": "must be a list, in an environment variable text with commas",
    "extra": "is not a setting",
}
_BOUNDS = ("greater_than_equal", "less_than_equal", "int")  # beginnings of the types that a whole number can have


def sentences(errors: list[ErrorDetails], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each wrong setting: its name, and what to write.

    Args:
        errors: of pydantic. One setting may have several, one for each form that it could have.
        schema: the JSON schema of the settings by name, which has their bounds.
    """
    said: set[str] = set()
    for error in errors:
        place = error["loc"]
        name = str(place[0]) if place else ""
        if name not in said or not name:
            said.add(name)
            sentence = _sentence(error, schema.get(name, {}))
            yield f"{PREFIX}{name.upper()}: {sentence}" if name else sentence


def _sentence(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":  # raised by a validator of the settings
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected'].replace(chr(39), '')}"
    if kind.startswith(_BOUNDS):
        return f"must be a whole number{_range(schema)}"
    return _WORDS.get(kind.partition("_")[0], "has a value that can't be used")


def _range(schema: Mapping[str, Any]) -> str:
    """Return the words for the bounds of a number, which may also be none (`anyOf`)."""
    bounded = next((one for one in (schema, *schema.get("anyOf", ())) if "minimum" in one), None)
    return f" from {bounded['minimum']:,} to {bounded['maximum']:,}" if bounded else ""
