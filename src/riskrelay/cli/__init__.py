"""The `riskrelay` command."""

import io
import sys
from typing import Annotated

import typer

from riskrelay.cli import (
    activity,
    audit,
    behaviors,
    bulk_resets,
    deliveries,
    detection,
    directory,
    exceptions,
    findings,
    integrations,
    keys,
    levels,
    networks,
    operating,
    receiver_credentials,
    sources,
    stores,
    tokens,
    trials,
    users,
)
from riskrelay.cli.api import all_call_service
from riskrelay.cli.bench import bench
from riskrelay.cli.demo import demo
from riskrelay.cli.doctor import doctor
from riskrelay.cli.output import explained, say
from riskrelay.cli.receiving import receive

app = typer.Typer(
    name="riskrelay",
    help="Turn risk findings into risk levels, and send signed security events to receivers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
operating.register(app)
stores.register(app)
app.command(epilog="Example: riskrelay doctor --json")(doctor)
app.command(epilog="Example: riskrelay demo --json")(demo)
app.command(epilog="Example: riskrelay bench --postgres postgresql://postgres@127.0.0.1/postgres --json")(bench)
app.command(epilog="Example: riskrelay receive --well-known http://127.0.0.1:8700/.well-known/sse-configuration/6f0c…")(
    receive
)
app.add_typer(tokens.app, name="token")
app.add_typer(all_call_service(audit.app), name="audit")
app.add_typer(all_call_service(integrations.app), name="integration")
app.add_typer(keys.app, name="key")
app.add_typer(all_call_service(receiver_credentials.app), name="credential")
app.add_typer(all_call_service(findings.app), name="finding")
app.add_typer(sources.app, name="source")
app.add_typer(all_call_service(users.app), name="user")
app.add_typer(all_call_service(bulk_resets.app), name="reset")
app.add_typer(activity.app, name="activity")
app.add_typer(all_call_service(detection.app), name="detection")
app.add_typer(all_call_service(networks.app), name="network")
app.add_typer(all_call_service(behaviors.app), name="behavior")
app.add_typer(all_call_service(exceptions.app), name="exception")
levels.app.command("try", epilog="Example: riskrelay level try --behavior imp_travel=low --days 30")(trials.try_rules)
app.add_typer(all_call_service(levels.app), name="level")
app.add_typer(all_call_service(directory.app), name="directory")
app.add_typer(all_call_service(deliveries.app), name="delivery")
app.add_typer(all_call_service(deliveries.replays), name="replay")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

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
        with explained():
            app()
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
