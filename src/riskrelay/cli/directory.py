"""Commands on the directory, over the API."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import typer

from riskrelay.cli.api import AccountOption, Api, ApiError, calls_service, with_api
from riskrelay.cli.directory_files import Batch, batches
from riskrelay.cli.output import JsonFlag, errors, fail, print_table, say, show
from riskrelay.core.errors import member_name
from riskrelay.core.sources.directory import NAME_KINDS

_SHOWN_FAULTS = 10
_IMPORT_SECONDS = 60.0  # guessed: thousands of entries on a busy machine

app = typer.Typer(
    help="Directory: maps other names of users and their devices to e-mail addresses.",
    no_args_is_help=True,
)

_KindOption = Annotated[str | None, typer.Option("--kind", help=f"One of {', '.join(NAME_KINDS)}.")]


@app.command("import", epilog="Example: riskrelay directory import users.csv")
@calls_service(_IMPORT_SECONDS)
def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV or NDJSON file of any size.")
    ],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Add the entries of a file, or overwrite those of the same names. Running it again changes nothing."""
    totals = {"accepted": 0, "added": 0}

    def send_all(api: Api) -> None:
        for batch in batches(file):
            for name, count in _send(api, batch, totals["accepted"]).items():
                totals[name] += count

    try:
        with_api(account, send_all)
    except KeyboardInterrupt:
        say("\nStopped after {:,} entries. To resume, run the same command again.", totals["accepted"], to=errors)
        raise typer.Exit(130) from None
    show(totals, as_json, lambda: say("{:,} entries imported; {:,} names are new.", *totals.values()))


def _send(api: Api, batch: Batch, before: int) -> dict[str, int]:
    body = b"\n".join(map(msgspec.json.encode, batch.entries))
    try:
        result: dict[str, int] = api.call("PUT", "/directory", body, content_type="application/x-ndjson")
    except ApiError as error:
        if error.status != 400:
            raise
        faults = [_in_file(fault, batch) for fault in error.errors]
        more = [] if len(faults) <= _SHOWN_FAULTS else [f"and {len(faults) - _SHOWN_FAULTS:,} more"]
        fail(f"the first {before:,} entries were imported, and no entry behind them:", *faults[:_SHOWN_FAULTS], *more)
    return result


def _in_file(fault: dict[str, Any], batch: Batch) -> str:
    """A fault of a batch, at its line of the file."""
    pointer = fault["source"]["pointer"]
    place, _, member = pointer.removeprefix("/").partition("/")
    if not place.isdigit():
        return str(fault["message"])
    message = fault["message"].removeprefix(f"{member_name(pointer)}: ")  # which counts entries, not lines
    return f"line {batch.lines[int(place)]:,}{f', {member}' if member else ''}: {message}"


@app.command("list", epilog="Example: riskrelay directory list --kind host")
def list_all(
    kind: _KindOption = None,
    email: Annotated[str | None, typer.Option(help="Only the names of this user.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most this many entries.")] = 100,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List entries in the order of their kinds and names."""
    query = {name: text for name, text in {"kind": kind, "email": email}.items() if text is not None}
    found = with_api(account, lambda api: api.newest("/directory", query, limit))
    show(found, as_json, lambda: print_table(found))


@app.command("lookup", epilog="Example: riskrelay directory lookup laptop-7")
def look_up(
    name: Annotated[str, typer.Argument(help="A name of any kind.")],
    kind: _KindOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show the users with a name."""
    query = urlencode({"name": name} if kind is None else {"name": name, "kind": kind})
    found = with_api(account, lambda api: api.call("GET", f"/directory?{query}"))
    show(found, as_json, lambda: print_table(found, "The directory does not have this name."))


@app.command("missed", epilog="Example: riskrelay directory missed")
def missed(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List names without a directory entry. Signals with only these names are lost."""
    found = with_api(account, lambda api: api.call("GET", "/directory/missed"))
    show(found, as_json, lambda: print_table(found, "No signal was lost because of an unknown name."))


@app.command("delete", epilog="Example: riskrelay directory delete laptop-7 --kind host")
def delete(
    name: Annotated[str | None, typer.Argument(help="The name to delete.")] = None,
    kind: _KindOption = None,
    all_entries: Annotated[bool, typer.Option("--all", help="Delete every entry.")] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Delete one entry, or all of them. Findings stay with their users."""
    if all_entries == (name is not None) or (name is None) != (kind is None):
        raise typer.BadParameter("give a name with --kind, or --all alone")
    query = urlencode({"all": "true"} if all_entries else {"kind": str(kind), "name": str(name)})
    result = with_api(account, lambda api: api.call("DELETE", f"/directory?{query}"))
    show(result, as_json, lambda: say("{:,} entries deleted.", result["deleted"]))
