"""The messages of this API for the errors of models, so that no message of pydantic is sent to clients."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails, PydanticCustomError

from riskrelay.core.errors import Fault, FaultKind, pointer

_CUSTOM = "riskrelay"  # errors of this type carry their kind and their sentence with them

# All errors of pydantic that the models here can raise. Errors of other types get the message for their suffix.
_SENTENCES: Mapping[str, tuple[FaultKind, str]] = {
    "missing": (FaultKind.REQUIRED, "is required"),
    "json_invalid": (FaultKind.MALFORMED_BODY, "is not JSON"),
    "string_type": (FaultKind.WRONG_TYPE, "must be a string"),
    "string_sub_type": (FaultKind.WRONG_TYPE, "must be a string"),
    "int_type": (FaultKind.WRONG_TYPE, "must be a whole number"),
    "int_from_float": (FaultKind.WRONG_TYPE, "must be a whole number"),
    "int_parsing": (FaultKind.WRONG_TYPE, "must be a whole number"),
    "int_parsing_size": (FaultKind.WRONG_TYPE, "must be a smaller whole number"),
    "float_type": (FaultKind.WRONG_TYPE, "must be a number"),
    "float_parsing": (FaultKind.WRONG_TYPE, "must be a number"),
    "finite_number": (FaultKind.WRONG_VALUE, "must be a finite number"),
    "bool_type": (FaultKind.WRONG_TYPE, "must be true or false"),
    "bool_parsing": (FaultKind.WRONG_TYPE, "must be true or false"),
    "dict_type": (FaultKind.WRONG_TYPE, "must be an object"),
    "model_type": (FaultKind.WRONG_TYPE, "must be an object"),
    "model_attributes_type": (FaultKind.WRONG_TYPE, "must be an object"),
    "list_type": (FaultKind.WRONG_TYPE, "must be an array"),
    "greater_than_equal": (FaultKind.WRONG_VALUE, "must be {ge} or more"),
    "greater_than": (FaultKind.WRONG_VALUE, "must be more than {gt}"),
    "less_than_equal": (FaultKind.WRONG_VALUE, "must be {le} or less"),
    "less_than": (FaultKind.WRONG_VALUE, "must be less than {lt}"),
    "string_too_long": (FaultKind.TOO_LONG, "must not have more than {max_length} characters"),
    "too_long": (FaultKind.TOO_LONG, "must not have more than {max_length} items"),
    "enum": (FaultKind.WRONG_VALUE, "must be {expected}"),
    "literal_error": (FaultKind.WRONG_VALUE, "must be {expected}"),
}
_OF_SUFFIX = {
    "_type": (FaultKind.WRONG_TYPE, "must be of a different JSON type"),
    "_too_short": (FaultKind.WRONG_VALUE, "must not be empty"),
}
_OTHERS = (FaultKind.WRONG_VALUE, "is not an allowed value")


def custom(kind: FaultKind, message: str) -> PydanticCustomError:
    """Return an error for a validator to raise. A plain ValueError has FaultKind.WRONG_VALUE."""
    return PydanticCustomError(_CUSTOM, "{message}", {"kind": kind.value, "message": message})


def fault_of(item: ErrorDetails, prefix: Sequence[str | int]) -> Fault:
    """Turn one error of pydantic into a fault.

    Args:
        prefix: put before the pointer.
    """
    place = [*prefix, *(part for part in item["loc"] if part != "[key]")]  # an object's name is at fault
    kind, message = _words(item["type"], item.get("ctx", {}))
    return Fault(kind, pointer(place), message)


def _words(kind: str, context: Mapping[str, Any]) -> tuple[FaultKind, str]:
    if kind == _CUSTOM:
        return FaultKind(context["kind"]), context["message"]
    if kind == "value_error":  # raised by a validator of these models
        return FaultKind.WRONG_VALUE, str(context["error"])
    if kind in ("string_too_short", "too_short") and context.get("min_length", 1) > 1:
        return FaultKind.WRONG_VALUE, f"must have at least {_shown(context['min_length'])}"
    found, sentence = _SENTENCES.get(kind) or next(
        (words for suffix, words in _OF_SUFFIX.items() if kind.endswith(suffix)), _OTHERS
    )
    return found, sentence.format(**{name: _shown(value) for name, value in context.items()})


def _shown(value: Any) -> str:
    """Return a limit or the allowed values, which pydantic puts in quotation marks."""
    return f"{value:,}" if isinstance(value, int | float) else str(value).replace("'", "")
