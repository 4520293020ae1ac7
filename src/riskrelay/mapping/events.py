"""Decoded events to the canonical JSON that expressions are evaluated over, and that is hashed."""

from typing import Any

import msgspec

from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Refused

MAX_DEPTH = 100  # chosen: events nest to about ten, and recursive code overflows its stack at several hundred
_encode = msgspec.json.Encoder(order="deterministic").encode


def encode_event(event: object) -> bytes | Refused:
    """Return an event as canonical JSON, or why it cannot be mapped."""
    if not isinstance(event, dict):
        return Refused(reason=Reason.NOT_AN_OBJECT)
    try:
        encoded = _encode(event)
        # Nearly no event has so many objects and lists, so nearly none is walked through.
        if encoded.count(b"{") + encoded.count(b"[") <= MAX_DEPTH or not _nests_deeper(event, MAX_DEPTH):
            return encoded
    except RecursionError:
        pass
    return Refused(reason=Reason.TOO_LARGE, detail=f"the event nests more than {MAX_DEPTH} deep")


def _nests_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    if depth == 0:
        return True
    members = value.values() if isinstance(value, dict) else value
    return any(_nests_deeper(member, depth - 1) for member in members)
