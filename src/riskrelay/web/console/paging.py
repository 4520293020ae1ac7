"""Places in long lists, as they stand in the URL. A place that is none of ours is the beginning."""

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
    """The place that *text* names.

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
    """The text for a place."""
    return urlsafe_b64encode(msgspec.json.encode(parts)).decode()


def split(found: Sequence[T]) -> tuple[Sequence[T], T | None]:
    """A page of what was found with one more than a page.

    Returns: the page; its last item when there are more behind it.
    """
    page = found[:PAGE]
    return page, page[-1] if len(found) > PAGE else None
