"""Reading one object, an array or NDJSON; and what findings and activity have in common on the wire."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from starlette.requests import Request

from riskrelay.core.errors import BodyTooLarge, Fault, FaultKind, Invalid
from riskrelay.core.risk.assessment import LevelChange
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.web.account_api.bodies import MAX_BATCH_BYTES, MAX_OBJECT_BYTES, PlainText, media_type, read_body
from riskrelay.web.account_api.strict_json import MAX_BATCH_VALUES, refuse_too_many_values

MAX_ITEMS = 10_000
MAX_EMAIL_CHARACTERS = 320
MAX_NAME_CHARACTERS = MAX_ID_CHARACTERS = 255

_AT_A_STRETCH = 250  # items, which take 1 to 3 ms (measured): then pushes and other requests have their turn

T = TypeVar("T")

_NOT_IN_EMAIL = re.compile(r"[\s\ufeff\x00-\x1f\x7f]")

ReadOne = Callable[[bytes, Sequence[int]], T]
"""Reads one JSON value; the second argument comes before every pointer."""

_SORTED = msgspec.json.Encoder(order="sorted")
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
        return Batch(await _read_all([line for line in body.split(b"\n") if line.strip()], read_one, noun), False)
    if body.lstrip()[:1] == b"[":
        return Batch(await _read_all(_items(body), read_one, noun), False)
    if len(body) > MAX_OBJECT_BYTES:
        raise BodyTooLarge(MAX_OBJECT_BYTES)
    return Batch([read_one(body, ())], True)


def _items(body: bytes) -> list[bytes]:
    """The members of a JSON array, as they are written."""
    try:
        return [bytes(item) for item in _ITEMS.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", f"the body is not JSON: {error}")]) from None


async def _read_all(written: Sequence[bytes], read_one: ReadOne[T], noun: str) -> list[T]:
    if not 1 <= len(written) <= MAX_ITEMS:
        message = f"send 1 to {MAX_ITEMS:,} {noun} in one request; this has {len(written):,}"
        raise Invalid([Fault(FaultKind.TOO_LONG if written else FaultKind.REQUIRED, "", message)])
    items: list[T] = []
    faults: list[Fault] = []
    for place, one in enumerate(written):
        if place % _AT_A_STRETCH == _AT_A_STRETCH - 1:
            await asyncio.sleep(0)
        try:
            items.append(read_one(one, (place,)))
        except Invalid as error:
            faults.extend(error.faults)
    if faults:
        raise Invalid(faults)
    return items


def is_email(text: str) -> bool:
    """Whether *text* can be an e-mail address, so far as its form is judged here.

    >>> is_email("kai@example.com"), is_email("EXAMPLE\\\\kai")
    (True, False)
    """
    local, _, domain = text.rpartition("@")
    return bool(local and domain) and not _NOT_IN_EMAIL.search(text) and len(text) <= MAX_EMAIL_CHARACTERS


def _email(text: str) -> str:
    if not is_email(text):
        raise ValueError("must be an e-mail address, such as kai@example.com")
    return text


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC, too") from None


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


Email = Annotated[PlainText, Field(max_length=MAX_EMAIL_CHARACTERS), AfterValidator(_email)]
"""An e-mail address, so far as its form is judged here."""

Timestamp = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its offset from UTC, which is then in UTC."""

ItemId = Annotated[PlainText, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
"""The sender's id of a finding or an activity."""


class UserBody(BaseModel):
    """The user that something is about."""

    email: Email
    name: Annotated[PlainText, Field(max_length=MAX_NAME_CHARACTERS)] | None = None
    user_id: Annotated[str, AfterValidator(_uuid)] | None = None

    def reference(self) -> UserRef:
        """The same, for the domain."""
        return UserRef(self.email, self.name, None if self.user_id is None else UserId(self.user_id))


def digest_of(sent: Any) -> bytes:
    """32 bytes over everything that was read of an item: a repeat with another digest is not a repeat."""
    return sha256(_SORTED.encode(sent)).digest()


def rendered_change(change: LevelChange) -> dict[str, Any]:
    """One member of `changes`."""
    return {
        "user_id": change.user_id,
        "email": change.email,
        "previous_level": None if change.previous is None else change.previous.word,
        "current_level": None if change.current is None else change.current.word,
    }
