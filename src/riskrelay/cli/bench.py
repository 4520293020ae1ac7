"""`riskrelay bench`: measure the performance of riskrelay on this machine."""

from typing import Annotated

import typer

from riskrelay.cli.output import JsonFlag, explained, fail, show


def bench(
    postgres: Annotated[
        str | None,
        typer.Option(help="URL of a PostgreSQL server to measure as well, in a temporary database."),
    ] = None,
    scale: Annotated[
        float, typer.Option(min=0.001, max=100, help="Size of the workload. 0.5 takes about half as long as 1.")
    ] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Measure the performance of riskrelay on this machine. Takes about a minute on a temporary SQLite database.

    The service, the workers and the receiver run in separate processes, events are signed, and every write is durable.
    The results include the limits of the machine itself, measured in the same run. The database is in the directory
    for temporary files. To measure another disk, set TMPDIR to a directory on that disk.
    """
    from riskrelay.bench.processes import ProcessFailed
    from riskrelay.bench.running import run_bench

    try:
        with explained():
            figures = run_bench(postgres, scale, as_json)
    except ProcessFailed as error:
        fail(*str(error).splitlines())
    show(figures, as_json, lambda: None)  # tables were printed while it measured
