"""`riskrelay bench` at a tiny scale: its output, never the speed of this machine. A soak also measures PostgreSQL."""

import json
import os
import subprocess
from typing import Any

import pytest

from support.databases import PostgresServer
from support.fork_server import shared_fork_server
from support.service import environment

SOAK = bool(os.environ.get("RISKRELAY_SOAK"))
ENGINES = ("sqlite", "postgresql") if SOAK else ("sqlite",)

pytestmark = pytest.mark.soak

SCENARIOS = {
    ("ingest", "batches of 1,000"): {"findings_per_s", "service_cpu_us", "client_cpu_us"},
    ("ingest", "single, 1 client"): {"findings_per_s", "service_cpu_us", "client_cpu_us"},
    ("ingest", "single, 64 clients"): {"findings_per_s", "service_cpu_us", "client_cpu_us"},
    ("sources", "batches of 1,000 with gzip"): {
        "source_events_per_s",
        "findings_per_s",
        "of_findings",
        "memory_growth_mb",
        "alone_p99_ms",
        "beside_p99_ms",
    },
    ("latency", "100 changes/s"): {"p50_ms", "p99_ms", "p99_9_ms", "max_ms", "service_cores", "client_cores"},
    ("sustained", "RS256"): {"events_per_s", "service_cpu_us", "client_cpu_us", "memory_mb"},
    ("sustained", "ES256"): {"events_per_s", "service_cpu_us", "client_cpu_us", "memory_mb"},
}


def bench(*flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return shared_fork_server().run(["bench", "--scale", "0.005", *flags], environment(**settings), timeout=240)


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the command printed as JSON."""
    engines = ["--postgres", request.getfixturevalue("postgres").url] if SOAK else []
    done = bench(*engines, "--json")
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_every_scenario_is_measured_on_each_engine(measured: dict[str, Any]) -> None:
    """The set of scenarios, of engines and of figures is fixed, and every figure is above zero."""
    found = {(one["scenario"], one["variant"], one["engine"]): one["figures"] for one in measured["measured"]}
    assert {(*key, engine) for key in SCENARIOS for engine in ENGINES} == set(found)
    for (scenario, variant, _), figures in found.items():
        assert set(figures) == SCENARIOS[scenario, variant]
        assert all(value >= 0 for name, value in figures.items() if name != "memory_growth_mb")


def test_the_machines_own_limits_stand_beside(measured: dict[str, Any]) -> None:
    """Signatures, durable writes and pushes of the machine; the product's figures are given as shares of them."""
    limits = measured["limits"]
    assert all(limits[name] > 0 for name in ("rs256", "es256", "fsyncs", "pushes"))
    floor = limits["floor"]
    assert all(value > 0 for value in floor.values())
    assert floor["floor_ms"] == pytest.approx(floor["write_ms"] + floor["rs256_ms"] + floor["exchange_ms"])
    assert measured["machine"]["cores"] > 0
    for one in measured["measured"]:
        if one["scenario"] == "sustained":
            limit = limits[one["variant"].lower()]
            assert one["ratios"]["of_signatures"] == pytest.approx(one["figures"]["events_per_s"] / limit)


def test_latency_percentiles_are_in_order(measured: dict[str, Any]) -> None:
    """p50 ≤ p99 ≤ p99.9 ≤ the longest."""
    for one in measured["measured"]:
        if one["scenario"] == "latency":
            values = [one["figures"][name] for name in ("p50_ms", "p99_ms", "p99_9_ms", "max_ms")]
            assert values == sorted(values)
            assert values[0] > 0


@pytest.mark.skipif(not SOAK, reason="a soak measures PostgreSQL")
async def test_the_database_of_the_benchmark_is_dropped(measured: dict[str, Any], postgres: PostgresServer) -> None:
    """Nothing of the benchmark stays on the server."""
    assert [name for name in await postgres.databases() if name.startswith("riskrelay_bench")] == []


def test_an_unreachable_server_is_reported() -> None:
    """A database that cannot be reached ends the command with a sentence."""
    done = bench("--postgres", "postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "could not create its database on that server" in " ".join(done.stderr.split())
