"""Parts of long lists: by `page` and `per_page`, or from a `cursor` on."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import QueryParams

from riskrelay.core.errors import Fault, FaultKind, Invalid

PER_PAGE = 100
MAX_PER_PAGE = 1_000  # guessed: an answer of some 200 KB
MAX_PAGE = 1_000_000  # more than any account needs; and page times per_page stays within SQL's integers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted.

    Attributes:
        number: 1 is the first.
    """

    number: int
    per_page: int

    @property
    def offset(self) -> int:
        """The number of items before this page."""
        return (self.number - 1) * self.per_page

    def result_info(self, count: int, total_count: int) -> dict[str, Any]:
        """Return the client's position in the list.

        Args:
            count: the number of items on this page.
            total_count: the number of items on all pages.

        >>> Page(2, 10).result_info(3, 13)["total_pages"]
        2
        """
        return {
            "count": count,
            "page": self.number,
            "per_page": self.per_page,
            "total_count": total_count,
            "total_pages": -(-total_count // self.per_page),
        }


def read_page(query: QueryParams) -> Page:
    """Return the page that a request asks for; the first page if it names none.

    Raises: Invalid: one fault for each of `page` and `per_page` that is not a whole number within its bounds.
    """
    faults: list[Fault] = []
    number = _number(query, "page", 1, MAX_PAGE, faults=faults)
    per_page = _number(query, "per_page", PER_PAGE, MAX_PER_PAGE, faults=faults)
    if faults:
        raise Invalid(faults)
    return Page(number, per_page)


def read_page_if_asked(query: QueryParams) -> Page | None:
    """Return the page that a request asks for; None if it names neither `page` nor `per_page`.

    Raises: Invalid: as `read_page`.
    """
    return read_page(query) if "page" in query or "per_page" in query else None


def part_of(found: Sequence[T], page: Page | None) -> tuple[Sequence[T], dict[str, Any] | None]:
    """Return the items of *page* of a whole list and its `result_info`; without a page the list and None."""
    if page is None:
        return found, None
    part = found[page.offset : page.offset + page.per_page]
    return part, page.result_info(len(part), len(found))


def _number(query: QueryParams, name: str, default: int, largest: int, faults: list[Fault]) -> int:
    text = query.get(name)
    if text is None:
        return default
    # Eight digits hold every number that is taken; int() of a longer text could take long or refuse.
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 8 else 0
    if not 1 <= number <= largest:
        faults.append(Fault(FaultKind.WRONG_VALUE, "", f"{name}: must be a whole number from 1 to {largest:,}"))
    return number


def read_cursor(query: QueryParams, decoder: msgspec.json.Decoder[T]) -> T | None:
    """Return the place after which the requested part starts; None: at the beginning.

    Args:
        decoder: accepts only places that can be compared with columns.

    Raises: Invalid: the cursor was not created by this API.
    """
    text = query.get("cursor")
    if not text:
        return None
    try:
        return decoder.decode(urlsafe_b64decode(text))
    except ValueError:
        message = "cursor: must be the cursor in result_info of the previous response; omit it to get the first page"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None


def cursor_of(place: object) -> str:
    """Return the cursor for the part that starts after *place*."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()
