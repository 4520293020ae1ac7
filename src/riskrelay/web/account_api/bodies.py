"""Reading request bodies: bounded, and with every fault at its place."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect, Request

from riskrelay.core.errors import BodyTooLarge, Fault, FaultKind, Invalid, UnsupportedMediaType, pointer
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.web.account_api.strict_json import look_at

MAX_OBJECT_BYTES = 1024 * 1024  # 1 MiB
MAX_BATCH_BYTES = 32 * 1024 * 1024  # 32 MiB

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def _plain(text: str) -> str:
    if _CONTROL_CHARACTER.search(text):
        raise ValueError("must not contain control characters")
    return text


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text that a database, a log and a terminal can hold: no control characters, NUL among them."""


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WholeNumber = Annotated[int, BeforeValidator(_whole)]
"""An integer, also written as 1000.0: JSON has one kind of number."""


UNKNOWN_BEHAVIOR = "unknown_behavior"


def _known_behavior(name: str) -> str:
    if name not in BEHAVIORS:
        raise PydanticCustomError(
            UNKNOWN_BEHAVIOR, "unknown; the behaviors are {known}", {"known": ", ".join(BEHAVIORS)}
        )
    return name


BehaviorName = Annotated[str, AfterValidator(_known_behavior)]
"""The id of a behavior that this service knows."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body.

    What is beyond *max_bytes* is not kept. Up to once more as much is still taken off the wire, because a client
    that is cut off while it sends may never read the answer; a body that is larger than that is not read on.

    Raises: BodyTooLarge; Invalid: it breaks off.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > 2 * max_bytes:
        raise BodyTooLarge(max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > 2 * max_bytes:
                break
            if size <= max_bytes:
                chunks.append(chunk)
    except ClientDisconnect:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", "the body breaks off before its end")]) from None
    if size > max_bytes:
        raise BodyTooLarge(max_bytes)
    return b"".join(chunks)


def media_type(request: Request) -> str:
    """The media type of the body, lower case, without parameters; JSON when the header is missing.

    Raises: UnsupportedMediaType: it is neither JSON nor NDJSON, or it is compressed.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType
    named = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if named not in ("application/json", "application/x-ndjson"):
        raise UnsupportedMediaType
    return named


async def read_object(request: Request, model: type[M]) -> M:
    """The body as one JSON object of the form *model*.

    Raises: Invalid: one fault per mistake, all at once; BodyTooLarge; UnsupportedMediaType.
    """
    if media_type(request) != "application/json":
        raise UnsupportedMediaType
    body = await read_body(request, MAX_OBJECT_BYTES)
    return parse(TypeAdapter(model), body)


async def read_optional(request: Request, model: type[M]) -> M:
    """As `read_object`, of a model that requires nothing: no body at all is an empty object. Rule: contract 17."""
    if media_type(request) != "application/json":
        raise UnsupportedMediaType
    body = await read_body(request, MAX_OBJECT_BYTES)
    return parse(TypeAdapter(model), body if body.strip() else b"{}")


def parse(adapter: TypeAdapter[T], body: bytes, prefix: Sequence[str | int] = ()) -> T:
    """Read JSON.

    Args:
        prefix: put before every pointer, such as the line's number.

    Raises: Invalid: one fault per mistake, all at once.
    """
    faults, sound = look_at(body, tuple(prefix))
    try:
        value = adapter.validate_json(sound, strict=True)
    except ValidationError as error:
        places = {fault.pointer for fault in faults}
        faults += [fault for fault in faults_of(error, prefix) if fault.pointer not in places]
    if faults:
        raise Invalid(faults)
    return value


def faults_of(error: ValidationError, prefix: Sequence[str | int] = ()) -> list[Fault]:
    """What pydantic found, in our words."""
    found = error.errors(include_url=False, include_input=False)
    return [_fault(dict(item), prefix) for item in found]


def _fault(item: dict[str, Any], prefix: Sequence[str | int]) -> Fault:
    kind = item["type"]
    where = pointer([*prefix, *(part for part in item["loc"] if part != "[key]")])  # an object's name is at fault
    if kind == "json_invalid":
        reason = item["ctx"]["error"]
        return Fault(FaultKind.MALFORMED_BODY, pointer(prefix), f"the body is not JSON: {reason}")
    if kind == "missing":
        return Fault(FaultKind.REQUIRED, where, "this member is required")
    if kind in ("string_too_long", "too_long"):
        limit = item["ctx"]["max_length"]
        return Fault(FaultKind.TOO_LONG, where, f"must not be longer than {limit}")
    if kind == UNKNOWN_BEHAVIOR:
        return Fault(FaultKind.UNKNOWN_BEHAVIOR, where, item["msg"])
    if kind == "value_error":
        return Fault(FaultKind.WRONG_VALUE, where, str(item["ctx"]["error"]))
    if kind.endswith("_type"):
        return Fault(FaultKind.WRONG_TYPE, where, _sentence(item["msg"]))
    return Fault(FaultKind.WRONG_VALUE, where, _sentence(item["msg"]))


def _sentence(message: str) -> str:
    """Pydantic's message, without its name for our caller's body.

    >>> _sentence("Input should be a valid string")
    'must be a valid string'
    """
    return message.replace("Input should be", "must be").replace("Input should have", "must have")
