"""docs/fault-report.md: each fault, the tests that showed it, how often, and what came of it."""

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from support.fault_rows import ROWS

HEAD = """# Fault report

What must hold when things go wrong, and the tests that showed it: written by `make faults`, never by hand. A run is one
case of a test. Kills are those of a process by `SIGKILL` or at a failpoint. `RISKRELAY_SEED` repeats a seed.
"""


@dataclass
class Result:
    """What one test came to, over all its cases."""

    name: str
    rows: Sequence[int]
    runs: int = 0
    kills: int = 0
    seeds: set[int] = field(default_factory=set)
    failed: int = 0
    skipped: int = 0

    def count(self, told: pytest.TestReport) -> None:
        """Count one phase of one case."""
        self.failed += told.failed
        self.skipped += told.skipped
        if told.when != "call":
            return
        self.runs += not told.skipped
        said = dict(told.user_properties)
        self.kills += int(str(said.get("kills", 0)))
        if "seed" in said:
            self.seeds.add(int(str(said["seed"])))

    @property
    def passed(self) -> bool:
        return self.runs > 0 and not self.failed


def report(results: Sequence[Result], seconds: float) -> str:
    """The whole page."""
    lines = [HEAD, _circumstances(seconds), "", _summary(results), ""]
    lines += ["| # | fault | must hold | shown by | runs | kills | seeds | result |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [_row(number, [one for one in results if number in one.rows]) for number in ROWS]
    return "\n".join(lines) + "\n"


def _row(number: int, results: Sequence[Result]) -> str:
    row = ROWS[number]
    shown = "<br>".join(f"`{one.name}`" for one in sorted(results, key=lambda one: one.name))
    seeds = ", ".join(str(seed) for seed in sorted({seed for one in results for seed in one.seeds}))
    counts = (sum(one.runs for one in results), sum(one.kills for one in results))
    cells = (number, row.fault, row.holds, shown or "–", *counts, seeds or "–", _verdict(results))
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _verdict(results: Sequence[Result]) -> str:
    if any(one.failed for one in results):
        return "**failed**"
    return "passed" if any(one.passed for one in results) else "**not run**"


def _summary(results: Sequence[Result]) -> str:
    verdicts = [_verdict([one for one in results if number in one.rows]) for number in ROWS]
    return (
        f"**{verdicts.count('passed')} of {len(ROWS)} faults passed**, {sum(one.runs for one in results):,} runs of "
        f"{len(results)} tests, {sum(one.kills for one in results):,} kills."
    )


def _circumstances(seconds: float) -> str:
    """When, on what machine, of which commit."""
    memory = psutil.virtual_memory().total / 2**30
    changed = " with changes" if _git("status", "--porcelain", "--untracked-files=no", "--", "src", "tests") else ""
    return "\n".join(
        (
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} minutes",
            f"- commit {_git('rev-parse', '--short=12', 'HEAD')}{changed}",
            f"- {_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
            f"{platform.release()}, Python {platform.python_version()}",
        )
    )


def _processor() -> str:
    models = [line.split(": ", 1)[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return models[0] if models else platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", *arguments]  # whoever owns the checkout: it is only read
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
