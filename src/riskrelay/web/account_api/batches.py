"""Read one object, an array or NDJSON, and render the common members of findings and activity."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.computing import compute_for
from riskrelay.actions.giving_way import give_way, in_steps
from riskrelay.core.email_addresses import MAX_EMAIL_CHARACTERS, email_problem
from riskrelay.core.errors import BodyTooLarge, Fault, FaultKind, Faults, Invalid
from riskrelay.core.risk.assessment import LevelChange
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.web.account_api import envelope, problems
from riskrelay.web.account_api.bodies import (
    MAX_BATCH_BYTES,
    MAX_OBJECT_BYTES,
    NDJSON,
    PlainText,
    Reading,
    media_type,
)
from riskrelay.web.account_api.known_behaviors import KnownBehaviors, OwnBehaviorsNeeded
from riskrelay.web.account_api.notes import Notes
from riskrelay.web.account_api.packed_bodies import read_unpacked
from riskrelay.web.account_api.strict_json import SLICE_BYTES, value_counts

MAX_ITEMS = 10_000
MAX_LINES = 2 * MAX_ITEMS  # blank ones included: as many as a client writes that ends each line with two newlines
MAX_BATCH_VALUES = 1_000_000  # a hundred for each of 10,000 findings; about 100 MB while they are read
MAX_NAME_CHARACTERS = MAX_ID_CHARACTERS = 255

_ITEMS_AT_A_STRETCH = (
    25  # below 0.5 ms as a rule, 3 ms for findings with faults (measured): then others have their turn
)
_BYTES_AT_A_STRETCH = 64 * 1024

T = TypeVar("T")

_PLACE = re.compile(r"\(byte (\d+)\)")

ReadOne = Callable[[bytes, Sequence[int], Reading], T]
"""Reads one JSON value; the second argument comes before every pointer."""

_SORTED = msgspec.json.Encoder(order="sorted")
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """The items of a request.

    Attributes:
        single: whether the body is one object, so that pointers start at its members.
        notes: the notes on ignored members.
    """

    items: list[T]
    single: bool
    notes: Notes

    def located(self, error: Invalid) -> Invalid:
        """Return faults whose pointers start with a place in *items* with pointers into the body."""
        if not self.single:
            return error
        return Invalid([Fault(f.kind, f.pointer.removeprefix("/0"), f.message) for f in error.faults], error.more)

    async def success(self, result: Callable[[], Any], docs_base: str) -> Response:
        """200 with the return value of *result*, and the notes as messages.

        A response about many items is built in the thread for computations.
        """
        messages = problems.messages(self.notes, docs_base)
        return await compute_for(len(self.items), lambda: envelope.success(result(), messages=messages))


async def read_batch(
    request: Request,
    read_one: ReadOne[T],
    noun: str,
    known: KnownBehaviors | None = None,
    *,
    most_items: int = MAX_ITEMS,
    most_bytes: int = MAX_BATCH_BYTES,
) -> Batch[T]:
    """Read the body: one JSON object, an array of 1 to *most_items* objects, or as many lines of NDJSON.

    Reading a large body does not block other requests.

    Args:
        noun: the name of the items, for messages.
        known: the behaviors that items may name; None: items name no behaviors.

    Raises: Invalid: one fault per mistake, all at once; BodyTooLarge; UnsupportedMediaType.
    """
    is_ndjson = media_type(request, is_packed_read=True) in NDJSON
    body = await read_unpacked(request, most_bytes)
    await _refuse_too_many_values(body)
    reading = Reading() if known is None else Reading(known=known)
    if is_ndjson:
        items = await _read_all(await _lines(body), read_one, noun, reading, most=most_items)
        return Batch(items, False, reading.notes)
    if await _starts_with_bracket(body):
        items = await _read_all(_items(body, noun), read_one, noun, reading, most=most_items)
        return Batch(items, False, reading.notes)
    if len(body) > MAX_OBJECT_BYTES:
        raise BodyTooLarge(MAX_OBJECT_BYTES)
    return Batch([await _read_item(read_one, body, (), reading)], True, reading.notes)


async def _read_item(read_one: ReadOne[T], written: bytes, prefix: Sequence[int], reading: Reading) -> T:
    """Read one item, and the account's own behaviors first when it names one that is not built in.

    Raises: Invalid.
    """
    try:
        return read_one(written, prefix, reading)
    except OwnBehaviorsNeeded:
        await reading.known.complete()
        return read_one(written, prefix, reading)


async def _refuse_too_many_values(body: bytes) -> None:
    """Refuse a body with more than MAX_BATCH_VALUES values, before it is parsed.

    Raises: Invalid.
    """
    most = sum([body.count(mark, at, at + SLICE_BYTES) async for at in _slices(body) for mark in (b",", b"[", b"{")])
    if most < MAX_BATCH_VALUES:  # an upper bound, which also counts marks within strings
        return
    for count in value_counts(body):
        if count >= MAX_BATCH_VALUES:
            message = f"the body has more than {MAX_BATCH_VALUES:,} values; send several smaller requests"
            raise Invalid([Fault(FaultKind.TOO_LONG, "", message)])
        await asyncio.sleep(0)


async def _slices(body: bytes) -> AsyncIterator[int]:
    """Yield where each slice of *body* starts; other tasks run between two."""
    for start in range(0, len(body), SLICE_BYTES):
        if start:
            await give_way()
        yield start


async def _starts_with_bracket(body: bytes) -> bool:
    async for start in _slices(body):
        if piece := body[start : start + SLICE_BYTES].lstrip():
            return piece.startswith(b"[")
    return False


async def _lines(body: bytes) -> list[bytes]:
    """Return the lines that are not blank.

    Raises: Invalid: there are more than MAX_LINES, blank ones included.
    """
    count = 0
    async for start in _slices(body):
        count += body.count(b"\n", start, start + SLICE_BYTES)
        if count > MAX_LINES:
            message = (
                f"the body has more than {MAX_LINES:,} lines, including blank lines; send several smaller requests"
            )
            raise Invalid([Fault(FaultKind.TOO_LONG, "", message)])
    return [line for line in body.split(b"\n") if line.strip()]


def _items(body: bytes, noun: str) -> list[msgspec.Raw]:
    """Return the elements of a JSON array as raw texts."""
    try:
        return _ITEMS.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        place = _PLACE.search(str(error))
        where = f"at byte {place[1]}" if place else "at its end"
        message = f"the body is not JSON: reading the array of {noun} stopped {where}"
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", message)]) from None


async def _read_all(
    written: Sequence[bytes | msgspec.Raw], read_one: ReadOne[T], noun: str, reading: Reading, *, most: int
) -> list[T]:
    if not 1 <= len(written) <= most:
        message = f"the body must have 1 to {most:,} {noun}; it has {len(written):,}"
        raise Invalid([Fault(FaultKind.TOO_LONG if written else FaultKind.REQUIRED, "", message)])
    items: list[T] = []
    faults = Faults()
    size = 0
    for place, raw in enumerate(written):
        one = bytes(raw)
        size += len(one)
        if place % _ITEMS_AT_A_STRETCH == _ITEMS_AT_A_STRETCH - 1 or size > _BYTES_AT_A_STRETCH:
            size = 0
            await give_way()
        if len(one) > MAX_OBJECT_BYTES:
            faults.add(FaultKind.TOO_LONG, (place,), f"must not have more than {MAX_OBJECT_BYTES:,} bytes")
            continue
        try:
            items.append(await _read_item(read_one, one, (place,), reading))
        except Invalid as error:
            faults.extend(error.faults, error.more)
            reading.room = faults.room
    faults.refuse()
    return items


def is_email(text: str) -> bool:
    """Return whether *text* has the form of an e-mail address.

    >>> is_email("kai@example.com"), is_email("EXAMPLE\\\\kai")
    (True, False)
    """
    return email_problem(text) is None


def _email(text: str) -> str:
    problem = email_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


Email = Annotated[PlainText, Field(max_length=MAX_EMAIL_CHARACTERS), AfterValidator(_email)]
"""An e-mail address, so far as its form is judged here."""

ItemId = Annotated[PlainText, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
"""The sender's id of a finding or an activity."""


class UserBody(BaseModel):
    """The user that something is about."""

    email: Email
    name: Annotated[PlainText, Field(max_length=MAX_NAME_CHARACTERS)] | None = None
    user_id: Annotated[str, AfterValidator(_uuid)] | None = None

    def reference(self) -> UserRef:
        """Return the same user as a record of the domain."""
        return UserRef(self.email, self.name, None if self.user_id is None else UserId(self.user_id))


def digest_of(sent: Any) -> bytes:
    """32 bytes over everything that was read of an item: a repeat with another digest is not a repeat."""
    return sha256(_SORTED.encode(sent)).digest()


def rendered_changes(changes: Iterable[LevelChange]) -> msgspec.Raw:
    """Return `changes` as JSON, encoded bit by bit: an encoder lets no other thread run."""
    parts = [msgspec.json.encode(_rendered_change(change)) for change in in_steps(changes)]
    return msgspec.Raw(b"[" + b",".join(parts) + b"]")


def _rendered_change(change: LevelChange) -> dict[str, Any]:
    return {
        "user_id": change.user_id,
        "email": change.email,
        "previous_level": None if change.previous is None else change.previous.word,
        "current_level": None if change.current is None else change.current.word,
    }
