"""The whole benchmark.

    python -m bench.run [--only latency,crowd] [--engine sqlite] [--scale 0.1] [--json FILE] [--page DIRECTORY]

Prints what it measures as it goes. With --json everything is written as a file, with --page as docs/benchmarks.md with
its plots.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench.matrix import ENGINES, SCENARIOS, Run, runs
from bench.page import write_page
from bench.screens import postgres_server
from bench.targets import judged
from riskrelay.bench.limits import Limits, measure_limits
from riskrelay.bench.processes import ProcessFailed
from riskrelay.bench.receiver import receiver_command
from riskrelay.bench.report import LABELS, document, figure, ratios
from riskrelay.bench.scenarios import Measured, Place
from support.databases import PostgresServer

ROOT = Path(__file__).parents[2]
_LIMIT_SECONDS = 3.0


async def measure(chosen: Sequence[Run], scale: float, flags: str = "") -> dict[str, Any]:
    """Run what was chosen, one after the other.

    Args:
        flags: what chose it.

    Returns: everything, as JSON has it.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="riskrelay-bench-")))
        server = None
        if any(run.engine == "postgresql" for run in chosen):
            server = stack.enter_context(postgres_server())
        command = await receiver_command(directory)
        limits = await measure_limits(directory, command, max(0.2, _LIMIT_SECONDS * min(scale, 1)))
        _say(f"limits of this machine: {limits}")
        measured: list[Measured] = []
        failed: list[str] = []
        for number, run in enumerate(chosen):
            try:
                found = await measure_one(run, server, directory / str(number), command)
            except (ProcessFailed, OSError) as error:  # refused, or out of reach; the others are worth having
                failed.append(f"{run.scenario}, {run.engine}, {run.workers} workers: {error}")
                _say(failed[-1])
                continue
            for one in found:
                _say(_line(one, limits))
            measured += found
        whole = document(limits, "C" if len(command) == 1 else "Python", measured)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    seconds = round(time.perf_counter() - began)
    whole |= {
        "commit": _commit(),
        "at": at,
        "scale": scale,
        "seconds": seconds,
        "command": f"python -m bench.run {flags}".strip(),
    }
    return {**whole, "failed": failed, "targets": judged(whole)}


def _line(one: Measured, limits: Limits) -> str:
    shown = {**one.figures, **ratios(one, limits)}
    figures = ", ".join(f"{figure(name, value)} {LABELS[name]}" for name, value in shown.items())
    return f"{one.scenario} {one.variant}, {one.engine}, {one.workers} workers: {figures}"


async def measure_one(
    run: Run, server: PostgresServer | None, directory: Path, command: list[str], *, python: str = sys.executable
) -> list[Measured]:
    """Measure one run, on a database of its own that is gone afterwards.

    Args:
        python: the interpreter whose `riskrelay` is measured.
    """
    database_url = None if run.engine == "sqlite" or server is None else await server.new_database()
    return await run.work(
        Place(
            directory=directory,
            database_url=database_url,
            workers=run.workers,
            receiver_command=command,
            python=python,
        )
    )


def _commit() -> str:
    """What is measured."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure this machine with this product.")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, separated by commas")
    parser.add_argument("--engine", default=",".join(ENGINES), help="engines, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="the directory of benchmarks.md")
    parser.add_argument("--note", default="", help="what the page must say about the run, such as: busy machine")
    given = parser.parse_args()
    chosen = [
        run
        for run in runs(given.scale)
        if run.scenario in given.only.split(",") and run.engine in given.engine.split(",")
    ]
    flags = " ".join(
        f"--{name} {value}"
        for name in ("only", "engine", "scale")
        if (value := getattr(given, name)) != parser.get_default(name)
    )
    whole = {**uvloop.run(measure(chosen, given.scale, flags)), "note": given.note}
    if given.json is not None:
        given.json.write_text(json.dumps(whole, indent=1) + "\n")
    if given.page is not None:
        write_page(whole, given.page)
    if whole["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
