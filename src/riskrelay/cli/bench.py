"""`riskrelay bench`: what this machine bears with this product."""

from typing import Annotated

import typer

from riskrelay.cli.output import JsonFlag, explained, fail


def bench(
    postgres: Annotated[
        str | None,
        typer.Option(help="Measure on this PostgreSQL server too (a URL), in a database that is dropped again."),
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.001, max=100, help="How much of everything: half of it takes about half the time.")
    ] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Measure what this machine bears with this product: about a minute on a temporary SQLite database.

    Service, workers and receiver are processes of their own, signatures are real, and everything is durable. Beside the
    figures stands what the machine itself bears, measured in the same run. The database is in the directory for
    temporary files (TMPDIR): set it to a directory on the disk that you want to know about.
    """
    from riskrelay.bench.processes import ProcessFailed
    from riskrelay.bench.running import run_bench

    try:
        with explained():
            run_bench(postgres, scale, as_json)
    except ProcessFailed as error:
        fail(*str(error).splitlines())
