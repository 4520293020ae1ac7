"""The whole benchmark, very small: that its scenarios run and what they give, never how fast this machine is."""

import os
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bench.against import Pair, comparable, line, ratios
from bench.big_installation import Size
from bench.matrix import SCENARIOS, Run, runs
from bench.page import write_page
from bench.run import measure
from bench.screens import measure_engines
from bench.targets import judged
from riskrelay.bench.scenarios import Measured

pytestmark = pytest.mark.soak

_LATENCY = {"p50_ms", "p99_ms", "p99_9_ms", "max_ms"}
_COST = {"cost_us", "memory_mb"}
SCALE = 0.001
SOAK = bool(os.environ.get("RISKRELAY_SOAK"))


def _chosen() -> list[Run]:
    """Return all runs in a soak; otherwise a crowd with sick receivers, which needs every part of the harness."""
    found = runs(SCALE)
    if SOAK:
        return found
    crowds = [run for run in found if run.scenario == "crowd" and run.engine == "sqlite"]
    return crowds[1:2]


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """What a tiny run gives."""
    return uvloop.run(measure(_chosen(), SCALE))


def test_the_matrix_has_every_scenario_on_both_engines() -> None:
    """Nine scenarios, SQLite and PostgreSQL, and several workers where they can share the work."""
    assert {(run.scenario, run.engine) for run in runs(1)} == {
        (scenario, engine) for scenario in SCENARIOS for engine in ("sqlite", "postgresql")
    }
    assert {run.workers for run in runs(1) if run.scenario == "sustained"} == {0, 1, 2, 4}


def test_nothing_failed(whole: dict[str, Any]) -> None:
    """Every run that was chosen was measured."""
    assert whole["failed"] == []


def test_a_crowd_is_measured_with_and_without_sick_receivers(whole: dict[str, Any]) -> None:
    """Both have the same figures, so that they can be compared. The one without runs in a soak."""
    found = {row["variant"]: set(row["figures"]) for row in whole["measured"] if row["scenario"] == "crowd"}
    assert found.pop("5 % dead, 5 % slow") == _LATENCY
    assert found == ({"all healthy": _LATENCY} if SOAK else {})


@pytest.mark.skipif(not SOAK, reason="a soak measures backlogs")
def test_a_backlog_is_measured_small_and_big(whole: dict[str, Any]) -> None:
    """Cost and memory, of what is accepted and of what waited."""
    for scenario in ("backlog", "drain"):
        rows = [row for row in whole["measured"] if row["scenario"] == scenario and row["engine"] == "sqlite"]
        assert len(rows) == 4
        assert len({row["variant"] for row in rows}) == 2
        assert all(set(row["figures"]) == _COST and min(row["figures"].values()) > 0 for row in rows)


def test_the_page_shows_what_was_measured(whole: dict[str, Any], tmp_path: Path) -> None:
    """Machine, commit, limits, a table and a plot for each scenario, and the note."""
    write_page({**whole, "note": "Busy machine."}, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    assert whole["commit"] in page
    assert "**Busy machine.**" in page
    for row in whole["measured"]:
        assert f"| {row['variant']} | {row['engine']} |" in page
        assert (tmp_path / "benchmarks" / f"{row['scenario']}.svg").read_text().startswith("<svg")


def test_targets_are_judged_by_their_bound() -> None:
    """A value at its bound meets it; one beyond misses it; what was not run is not judged."""

    def latency(p50: float) -> dict[str, Any]:
        return {
            "scenario": "latency",
            "variant": "100 changes/s",
            "engine": "sqlite",
            "figures": {"p50_ms": p50, "p99_ms": 20.0},
            "ratios": {},
        }

    assert [row["is_met"] for row in judged({"measured": [latency(3.0)]})] == [True, False]
    assert [row["is_met"] for row in judged({"measured": [latency(3.1)]})] == [False, False]
    assert judged({"measured": []}) == []


def test_a_comparison_has_each_run_once() -> None:
    """A comparison runs scenarios of one account only, so the other commit needs nothing but its own commands."""
    found = comparable(1, ["latency", "sustained", "crowd"], ["sqlite"])
    assert [run.scenario for run in found] == ["latency"] * 2 + ["sustained"] * 2
    assert {run.workers for run in comparable(1, ["sustained"], ["postgresql"])} == {0, 1}


def test_a_comparison_gives_the_median_ratio_and_its_spread() -> None:
    """Each pair has its ratio, and the line shows the median, the least and the greatest."""

    def measured(p50: float) -> Measured:
        return Measured(
            scenario="latency", engine="sqlite", workers=0, variant="100 changes/s", figures={"p50_ms": p50}
        )

    (row,) = ratios([Pair(measured(mine), measured(4)) for mine in (2, 1, 3)])
    assert row["ratios"] == [0.5, 0.25, 0.75]
    assert line(row) == "latency 100 changes/s, sqlite, 0 workers: p50: 0.50 × (0.25 to 0.75); 2.0 ms against 4.0 ms"


async def test_pages_of_a_big_installation_answer_on_both_engines() -> None:
    """Every page of the account API and of the console answers 200 in an installation that was written straight."""
    pages = await measure_engines(Size(users=300, integrations=20, deliveries=3_000), requests=1)
    by_engine = {engine: [page.path for page in pages if page.engine == engine] for engine in ("sqlite", "postgresql")}
    assert len(by_engine["sqlite"]) == len(by_engine["postgresql"]) > 30
    assert any(path.startswith("/console/accounts/") for path in by_engine["sqlite"])
