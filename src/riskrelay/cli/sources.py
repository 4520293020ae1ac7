"""Commands about sources: where signals come from."""

import typer

from riskrelay.cli.source_try import try_events

app = typer.Typer(help="Sources: where signals come from.", no_args_is_help=True)
app.command("try", epilog="Example: riskrelay source try --kind okta_system_log events.json")(try_events)
