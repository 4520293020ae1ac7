"""Lists: search, filters, sort, time range and page of the URL, and the file."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.web.console.csv_files import CSV_ROWS
from riskrelay.web.console.lists import Choice, Column, ListOf, View, limit_of, page_of
from riskrelay.web.console.paging import PAGE
from riskrelay.web.console.visits import Visit
from support.services import NOON


@dataclass(frozen=True)
class Row:
    name: str
    size: int | None
    at: datetime | None = None


ROWS = [Row("beta", 2, NOON), Row("Alpha", None), Row("gamma", 10, NOON - timedelta(days=2))]
LIST: ListOf[Row] = ListOf(
    name="rows",
    columns=(
        Column(title="Name", value=lambda row: row.name, sort="name"),
        Column(title="Size", value=lambda row: row.size, sort="size", is_largest_first=True),
        Column(title="At", value=lambda row: row.at),
    ),
    words=lambda row: (row.name,),
    placeholder="Name contains",
    choices=(Choice(name="kind", label="Kind", words={"": "any", "big": "big"}),),
    fits={"kind": lambda row, word: (row.size or 0) > 5},
    time=lambda row: row.at,
)


def visit(**query: str) -> Visit:
    """A visit of a list with these filters."""
    scope = {"type": "http", "path": "/console/rows", "query_string": urlencode(query).encode(), "headers": []}
    session = cast(Any, None)
    return Visit(
        request=Request(scope), session=session, account_id=None, csrf="", actor=COMMAND_LINE, form=ImmutableMultiDict()
    )


def names(view: View[Row]) -> list[str]:
    return [row.name for row in view.rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["beta", "Alpha", "gamma"]),
        ({"q": "ALPH"}, ["Alpha"]),
        ({"q": "a", "kind": "big"}, ["gamma"]),
        ({"kind": "unheard"}, ["beta", "Alpha", "gamma"]),
        ({"since": "24h"}, ["beta"]),
        ({"since": "7d"}, ["beta", "gamma"]),
        ({"sort": "name"}, ["Alpha", "beta", "gamma"]),
        ({"sort": "-size"}, ["gamma", "beta", "Alpha"]),
        ({"sort": "size"}, ["Alpha", "beta", "gamma"]),
        ({"sort": "secret"}, ["beta", "Alpha", "gamma"]),
    ],
)
def test_the_url_decides_the_rows(query: dict[str, str], expected: list[str]) -> None:
    """Search ignores letter case; an unknown value of a filter or sort changes nothing; None is the smallest."""
    assert names(LIST.view(visit(**query), ROWS, NOON)) == expected


def test_a_page_knows_its_neighbors() -> None:
    """The first page has none before it, the last none after it, and a number beyond the last is the last."""
    rows = [Row(f"{number:03}", number) for number in range(2 * PAGE + 1)]
    first, second, last = (LIST.view(visit(page=page), rows, NOON) for page in ("", "2", "99"))
    assert (first.previous, first.next, first.shown_text("rows")) == ({}, {"page": "2"}, f"1–50 of {len(rows)} rows")
    assert (second.previous, second.next) == ({"page": "1"}, {"page": "3"})
    assert (names(last), last.next, last.first) == ([f"{2 * PAGE:03}"], {}, {"page": ""})
    for strange in ("-1", "0", "x", "²", "9" * 40):
        assert names(LIST.view(visit(page=strange), rows, NOON))[0] == "000"


def test_the_head_of_a_column_turns_the_sort_around() -> None:
    """The first click sorts names from A and sizes from the largest."""
    sorts = LIST.view(visit(sort="-size"), ROWS, NOON).sorts
    assert (sorts["Name"].toggled, sorts["Name"].direction) == ("name", "")
    assert (sorts["Size"].toggled, sorts["Size"].direction) == ("size", "descending")
    assert "At" not in sorts
    assert LIST.view(visit(), ROWS, NOON).sorts["Size"].toggled == "-size"


def test_a_file_has_every_row_that_matches() -> None:
    """And not only those of the page; formulas are text."""
    rows = [Row(f"=cmd{number}", number) for number in range(PAGE + 5)]
    answer = LIST.csv(visit(kind="big", format="csv"), rows, NOON)
    found = list(csv.reader(io.StringIO(bytes(answer.body).decode())))
    assert found[0] == ["Name", "Size", "At"]
    assert found[1] == ["'=cmd6", "6", ""]
    assert len(found) == PAGE + 5 - 6 + 1
    assert answer.headers["content-disposition"] == 'attachment; filename="rows.csv"'


def test_a_file_that_is_cut_says_so_in_its_name() -> None:
    """A reader of the file can't miss it."""
    answer = LIST.csv(visit(), [Row("x", 1)] * (CSV_ROWS + 1), NOON)
    assert bytes(answer.body).count(b"\n") == CSV_ROWS + 1
    assert f"rows-first-{CSV_ROWS}.csv" in answer.headers["content-disposition"]


def test_a_page_that_the_store_read_counts_on() -> None:
    """The next page knows how many rows came before it, also after a short page, so that it can say which it shows."""
    rows = [Row(str(number), number) for number in range(PAGE)]
    assert page_of(visit(), rows[:7], "x").next == {"after": "x", "row": "7"}
    third = page_of(visit(after="y", row="57"), rows[:3], None)
    assert third.shown_text("rows") == "58–60, the last rows"
    assert page_of(visit(after="y", row="57"), [], "z", total=70).shown_text("rows") == "No rows here"
    second = page_of(visit(after="x", row="50"), rows, "y", placeholder="Name")
    assert second.shown_text("rows") == "51–100, more rows follow"
    assert (second.next, second.first) == ({"after": "y", "row": "100"}, {"after": ""})
    assert page_of(visit(row="7"), rows[:3], None).shown_text("rows") == "3 rows"
    assert page_of(visit(), rows, "y", total=70).shown_text("rows") == "1–50 of 70 rows"
    assert (limit_of(visit()), limit_of(visit(format="csv"))) == (PAGE + 1, CSV_ROWS + 1)
