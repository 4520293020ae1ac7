"""The option `--output`, and CSV."""

import csv
import inspect
import io
import json
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer


class OutputFormat(StrEnum):
    """The forms of what a command prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


OutputOption = Annotated[
    OutputFormat | None, typer.Option("--output", "-o", help="The format: table, json or csv. Default: table.")
]

_format = ContextVar("_format", default=OutputFormat.TABLE)
_header: ContextVar[tuple[str, ...]] = ContextVar("_header", default=())

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # OWASP, CSV injection


def chosen_format() -> OutputFormat:
    """Return the format of the running command."""
    return _format.get()


def prints_data(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command that has `--json`: give it `--output`."""
    signature = inspect.signature(command)
    option = inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=OutputOption)

    @wraps(command)
    def run(*, output: OutputFormat | None, **given: Any) -> None:
        if given["as_json"] and output not in (None, OutputFormat.JSON):
            raise typer.BadParameter("give either --json or --output")
        wanted = OutputFormat.JSON if given["as_json"] else output or OutputFormat.TABLE
        _format.set(wanted)
        _header.set(())
        command(**{**given, "as_json": wanted is not OutputFormat.TABLE})

    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "output": OutputOption}
    return run


def all_print_data(app: typer.Typer) -> typer.Typer:
    """Give each command of *app* that has `--json` the option `--output`, too."""
    for command in app.registered_commands:
        if command.callback is not None:
            names = inspect.signature(command.callback).parameters
            if "as_json" in names and "output" not in names:
                command.callback = prints_data(command.callback)
    return app


def next_csv(data: Any) -> str:
    """Return *data* as CSV, without the header if the command has printed the same one before."""
    names = _names(_rows(data))
    written = csv_of(data, with_header=names != _header.get())
    _header.set(names)
    return written


def csv_of(data: Any, *, with_header: bool = True) -> str:
    r"""Return *data* as CSV with a header. Rule: RFC 4180.

    A text that a spreadsheet would take for a formula gets an apostrophe before it. Lists and objects are JSON.

    Args:
        data: a list of objects, objects by id, or one object.

    >>> csv_of([{"id": "1", "name": "=1+1", "tags": ["a"], "level": None}])
    'id,name,tags,level\r\n1,\'=1+1,"[""a""]",\r\n'
    """
    rows = _rows(data)
    names = _names(rows)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    if names and with_header:
        writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return written.getvalue()


def _names(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _rows(data: Any) -> list[dict[str, Any]]:
    if isinstance(data, list):
        return [one if isinstance(one, dict) else {"value": one} for one in data]
    if not isinstance(data, dict):
        return [{"value": data}]
    if data and all(isinstance(one, dict) for one in data.values()):
        return [{"id": name, **one} for name, one in data.items()]
    return [dict(data)] if data else []


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return json.dumps(value, ensure_ascii=False)
