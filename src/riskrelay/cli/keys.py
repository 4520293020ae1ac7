"""Commands on the signing keys, over the API."""

from typing import Annotated

import typer

from riskrelay.cli.api import calls_service, with_api
from riskrelay.cli.output import JsonFlag, errors, print_table, say, show

app = typer.Typer(
    help="Signing keys, which receivers verify events with. Requires an installation token.", no_args_is_help=True
)


@app.command("list", epilog="Example: riskrelay key list --json")
@calls_service()
def list_all(as_json: JsonFlag = False) -> None:
    """List the published keys: next, current and retired."""
    keys = with_api(None, lambda api: api.call("GET", "/installation/keys"))
    show(keys, as_json, lambda: print_table(keys))


@app.command("rotate", epilog="Example: riskrelay key rotate")
@calls_service()
def rotate(
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Rotate although receivers may not have fetched the next keys yet. Use it when a key has leaked.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Sign with the next keys from now on. Old keys stay published while events signed with them may still arrive."""
    body = {"at_once": at_once}
    keys = with_api(None, lambda api: api.call("POST", "/installation/keys/rotate", body))
    show(keys, as_json, lambda: print_table(keys))


@app.command("reseal", epilog="Example: riskrelay key reseal --json")
def reseal(as_json: JsonFlag = False) -> None:
    """Encrypt every stored secret again with the first master key, so that an old master key can be removed.

    The command uses the database directly. The service can keep running. Stop and repeat the command at any time.
    """
    import asyncio

    from riskrelay.settings import read_settings
    from riskrelay.wiring import installation

    settings = read_settings()

    async def run() -> tuple[int, list[str]]:
        await installation.require_schema(settings)
        return await installation.reseal(settings)

    count, unopened = asyncio.run(run())
    show({"resealed": count, "unopened": unopened}, as_json, lambda: _print_resealed(count, unopened))
    if unopened:
        raise typer.Exit(1)


def _print_resealed(count: int, unopened: list[str]) -> None:
    say("{} secrets were encrypted again with the first master key.", f"{count:,}")
    for row in unopened:
        say("No master key decrypts the secret of {}. It was left unchanged.", row, to=errors)
    if unopened:
        say(
            "Append the key that encrypted these secrets to RISKRELAY_MASTER_KEY, then run this command again.",
            to=errors,
        )
    else:
        say("You can now remove all keys after the first one from RISKRELAY_MASTER_KEY.")
