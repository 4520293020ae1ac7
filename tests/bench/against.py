"""This commit and another in turns, on one machine.

    python -m bench.against REVISION [--only latency,ingest] [--engine sqlite] [--scale 0.2] [--pairs 3] [--json FILE]

The other commit is checked out and set up beside this one. The same driver, of this commit, measures both: A B A B …
Each figure is printed as a ratio, this commit to the other: the median of the pairs, the least and the greatest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import uvloop

from bench.matrix import ENGINES, Run, runs
from bench.run import ROOT, measure_one
from bench.screens import postgres_server
from riskrelay.bench.receiver import receiver_command
from riskrelay.bench.report import LABELS, figure
from riskrelay.bench.scenarios import Measured

SCENARIOS = ("ingest", "latency", "sustained", "replays")
"""Scenarios of one account. The others prepare their databases by the code of this commit."""


class Pair(NamedTuple):
    """Two results of one scenario, measured one after the other."""

    this: Measured
    other: Measured


def comparable(scale: float, only: Sequence[str], engines: Sequence[str]) -> list[Run]:
    """Return the runs that can measure another commit, each once."""
    found = [
        run
        for run in runs(scale)
        if run.scenario in SCENARIOS and run.scenario in only and run.engine in engines and run.workers <= 1
    ]
    sustained = [run for run in found if run.scenario == "sustained" and run.engine == "sqlite"]
    repeated = {id(run) for run in sustained[len(sustained) // 2 :]}  # the matrix has them twice
    return [run for run in found if id(run) not in repeated]


async def compare(chosen: Sequence[Run], other_python: str, pairs: int) -> list[Pair]:
    """Measure *chosen* with this commit and with the other in turns, *pairs* times.

    Args:
        other_python: the interpreter that has the other commit installed.

    Raises: ProcessFailed.
    """
    found: list[Pair] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="riskrelay-against-")))
        server = None
        if any(run.engine == "postgresql" for run in chosen):
            server = stack.enter_context(postgres_server())
        command = await receiver_command(directory)
        for number, run in enumerate(chosen):
            for turn in range(pairs):
                place = directory / f"{number}-{turn}"
                this = await measure_one(run, server, place / "this", command)
                other = await measure_one(run, server, place / "other", command, python=other_python)
                found += map(Pair, this, other)
                print(f"{run.scenario}, {run.engine}: pair {turn + 1} of {pairs}", file=sys.stderr, flush=True)
    return found


def ratios(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return each figure's ratios, this commit to the other, in the order in which they were measured.

    A figure that is 0 in the other commit has no ratio.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for this, other in pairs:
        for name, value in this.figures.items():
            if not other.figures[name]:
                continue
            key = (this.scenario, this.variant, this.engine, str(this.workers), name)
            row = found.setdefault(
                key, dict(zip(("scenario", "variant", "engine", "workers", "figure"), key, strict=True))
            )
            for column, item in (
                ("this", value),
                ("other", other.figures[name]),
                ("ratios", value / other.figures[name]),
            ):
                row.setdefault(column, []).append(item)
    return [{**row, "ratio": median(row["ratios"])} for row in found.values()]


def line(row: dict[str, Any]) -> str:
    """Return a row of `ratios` as text."""
    name, least, most = row["figure"], min(row["ratios"]), max(row["ratios"])
    values = f"{figure(name, median(row['this']))} against {figure(name, median(row['other']))}"
    place = f"{row['scenario']} {row['variant']}, {row['engine']}, {row['workers']} workers"
    return f"{place}: {LABELS[name]}: {row['ratio']:.2f} × ({least:.2f} to {most:.2f}); {values}"


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Check out *revision* in a temporary worktree and set it up.

    Returns: the interpreter that has it installed.
    """
    with tempfile.TemporaryDirectory(prefix="riskrelay-revision-") as directory:
        tree = Path(directory) / "tree"
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), revision], check=True
        )
        try:
            subprocess.run(["make", "-C", str(tree), "setup"], check=True, stdout=subprocess.DEVNULL)
            yield tree / ".venv" / "bin" / "python"
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare this commit with another, in turns on this machine.")
    parser.add_argument("revision", help="the other commit")
    parser.add_argument("--only", default="latency", help=f"scenarios, separated by commas: {', '.join(SCENARIOS)}")
    parser.add_argument("--engine", default=",".join(ENGINES), help="engines, separated by commas")
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    chosen = comparable(given.scale, given.only.split(","), given.engine.split(","))
    if not chosen:
        parser.error(f"no scenario is chosen; --only takes {', '.join(SCENARIOS)}, --engine takes {', '.join(ENGINES)}")
    with checkout(given.revision) as python:
        rows = ratios(uvloop.run(compare(chosen, str(python), given.pairs)))
    print("\n".join(map(line, rows)))
    if given.json is not None:
        given.json.write_text(json.dumps({"revision": given.revision, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
