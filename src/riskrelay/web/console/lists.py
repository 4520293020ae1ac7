"""One mechanism for every list: search, filters, sort and page are in the URL, and the same rows can be downloaded.

A list that fits in memory is a `ListOf`, which does everything. A list that the store reads in pages filters in its
query, and describes its page with `page_of`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from starlette.responses import Response

from riskrelay.web.console.csv_files import CSV_ROWS, csv_response
from riskrelay.web.console.paging import PAGE
from riskrelay.web.console.visits import Visit

T = TypeVar("T")

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A filter with a few values.

    Attributes:
        name: its name in the URL.
        words: what a page says for each value; the value "" filters nothing.
    """

    name: str
    label: str
    words: Mapping[str, str]

    def chosen(self, query: Mapping[str, str]) -> str:
        """Return the value in the URL; "" for an unknown value."""
        value = query.get(self.name, "")
        return value if value in self.words else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChoice:
    """A filter, as a page shows it."""

    name: str
    label: str
    words: Mapping[str, str]
    chosen: str


_SPANS = {
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
TIME_RANGE = Choice(
    name="since", label="Time range", words={"": "any time", **{name: words for name, (words, _) in _SPANS.items()}}
)


def since_of(query: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the start of the time range in the URL; None: any time."""
    chosen = TIME_RANGE.chosen(query)
    return now - _SPANS[chosen][1] if chosen else None


def search_of(visit: Visit) -> str:
    """Return the searched text. NUL is dropped, because no column can be compared with it."""
    return visit.query.get("q", "").replace("\0", "").strip()


def wants_csv(visit: Visit) -> bool:
    """Return whether the request asks for the list as a file."""
    return visit.query.get("format") == "csv"


def limit_of(visit: Visit) -> int:
    """Return the number of rows that a page or file may need: one more than it shows."""
    return (CSV_ROWS if wants_csv(visit) else PAGE) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[T]):
    """A column of a list, as a file has it.

    Attributes:
        value: the cell of a row: a text, a number, an aware time or None.
        sort: its name in the URL; empty: the list can't be sorted by it.
        is_largest_first: whether the first click on the head sorts the largest values first.
    """

    title: str
    value: Callable[[T], object]
    sort: str = ""
    is_largest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """The head of a column that sorts the list.

    Attributes:
        toggled: the value in the URL after a click.
        direction: the current direction (aria-sort); empty: the list is sorted by another column.
    """

    toggled: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Generic[T]):
    """One page of a list.

    Attributes:
        search: the searched text; None: the list can't be searched.
        sort: the sort in the URL; empty: the list's own order.
        start: the number of rows before this page.
        matching: the number of rows that match; None: unknown.
        more_match: whether more rows match than *matching*, because counting has stopped.
        total: the number of all rows; None: unknown.
        first, previous, next: the changes of the URL that lead to these pages; empty: there is no such page.
    """

    path: str
    rows: Sequence[T]
    search: str | None = None
    placeholder: str = ""
    choices: Sequence[ShownChoice] = ()
    sort: str = ""
    sorts: Mapping[str, Sort] = field(default_factory=dict)
    start: int = 0
    matching: int | None = None
    more_match: bool = False
    total: int | None = None
    first: Mapping[str, str] = field(default_factory=dict)
    previous: Mapping[str, str] = field(default_factory=dict)
    next: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_filtered(self) -> bool:
        """Whether the list has a search or a filter."""
        return bool(self.search) or any(one.chosen for one in self.choices)

    def shown_text(self, noun: str) -> str:
        """Return which rows of how many a page shows.

        Args:
            noun: the plural of what a row is; "es" and "s" are its only endings.

        >>> View(path="", rows=range(50), start=50, matching=312, total=312).shown_text("users")
        '51–100 of 312 users'
        >>> View(path="", rows=range(50), matching=10_000, more_match=True).shown_text("users")
        '1–50 of more than 10,000 users'
        >>> View(path="", rows=range(3), matching=3, total=312, search="kai").shown_text("users")
        '3 of 312 users match'
        >>> View(path="", rows=range(50), next={"after": "x"}).shown_text("users")
        '1–50, more users follow'
        """
        end = self.start + len(self.rows)
        if not self.rows and (self.matching is None or self.next):
            return f"No {noun} here" if self.first or self.next else ""
        if self.matching is None:
            more = f", more {noun} follow" if self.next else f" {noun}" if not self.start else f", the last {noun}"
            return f"{self.start + 1:,}–{end:,}{more}" if self.start or self.next else f"{end:,}{_of(end, noun)}"
        if end - self.start < self.matching:
            more = "more than " if self.more_match else ""
            return f"{self.start + 1:,}–{end:,} of {more}{self.matching:,} {noun}"
        if self.is_filtered and self.total is not None:
            return f"{self.matching:,} of {self.total:,} {noun} {'matches' if self.matching == 1 else 'match'}"
        return f"{self.matching:,}{_of(self.matching, noun)}"


def page_of(
    visit: Visit,
    rows: Sequence[T],
    older: str | None,
    *,
    choices: Sequence[Choice] = (),
    placeholder: str = "",
    total: int | None = None,
    counted_to: int | None = None,
) -> View[T]:
    """Describe a page that the store has read.

    Args:
        older: the position after which the next page starts; None: this is the last page.
        placeholder: what can be searched; empty: the list can't be searched.
        total: the number of all rows that match, if it is known.
        counted_to: where counting stops, so that a larger *total* means more than this; None: all are counted.
    """
    more_match = total is not None and counted_to is not None and total > counted_to
    start = _row_number(visit) if visit.query.get("after") else 0
    return View(
        path=visit.request.url.path,
        rows=rows,
        search=search_of(visit) if placeholder else None,
        placeholder=placeholder,
        choices=_shown(visit, choices),
        start=start,
        matching=counted_to if more_match else total,
        more_match=more_match,
        total=None,
        first={"after": ""} if visit.query.get("after") else {},
        next={} if older is None else {"after": older, "row": str(start + len(rows))},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Generic[T]):
    """A list that fits in memory: an account has thousands of these at most, and they are small.

    Attributes:
        name: the name of the file.
        words: the texts of a row in which a search finds it.
        placeholder: what can be searched; empty: the list can't be searched.
        fits: whether a row passes a filter, by the filter's name; called with the row and the chosen value.
        time: the time of a row for the time range; None: the list has no time range.
    """

    name: str
    columns: Sequence[Column[T]]
    words: Callable[[T], Iterable[str]] = lambda row: ()
    placeholder: str = ""
    choices: Sequence[Choice] = ()
    fits: Mapping[str, Callable[[T, str], bool]] = field(default_factory=dict)
    time: Callable[[T], datetime | None] | None = None

    def view(self, visit: Visit, rows: Sequence[T], now: datetime) -> View[T]:
        """Return the page that the URL asks for."""
        found = self._matching(visit, rows, now)
        last = max(-(-len(found) // PAGE), 1)
        number = min(_page_number(visit), last)
        start = (number - 1) * PAGE
        sort = visit.query.get("sort", "")
        sorts = {one.title: _sort(one, sort) for one in self.columns if one.sort}
        return View(
            path=visit.request.url.path,
            rows=found[start : start + PAGE],
            search=search_of(visit) if self.placeholder else None,
            placeholder=self.placeholder,
            choices=_shown(visit, self._all_choices()),
            sort=sort if any(one.direction for one in sorts.values()) else "",
            sorts=sorts,
            start=start,
            matching=len(found),
            total=len(rows),
            first={"page": ""} if number > 2 else {},
            previous={"page": str(number - 1)} if number > 1 else {},
            next={"page": str(number + 1)} if number < last else {},
        )

    def csv(self, visit: Visit, rows: Sequence[T], now: datetime) -> Response:
        """Return all rows that match as a file."""
        found = self._matching(visit, rows, now)
        return csv_response(self.name, {one.title: one.value for one in self.columns}, found)

    def _all_choices(self) -> Sequence[Choice]:
        return self.choices if self.time is None else [*self.choices, TIME_RANGE]

    def _matching(self, visit: Visit, rows: Sequence[T], now: datetime) -> list[T]:
        search, since = search_of(visit).casefold() if self.placeholder else "", since_of(visit.query, now)
        found = list(rows)
        if search:
            found = [row for row in found if any(search in text.casefold() for text in self.words(row))]
        for choice in self.choices:
            value = choice.chosen(visit.query)
            if value:
                found = [row for row in found if self.fits[choice.name](row, value)]
        if self.time is not None and since is not None:
            time = self.time
            found = [row for row in found if (time(row) or _EARLIEST) >= since]
        return self._sorted(found, visit.query.get("sort", ""))

    def _sorted(self, rows: list[T], sort: str) -> list[T]:
        column = next((one for one in self.columns if one.sort and one.sort == sort.removeprefix("-")), None)
        if column is None:
            return rows
        return sorted(rows, key=lambda row: _order(column.value(row)), reverse=sort.startswith("-"))


def _shown(visit: Visit, choices: Sequence[Choice]) -> list[ShownChoice]:
    return [
        ShownChoice(name=one.name, label=one.label, words=one.words, chosen=one.chosen(visit.query)) for one in choices
    ]


def _sort(column: Column[Any], sort: str) -> Sort:
    rising, falling = column.sort, f"-{column.sort}"
    if sort == rising:
        return Sort(toggled=falling, direction="ascending")
    if sort == falling:
        return Sort(toggled=rising, direction="descending")
    return Sort(toggled=falling if column.is_largest_first else rising, direction="")


def _order(value: Any) -> tuple[bool, Any]:
    """Return the sort key of a cell: None is the smallest, and letter case does not matter."""
    return (value is not None, value.casefold() if isinstance(value, str) else value)


def _page_number(visit: Visit) -> int:
    return max(_number(visit, "page"), 1)


def _row_number(visit: Visit) -> int:
    """Return how many rows the pages before this one had. A page of a rare state may have had few."""
    return _number(visit, "row")


def _number(visit: Visit, name: str) -> int:
    text = visit.query.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0


def _of(count: int, noun: str) -> str:
    """Return the noun after a count, in the singular after 1.

    >>> _of(2, "users"), _of(1, "users"), _of(1, "entries"), _of(1, "deliveries")
    (' users', ' user', ' entry', ' delivery')
    """
    if count != 1:
        return f" {noun}"
    return f" {noun[:-3]}y" if noun.endswith("ies") else f" {noun.removesuffix('s')}"
