"""Encode decoded events as the canonical JSON over which expressions are evaluated, and which is hashed."""

from typing import Any

import msgspec

from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Refused

MAX_DEPTH = 100  # chosen: events nest about ten levels, and recursive code overflows the stack at several hundred
_encode = msgspec.json.Encoder(order="deterministic").encode


def encode_event(event: object) -> bytes | Refused:
    """Return an event as canonical JSON, or why it cannot be mapped."""
    if not isinstance(event, dict):
        return Refused(reason=Reason.NOT_AN_OBJECT)
    try:
        encoded = _encode(event)
        # Few events have that many objects and lists, so few need to be traversed.
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
