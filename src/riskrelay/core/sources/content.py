"""Split the body of a request into events. Its content determines the form, because senders often name it wrongly.

A part that cannot be read is refused alone. The time is linear in the size of the body: after a few fast attempts, the
parts are found by their brackets, without recursion.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from riskrelay.core.risk.activity import InSteps, at_once
from riskrelay.core.sources.envelopes import LISTS, is_bare, unwrap
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Refused

MAX_EVENTS = 10_000
MAX_EVENT_BYTES = 1024 * 1024
MAX_VALUES = 2_000_000  # chosen: 200 per event; about 200 MB while they are decoded
_WHOLE_BYTES = 64 * 1024  # decoded in one call, which keeps the GIL for half a millisecond

Event = Any
"""A decoded JSON value, or a `Refused` or `Ignored` in its place."""

_decode = msgspec.json.decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FAILURES = (msgspec.MsgspecError, ValueError, RecursionError)
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[\[\]{}"\n]')
_BETWEEN = re.compile(rb"[\s,\x1e\x00]*")  # RFC 7464 starts each text with a record separator
_OPENINGS = (b"{", b"[")
_LIST_IN_OBJECT = re.compile(rb'\s*\{\s*"(?:records|Records|value|events)"\s*:\s*(?=\[)')
_UTF8_BOM = b"\xef\xbb\xbf"


class TooMuchContentError(ValueError):
    """A body with more events or values than allowed in one request. The message is the limit."""


def decode_events(body: bytes, in_steps: InSteps = at_once) -> list[Event]:
    """Decode the events of a body.

    Args:
        in_steps: see `travel.journeys`.
        body: unpacked. One object, an array, lines or concatenated texts of JSON, with or without one of the known
            envelopes around all or around each.

    Returns: in order: decoded values, `Refused` for a part that is not JSON, `Ignored` for a sender's test.
    Raises: TooMuchContentError.
    Rule: docs/guides/sources/sending.md.
    """
    body = body.removeprefix(_UTF8_BOM).strip()
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise TooMuchContentError(f"{MAX_VALUES:,} JSON values")
    events: list[Event] = []
    for value in in_steps(_values(body)):
        if is_bare(value) or isinstance(value, Refused):
            events.append(value)
        else:
            events += unwrap(value)
        if len(events) > MAX_EVENTS:
            raise TooMuchContentError(f"{MAX_EVENTS:,} events")
    return events


def _values(body: bytes) -> Iterator[Event]:
    """Yield the values of a body. Of an array, yield the elements."""
    if not body:
        return
    if len(body) <= _WHOLE_BYTES:
        try:
            value = _decode(body)
        except _FAILURES:
            pass
        else:
            yield from value if isinstance(value, list) else [value]
            return
    elif (parts := _parts_of_large(body)) is not None:
        yield from map(_decoded, parts)
        return
    yield from _lines(body) if body[:1] != b"[" else _stretch(body[1:].removesuffix(b"]"))


def _parts_of_large(body: bytes) -> list[msgspec.Raw] | None:
    """Return the elements of a large array, or of the list in a large envelope; None: the body is neither.

    Each element is decoded in a call of its own, so that other threads can run in between.
    """
    try:
        if body[:1] == b"[":
            return _decode_list(body)
        members = _decode_object(body)
        if "data" in members and bytes(memoryview(members["data"])[:1]) == b"{":
            members = _decode_object(members["data"])
        lists = (members[name] for name in LISTS if name in members)
        return next((_decode_list(raw) for raw in lists if bytes(memoryview(raw)[:1]) == b"["), None)
    except _FAILURES:
        return None


def _decoded(part: bytes | msgspec.Raw) -> Event:
    if len(part) > MAX_EVENT_BYTES:
        return Refused(reason=Reason.TOO_LARGE, detail=f"an event has at most {MAX_EVENT_BYTES:,} bytes")
    try:
        return _decode(part)
    except RecursionError:
        return Refused(reason=Reason.TOO_LARGE, detail="the event nests too deep")
    except (msgspec.MsgspecError, ValueError) as error:
        return Refused(reason=Reason.NOT_JSON, detail=_words(error))


def _words(error: Exception) -> str:
    """Describe the mistake without quoting the text."""
    text = str(error)
    return text if isinstance(error, msgspec.DecodeError) and text.isascii() else "the text is not UTF-8"


def _lines(body: bytes) -> Iterator[Event]:
    """Yield the value of each line. Lines that are not values are joined and read as parts of larger values."""
    parts: list[bytes] = []
    for line in body.split(b"\n"):
        value = _decoded(line) if line[:1] in _OPENINGS else None
        is_refused = isinstance(value, Refused) and (value.reason is Reason.NOT_JSON or _LIST_IN_OBJECT.match(line))
        if value is not None and not is_refused:
            yield from _stretch(b"\n".join(parts))
            parts = []
            yield from value if isinstance(value, list) else [value]
        else:
            parts.append(line)
    yield from _stretch(b"\n".join(parts))


def _stretch(text: bytes, *, may_be_envelope: bool = True) -> Iterator[Event]:
    """Yield the values of concatenated texts, with or without commas between them.

    Text that does not start an object or an array, or has no end, is refused up to the end of its line.
    """
    place, is_unclosed = 0, False
    while (place := _skip(text, place)) < len(text):
        is_open = text[place : place + 1] in _OPENINGS
        end = _end_of(text, place) if is_open and not is_unclosed else -1
        inside = _LIST_IN_OBJECT.match(text, place) if may_be_envelope and is_open else None
        if end < 0:
            # After an unclosed bracket, search values line by line, so that the rest of the text is not scanned again.
            is_unclosed = is_unclosed or is_open
            newline = text.find(b"\n", place)
            end = len(text) if newline < 0 else newline
        value = _decoded(text[place:end].strip(b" \t\r,"))
        if inside is not None and isinstance(value, Refused):
            yield from _stretch(text[inside.end() + 1 :], may_be_envelope=False)
            return
        if text[place:end].strip(b" \t\r,}]"):  # else it is the end of an envelope
            yield from value if isinstance(value, list) else [value]
        place = end


def _skip(text: bytes, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()


def _end_of(text: bytes, place: int) -> int:
    """Return the end of the value that starts at *place*; negative: it has no end."""
    depth = 0
    for token in _TOKEN.finditer(text, place):
        mark = token.group()
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
        elif mark == b'"':  # a string that does not end on its line
            return -1
    return -1
