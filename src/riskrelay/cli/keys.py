"""Commands on the signing keys, over the API."""

from typing import Annotated

import typer

from riskrelay.cli.api import calls_service, with_api
from riskrelay.cli.output import JsonFlag, print_table, show

app = typer.Typer(
    help="Signing keys: what receivers verify with; needs a token of the installation.", no_args_is_help=True
)


@app.command("list", epilog="Example: riskrelay key list --json")
@calls_service()
def list_all(as_json: JsonFlag = False) -> None:
    """List the published keys: those that sign, those that will, those that did."""
    keys = with_api(None, lambda api: api.call("GET", "/installation/keys"))
    show(keys, as_json, lambda: print_table(keys))


@app.command("rotate", epilog="Example: riskrelay key rotate")
@calls_service()
def rotate(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Also when receivers may not have the next keys yet: a key has leaked.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let the next keys sign; the old ones stay published as long as an event may be on its way."""
    body = {"at_once": at_once}
    keys = with_api(None, lambda api: api.call("POST", "/installation/keys/rotate", body))
    show(keys, as_json, lambda: print_table(keys))
