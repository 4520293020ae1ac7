"""Read request bodies, with bounds and with the place of each fault."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from riskrelay.core.errors import MAX_FAULTS, BodyTooLarge, Fault, FaultKind, Faults, Invalid, UnsupportedMediaType
from riskrelay.web.account_api import model_errors
from riskrelay.web.account_api.known_behaviors import KnownBehaviors
from riskrelay.web.account_api.notes import Notes
from riskrelay.web.account_api.strict_json import check_json
from riskrelay.web.work import SMALL_BODY_BYTES, hold_body

MAX_OBJECT_BYTES = 1024 * 1024  # 1 MiB
MAX_BATCH_BYTES = 32 * 1024 * 1024  # 32 MiB
JSON = "application/json"
NDJSON = frozenset(
    f"application/{name}"
    for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "json-lines")
)
"""The media types in use for one JSON value on each line; none is registered."""
_LENGTH_DIGITS = 15  # int() of a longer text could take long or refuse

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def _plain(text: str) -> str:
    if _CONTROL_CHARACTER.search(text):
        raise ValueError("must not contain control characters")
    return text


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text that a database, a log and a terminal can hold: no control characters, NUL among them."""


def without_problem(problem_of: Callable[[str], str | None]) -> AfterValidator:
    """Return a validator of texts for which *problem_of* returns None; a problem is the message of the fault."""

    def check(text: str) -> str:
        problem = problem_of(text)
        if problem is not None:
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WholeNumber = Annotated[int, BeforeValidator(_whole)]
"""An integer, also written as 1000.0: JSON has one kind of number."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body.

    Bytes above *max_bytes* are dropped. They are still received up to twice that size, because a client that is cut off
    while it sends may not read the response. A larger body is not read to its end.

    Raises: BodyTooLarge; Invalid: the body is incomplete; Unavailable: no memory is free for it now.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > _LENGTH_DIGITS or int(declared) > 2 * max_bytes):
        raise BodyTooLarge(max_bytes)
    most = min(int(declared), max_bytes) if declared.isdecimal() else max_bytes
    body = bytearray()  # not a list of chunks: a chunk may have one byte
    size = 0
    try:
        async for chunk in request.stream():
            if size <= SMALL_BODY_BYTES < size + len(chunk):
                await hold_body(most)
            size += len(chunk)
            if size > 2 * max_bytes:
                break
            if size <= max_bytes:
                body += chunk
    except ClientDisconnect:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", "the body is incomplete")]) from None
    if size > max_bytes:
        raise BodyTooLarge(max_bytes)
    return bytes(body)


def media_type(request: Request, *, is_packed_read: bool = False) -> str:
    """Return the media type of the body in lower case, without parameters; JSON if the header is missing.

    Raises: UnsupportedMediaType: it is neither JSON nor NDJSON, or it is compressed and this route does not accept
        that.
    """
    if not is_packed_read and request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType
    named = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if named != JSON and named not in NDJSON:
        raise UnsupportedMediaType
    return named


async def read_object(request: Request, model: type[M], known: KnownBehaviors | None = None) -> M:
    """Read the body as one JSON object of the form *model*.

    Args:
        known: all behaviors, for models that name behaviors.

    Raises: Invalid: one fault per mistake, all at once; BodyTooLarge; UnsupportedMediaType.
    """
    if media_type(request) != JSON:
        raise UnsupportedMediaType
    body = await read_body(request, MAX_OBJECT_BYTES)
    return parse(TypeAdapter(model), body, known=known)


async def read_optional(request: Request, model: type[M]) -> M:
    """Read the body as `read_object` does. An empty body is an empty object. Rule: contract 17."""
    if media_type(request) != JSON:
        raise UnsupportedMediaType
    body = await read_body(request, MAX_OBJECT_BYTES)
    return parse(TypeAdapter(model), body if body.strip() else b"{}")


@dataclass(slots=True)
class Reading:
    """The state while one request is read.

    Attributes:
        notes: the notes on ignored members, for the response.
        room: the number of further faults that are kept. The others are only counted.
        known: the behaviors that may be named.
    """

    notes: Notes = field(default_factory=Notes)
    room: int = MAX_FAULTS
    known: KnownBehaviors = field(default_factory=KnownBehaviors)


def parse(
    adapter: TypeAdapter[T],
    body: bytes,
    prefix: Sequence[str | int] = (),
    reading: Reading | None = None,
    *,
    known: KnownBehaviors | None = None,
) -> T:
    """Read JSON.

    Args:
        prefix: put before every pointer, such as the line's number.
        reading: where members that the model does not have are noted; None: they are ignored.
        known: the behaviors that the model may name; None: those of *reading*.

    Raises:
        Invalid: one fault per mistake, all at once.
        OwnBehaviorsNeeded: only when the known behaviors are not complete.
    """
    checked = check_json(body, tuple(prefix), MAX_FAULTS if reading is None else reading.room)
    faults = checked.faults
    behaviors = reading.known if known is None and reading is not None else known
    try:
        value = adapter.validate_json(checked.sound, strict=True, context=behaviors)
    except ValidationError as error:
        _add_model_faults(faults, error, prefix)
    faults.refuse()
    if reading is not None and isinstance(value, BaseModel):
        reading.notes.add_unknown(type(value), checked.value, tuple(prefix))
    return value


def _add_model_faults(faults: Faults, error: ValidationError, prefix: Sequence[str | int]) -> None:
    """Add the model's faults at places that have no fault yet."""
    if faults.room <= 0:  # a list of every error takes much longer than their number
        faults.extend((), error.error_count())
        return
    places = {fault.pointer for fault in faults.kept}
    found = error.errors(include_url=False, include_input=False)
    kept = [model_errors.fault_of(item, prefix) for item in found[: MAX_FAULTS + len(places)]]
    faults.extend([fault for fault in kept if fault.pointer not in places], len(found) - len(kept))


def faults_of(error: ValidationError, prefix: Sequence[str | int] = ()) -> list[Fault]:
    """Return the faults of a model's error, with the messages of this API. Each pointer starts with *prefix*."""
    return [model_errors.fault_of(item, prefix) for item in error.errors(include_url=False, include_input=False)]
