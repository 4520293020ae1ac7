"""Places in long lists."""

import pytest

from riskrelay.web.console.paging import PAGE, Count, Moment, Text, place_of, read_place, split
from support.services import NOON


def test_a_place_is_read_as_it_was_written() -> None:
    """Time, number and text."""
    assert read_place(place_of(3, NOON, "id"), tuple[Count, Moment, Text]) == (3, NOON, "id")


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "nonsense", "====", place_of(1)),
        *(place_of(-1, NOON, "id"), place_of(2**40, NOON, "id"), place_of(1, NOON, "a\0b")),
        *(place_of(1, "2026-03-17T12:00:00", "id"), place_of(1, NOON, 7), place_of("1", NOON, "id")),
    ],
)
def test_an_invalid_position_means_the_first_page(text: str | None) -> None:
    """Also what looks like one and no column could be compared with: without a time zone, too large, with NUL."""
    assert read_place(text, tuple[Count, Moment, Text]) is None


def test_a_page_knows_whether_there_is_more() -> None:
    """One more than a page is asked for."""
    assert split(range(PAGE)) == (range(PAGE), None)
    assert split(range(PAGE + 1)) == (range(PAGE), PAGE - 1)
