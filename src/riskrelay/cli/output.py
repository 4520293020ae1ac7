"""What commands print: for people by default, JSON or CSV on request, errors with the next step."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from riskrelay.cli.formats import OutputFormat, chosen_format, next_csv
from riskrelay.core.errors import RiskrelayError

console = Console()
errors = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_COPIED = ("id", "jti", "kid", "token_id", "user_id", "account_id")  # a line break would get in the way
_WRAPPED_WIDTH = 24  # chosen: a column of words stays readable

DROPPED_FIRST = (
    *("description", "duplicates", "ignored", "activity", "findings", "duration_ms", "users_skipped", "event_count"),
    *(
        "integration_type",
        "scopes",
        "created_at",
        "detail",
        "attempts",
        "last_used_at",
        "kind",
        "refused",
        "tenant_url",
    ),
    *("last_event_at", "last_event", "started_at", "ends_at", "reason", "expires_at", "name", "behavior", "active"),
)
"""The columns that a table leaves out, in this order, until it fits the terminal. Others are never left out."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def visible(value: object) -> str:
    r"""Return *value* as text in which every character can be seen.

    A terminal obeys control characters, and some invisible characters change the order of the text around them, so
    both are shown as escapes.

    >>> print(visible("kai\x1b[2J\u202e@example.com"))
    kai\x1b[2J\u202e@example.com
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text(template: str, *values: object) -> Text:
    """Fill *template* with *values*.

    Args:
        template: markup of our own, such as `[bold]{}[/] has {:,} events`. A placeholder has a format or none.
        values: one for each placeholder. They are never read as markup, and `visible`.
    """
    remaining = iter(values)
    filled = Text()
    marked = Text.from_markup(template, emoji=False)
    edges = [edge for found in _PLACEHOLDER.finditer(marked.plain) for edge in found.span()]
    for piece in marked.divide(edges):
        placeholder = _PLACEHOLDER.fullmatch(piece.plain)
        if placeholder is None:
            filled.append_text(piece)
        else:
            value = Text(visible(format(next(remaining), placeholder[1].removeprefix(":"))), piece.style)
            for span in piece.spans:
                value.stylize(span.style)
            filled.append_text(value)
    return filled


def say(template: str, *values: object, to: Console | None = None) -> None:
    """Print one line for a person; see `text`.

    Args:
        to: None: standard output.
    """
    (to or console).print(text(template, *values), soft_wrap=True, highlight=False)


def fail(message: str, *more: str) -> NoReturn:
    """Print the problem and the remedy on standard error, and end with exit code 1.

    Args:
        more: further lines.
    """
    say("[bold red]error:[/] {}", message, to=errors)
    for line in more:
        say("  {}", line, to=errors)
    raise typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the domain and of the system into a message and exit code 1.

    A bug in riskrelay is not among them, and keeps its traceback.
    """
    try:
        yield
    except RiskrelayError as error:
        fail(str(error) or type(error).__name__)
    except BrokenPipeError:
        raise  # the reader has left, as `head` does: nothing is wrong
    except OSError as error:
        fail(_of_system(error))
    except UnicodeError:
        fail("a value is not valid Unicode text; encode it as UTF-8")


def _of_system(error: OSError) -> str:
    """What the operating system refused.

    >>> _of_system(FileNotFoundError(2, "No such file or directory", "/nope/x.db"))
    '/nope/x.db: No such file or directory'
    """
    said = error.strerror or str(error) or type(error).__name__
    return said if error.filename is None else f"{error.filename}: {said}"


def show(data: Any, as_json: bool, render: Callable[[], None]) -> None:
    """Print *data* as one line of JSON or as CSV, or let *render* show it to a person."""
    if as_json and chosen_format() is OutputFormat.CSV:
        sys.stdout.write(next_csv(data))
    elif as_json:
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        render()
        return
    sys.stdout.flush()  # for a program that reads a pipe


def print_table(rows: Sequence[dict[str, Any]], without: str = "No entries.") -> None:
    """Show rows that have the same members to a person; a value that is None is shown as nothing.

    The table fits the terminal: columns are left out in the order of DROPPED_FIRST, and words wrap. Ids stay whole.
    Where even they don't fit, each row is shown as lines.

    Args:
        without: said when there are no rows.
    """
    if not rows:
        say("{}", without)
        return
    cells = {name: ["" if row[name] is None else visible(row[name]) for row in rows] for name in rows[0]}
    hidden = _left_out(cells, console.width)
    shown = {name: column for name, column in cells.items() if name not in hidden}
    if _width(shown) > console.width:
        _print_lines(shown)
    else:
        table = Table()
        for name, column in shown.items():
            table.add_column(Text(visible(name)), overflow="fold", no_wrap=not _wraps(name, column))
        for row in zip(*shown.values(), strict=True):
            table.add_row(*map(Text, row))
        console.print(table)
    if hidden:
        say("[dim]Not shown: {}. A wider terminal or --output csv shows them.[/]", ", ".join(hidden), to=errors)


def _left_out(cells: dict[str, list[str]], width: int) -> list[str]:
    hidden: list[str] = []
    for name in DROPPED_FIRST:
        if _width({one: column for one, column in cells.items() if one not in hidden}) <= width:
            break
        if name in cells:
            hidden.append(name)
    return hidden


def _width(cells: dict[str, list[str]]) -> int:
    """Return the columns of the terminal that a table needs."""
    return 1 + sum(3 + _column_width(name, column) for name, column in cells.items())


def _column_width(name: str, column: list[str]) -> int:
    natural = max(cell_len(cell) for cell in (visible(name), *column))
    if not _wraps(name, column):
        return natural
    longest_word = max(cell_len(word) for cell in (visible(name), *column) for word in (cell.split() or [""]))
    return min(natural, max(_WRAPPED_WIDTH, longest_word))


def _wraps(name: str, column: list[str]) -> bool:
    """Return whether a column has words that may stand in several lines."""
    return name not in _COPIED and any(" " in cell for cell in column)


def _print_lines(cells: dict[str, list[str]]) -> None:
    for row in zip(*cells.values(), strict=True):
        for name, cell in zip(cells, row, strict=True):
            say("[bold]{}[/] {}", name, cell)
        say("")
