"""`riskrelay worker` and what monitoring reads of it, on PostgreSQL."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from riskrelay.bench.processes import free_port
from support.databases import PostgresServer
from support.ledger_checks import wait_until_quiet
from support.nodes import Nodes
from support.service import Oracle


@pytest.fixture
def nodes(tmp_path: Path, postgres: PostgresServer) -> Iterator[Nodes]:
    """A service that only accepts."""
    nodes = Nodes(tmp_path, postgres.migrated_database_now())
    nodes.service.start("--no-delivery")
    yield nodes
    nodes.stop()


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:
        body: bytes = response.read()
    return body.decode()


def attempts(metrics: str) -> float:
    """How many attempts were accepted, as a scrape says."""
    families = {family.name: family for family in text_string_to_metric_families(metrics)}
    deliveries = families["riskrelay_deliveries"].samples
    return sum(one.value for one in deliveries if one.name.endswith("_total") and one.labels["outcome"] == "accepted")


def test_what_a_worker_counts_can_be_scraped(tmp_path: Path, nodes: Nodes) -> None:
    """With --metrics-port: its attempts are in its own metrics and not in the service's, the ledger is in both; it
    says that it is ready, serves nothing else, and `doctor` finds it."""
    oracle = Oracle(tmp_path)
    oracle.start()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    worker = nodes.start_worker(RISKRELAY_METRICS_PORT=str(port))
    worker.wait_until_ready()
    try:
        service = nodes.service
        service.enable_behaviors()
        service.create_integration(oracle.url)
        service.result(
            "POST", "/findings", [{"behavior": "high_dlp", "user": {"email": f"{n}@a.example"}} for n in "abc"]
        )
        wait_until_quiet(service)
        scraped = page(f"{url}/metrics")
        assert attempts(scraped) == 3
        assert attempts(service.get("/metrics").decode()) == 0
        assert 'riskrelay_ledger_events{state="delivered"} 3.0' in scraped
        assert "riskrelay_lanes_held" in scraped
        assert (page(f"{url}/healthz"), page(f"{url}/readyz")) == ("ok\n", "ready\n")
        with pytest.raises(urllib.error.HTTPError, match="404") as nothing:
            page(f"{url}/console")
        nothing.value.close()
        service.settings["RISKRELAY_METRICS_PORT"] = str(port)
        assert f"The worker's metrics are at {url}/metrics." in service.command("doctor", "--json", check=False).stdout
        assert worker.stop() == 0
        assert f"No worker responds at {url}/readyz" in service.command("doctor", "--json", check=False).stdout
    finally:
        oracle.stop()
