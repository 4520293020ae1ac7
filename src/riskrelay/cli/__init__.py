"""The `riskrelay` command."""

import io
import sys
from typing import Annotated

import typer

from riskrelay.cli.tree import Root

app = typer.Typer(
    name="riskrelay",
    cls=Root,
    help="Turn risk findings into risk levels, and send signed security events to receivers.",
    no_args_is_help=True,
    rich_markup_mode=None,  # to import Rich takes longer than all other work of `--help`
    context_settings={"max_content_width": 120},
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from riskrelay.cli.output import say

        say("riskrelay {}", version("riskrelay"))
        raise typer.Exit


@app.callback()
def _with_version(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn risk findings into risk levels, and send signed security events to receivers."""


def main() -> None:
    """Run the command line; a user's mistake or a broken environment ends it with one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every character
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception:  # noqa: BLE001  it is raised again, with its explanation
        from riskrelay.cli.output import explained

        try:
            with explained():
                raise
        except typer.Exit as ended:
            sys.exit(ended.exit_code)
