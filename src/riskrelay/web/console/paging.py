"""Positions in long lists, in URLs. An invalid position is the beginning."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

T = TypeVar("T")

PAGE = 50

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
"""What a place is made of: nothing that a column could not be compared with."""


def read_place(text: str | None, kind: type[T]) -> T | None:
    """Return the position that *text* encodes.

    Args:
        kind: a type that msgspec decodes.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text), type=kind)
    except ValueError:
        return None


def place_of(*parts: object) -> str:
    """Return the text of a position."""
    return urlsafe_b64encode(msgspec.json.encode(parts)).decode()


def split(found: Sequence[T], length: int = PAGE) -> tuple[Sequence[T], T | None]:
    """Return a page of items that were read with one more than a page.

    Returns: the page, and its last item if more items follow.
    """
    page = found[:length]
    return page, page[-1] if len(found) > length else None
