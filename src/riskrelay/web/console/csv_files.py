"""Lists as CSV files, safe to open in a spreadsheet and bounded."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from starlette.responses import Response

from riskrelay.web.console import formats

T = TypeVar("T")

CSV_ROWS = 5_000  # chosen: some 50 ms of CPU; the API and the CLI return everything
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_response(
    name: str, columns: Mapping[str, Callable[[T], object]], rows: Sequence[T], *, has_more: bool = False
) -> Response:
    """Return rows as a file. The file's name says so if there are more rows than a file may have.

    Args:
        columns: the value of a row in each column, by the column's title.
        has_more: whether rows are missing although the file has room.
    """
    shown = rows[:CSV_ROWS]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(value(row)) for value in columns.values()] for row in shown)
    file_name = f"{name}-first-{len(shown)}.csv" if has_more or len(rows) > len(shown) else f"{name}.csv"
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(text.getvalue(), headers=headers, media_type="text/csv")


def cell(value: object) -> str | int | float:
    """Return a value as a cell. A text that a spreadsheet would run as a formula gets an apostrophe before it.

    >>> cell("=HYPERLINK(0)"), cell(-7), cell(None), cell("kai")
    ("'=HYPERLINK(0)", -7, '', 'kai')
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return value
        case datetime():
            return formats.machine(value)
    text = str(value)
    # A spreadsheet drops leading spaces before it looks for a formula.
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
