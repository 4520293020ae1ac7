"""What commands print: for people by default, JSON on request, errors with the next step."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from riskrelay.errors import RiskrelayError

console = Console()
errors = Console(stderr=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def fail(message: str, code: int = 1) -> NoReturn:
    """Say on standard error what is wrong and what to do, and end with *code*."""
    errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the domain into a message and exit code 1."""
    try:
        yield
    except RiskrelayError as error:
        fail(str(error) or type(error).__name__)


def show(data: Any, as_json: bool, render: Callable[[], None]) -> None:
    """Print *data* as one line of JSON, or let *render* show it to a person."""
    if as_json:
        sys.stdout.write(json.dumps(data) + "\n")
        sys.stdout.flush()  # whoever follows reads a pipe
    else:
        render()


def print_table(rows: list[dict[str, Any]]) -> None:
    """Show rows that have the same members to a person."""
    if not rows:
        console.print("None.")
        return
    table = Table()
    for name in rows[0]:
        table.add_column(name, overflow="fold", no_wrap=name.endswith("id"))  # an id is there to be copied
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
    console.print(table)
