"""One of the processes of `serve --workers N`: the supervisor runs this module."""

import socket
from pathlib import Path
from typing import Annotated

import typer

from riskrelay.cli import interpreter


def main(
    number: int,
    directory: Path,
    lifeline: int,
    host: str,
    port: int,
    no_delivery: Annotated[bool, typer.Option("--no-delivery")] = False,
) -> None:
    """Serve as process *number*."""
    interpreter.begin()
    from riskrelay.cli.logs import configure_logs
    from riskrelay.cli.output import explained
    from riskrelay.cli.serving import Shared, serve
    from riskrelay.settings import read_settings
    from riskrelay.telemetry.siblings import Siblings

    with explained(), socket.socket(fileno=lifeline) as held:
        settings = read_settings(host=host, port=port)
        shared = Shared(Siblings(directory, number), held)
        serve(settings, configure_logs(settings.log_level), deliver=not no_delivery, shared=shared)


if __name__ == "__main__":
    typer.run(main)
