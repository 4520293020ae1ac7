"""The audit log, over the API."""

from datetime import datetime
from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, with_api
from riskrelay.cli.output import JsonFlag, say, show
from riskrelay.core.audit import Kind

app = typer.Typer(help="The audit log: every change, its actor, time and address.", no_args_is_help=True)


@app.command("list", epilog="Example: riskrelay audit list --kind integration --limit 20")
def list_entries(
    kind: Annotated[Kind | None, typer.Option(help="Show only changes to objects of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of entries.")] = 100,
    installation: Annotated[
        bool, typer.Option("--installation", help="Show the installation's log instead of an account's.")
    ] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List entries, newest first. Requires a token with the operate scope."""
    query = {} if kind is None else {"kind": kind.value}
    if installation:
        entries = with_api(None, lambda api: api.newest("/installation/audit", query, limit))
    else:
        entries = with_api(account, lambda api: api.newest("/audit", query, limit))

    def render() -> None:
        for entry in entries:
            say("{}", _line(entry))
        if not entries:
            say("No entries.")

    show(entries, as_json, render)


def _line(entry: dict[str, Any]) -> str:
    at = datetime.fromisoformat(entry["at"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    who = entry["actor"]
    place = f" from {who['address']}" if who["address"] is not None else ""
    note = "" if entry.get("note") is None else f": {entry['note']}"
    return f"{at}  {entry['verb']} {entry['kind']} {entry['thing_id']} by {who['name']}{place}{note}"
