"""The audit log, over the API."""

import asyncio
from typing import Annotated, Any

import typer

from riskrelay.audit import Kind
from riskrelay.cli.api import AccountOption, with_api
from riskrelay.cli.output import JsonFlag, print_table, show

app = typer.Typer(help="The audit log: who changed what, when and from where.", no_args_is_help=True)


@app.command("list", epilog="Example: riskrelay audit list --kind integration --limit 20")
def list_entries(
    kind: Annotated[Kind | None, typer.Option(help="Only what was done to things of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    installation: Annotated[bool, typer.Option("--installation", help="The installation's own log.")] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List entries, newest first; needs a token with the scope operate."""
    query = {} if kind is None else {"kind": kind.value}
    if installation:
        read = with_api(None, lambda api: api.newest("/installation/audit", query, limit))
    else:
        read = with_api(account, lambda api: api.newest("/audit", query, limit))
    entries = asyncio.run(read)
    show(entries, as_json, lambda: print_table([_row(entry) for entry in entries]))


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    who = entry["actor"]
    what = f"{entry['verb']} {entry['kind']}"
    return {"at": entry["at"], "who": who["name"], "from": who["address"], "what": what, "id": entry["thing_id"]}
