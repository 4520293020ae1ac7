"""Reading one object, an array or NDJSON; and what findings and activity have in common on the wire."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request

from riskrelay.errors import BodyTooLarge, Fault, FaultKind, Invalid
from riskrelay.risk.assessment import LevelChange
from riskrelay.risk.findings import UserId, UserRef
from riskrelay.web.account_api.bodies import MAX_BATCH_BYTES, MAX_OBJECT_BYTES, PlainText, media_type, read_body
from riskrelay.web.account_api.strict_json import MAX_BATCH_VALUES, refuse_too_many_values

MAX_ITEMS = 10_000

T = TypeVar("T")

ReadOne = Callable[[bytes, Sequence[int]], T]
"""Reads one JSON value; the second argument comes before every pointer."""

_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What a request holds.

    Attributes:
        single: the body is one object, so pointers into it start at its members.
    """

    items: list[T]
    single: bool

    def located(self, error: Invalid) -> Invalid:
        """The same faults, which start with a place in *items*, as pointers into the body."""
        if not self.single:
            return error
        return Invalid([Fault(f.kind, f.pointer.removeprefix("/0"), f.message) for f in error.faults])


async def read_batch(request: Request, read_one: ReadOne[T], noun: str) -> Batch[T]:
    """The body, which is one JSON object, an array of 1 to MAX_ITEMS, or as many lines of NDJSON.

    Args:
        noun: what the items are, for messages.

    Raises: Invalid: one fault per mistake, all at once; BodyTooLarge; UnsupportedMediaType.
    """
    lines = media_type(request) == "application/x-ndjson"
    body = await read_body(request, MAX_BATCH_BYTES)
    refuse_too_many_values(body, (), MAX_BATCH_VALUES)
    if lines:
        return Batch(_read_all([line for line in body.split(b"\n") if line.strip()], read_one, noun), False)
    if body.lstrip()[:1] == b"[":
        return Batch(_read_all(_items(body), read_one, noun), False)
    if len(body) > MAX_OBJECT_BYTES:
        raise BodyTooLarge(MAX_OBJECT_BYTES)
    return Batch([read_one(body, ())], True)


def _items(body: bytes) -> list[bytes]:
    """The members of a JSON array, as they are written."""
    try:
        return [bytes(item) for item in _ITEMS.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", f"the body is not JSON: {error}")]) from None


def _read_all(written: Sequence[bytes], read_one: ReadOne[T], noun: str) -> list[T]:
    if not 1 <= len(written) <= MAX_ITEMS:
        message = f"send 1 to {MAX_ITEMS:,} {noun} in one request; this has {len(written):,}"
        raise Invalid([Fault(FaultKind.TOO_LONG if written else FaultKind.REQUIRED, "", message)])
    items: list[T] = []
    faults: list[Fault] = []
    for place, one in enumerate(written):
        try:
            items.append(read_one(one, (place,)))
        except Invalid as error:
            faults.extend(error.faults)
    if faults:
        raise Invalid(faults)
    return items


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not local or not domain or any(c.isspace() or c == "\ufeff" for c in text):
        raise ValueError("must be an e-mail address, such as kai@example.com")
    return text


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


Email = Annotated[PlainText, Field(max_length=320), AfterValidator(_email)]
"""An e-mail address, so far as its form is judged here."""

ItemId = Annotated[PlainText, Field(min_length=1, max_length=255)]
"""The sender's id of a finding or an activity."""


class UserBody(BaseModel):
    """The user that something is about."""

    email: Email
    name: Annotated[PlainText, Field(max_length=255)] | None = None
    user_id: Annotated[str, AfterValidator(_uuid)] | None = None

    def reference(self) -> UserRef:
        """The same, for the domain."""
        return UserRef(self.email, self.name, None if self.user_id is None else UserId(self.user_id))


def rendered_change(change: LevelChange) -> dict[str, Any]:
    """One member of `changes`."""
    return {
        "user_id": change.user_id,
        "email": change.email,
        "previous_level": None if change.previous is None else change.previous.word,
        "current_level": None if change.current is None else change.current.word,
    }
