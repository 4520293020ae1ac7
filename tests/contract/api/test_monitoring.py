"""What monitoring reads: the metrics and the log, of a running service; and that delivery does not depend on them."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from riskrelay.bench.processes import free_port
from support.clients import send_batch
from support.json_lines import json_lines
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service
from support.waiting import until

MEMBERS = (
    *("account", "integration", "stream", "lane", "seq", "jti", "txn", "attempt", "outcome", "reason", "http_status"),
    *("duration_ms", "queued_ms", "signing_ms", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "kid", "bytes"),
    *("event", "level", "timestamp"),
)
NOWHERE = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@contextmanager
def serving(directory: Path, log: Path | None = None, **settings: str) -> Iterator[Service]:
    """A service with every behavior enabled; at the end it stops in an orderly way, whatever became of its log."""
    service = Service(directory, None, **settings)
    service.log = log or service.log
    service.start()
    try:
        service.enable_behaviors()
        yield service
    finally:
        assert service.stop() == 0


def send(service: Service, users: int) -> Responses:
    """One level change of each of so many users."""
    return send_batch(service, [f"user-{n}@example.com" for n in range(users)])


def delivered_all(service: Service, oracle: Oracle, responses: Responses) -> None:
    """Everything arrived, once, in order, and the ledger says so."""
    wait_until_quiet(service)
    checked = check_ledger(service, oracle, responses, at_most_copies=0)
    assert checked.states == {"delivered": len(responses.changes)}


def samples(service: Service) -> dict[str, float]:
    """Every sample of a scrape, by its name and labels."""
    families = text_string_to_metric_families(service.get("/metrics").decode())
    return {
        " ".join([sample.name, *sorted(sample.labels.values())]): sample.value
        for family in families
        for sample in family.samples
    }


def wait_for(service: Service, sample: str, value: float) -> dict[str, float]:
    """A scrape in which *sample* is *value* at least."""
    until(lambda: samples(service).get(sample, 0) >= value, found=lambda: samples(service))
    return samples(service)


def lines_of(service: Service, event: str) -> list[dict[str, Any]]:
    lines = json_lines(service.log)
    return [line for line in lines if line["event"] == event]


def test_each_attempt_is_one_line_and_one_count(tmp_path: Path, oracle: Oracle) -> None:
    """The line says which delivery it was, what became of it, how long each part took, and with which key; it names no
    subject and holds no SET."""
    with serving(tmp_path) as service:
        service.create_integration(oracle.url)
        own = service.create_integration(NOWHERE)["id"]
        send(service, 3)
        wait_for(service, "riskrelay_lanes breaker_open", 1)
        found = wait_for(service, "riskrelay_deliveries_total accepted", 3)
        kids = {key["kid"] for key in json.loads(service.get("/jwks.json"))["keys"]}
        path = f"/integrations/{own}/deliveries"
        failed = [attempt for row in service.result("GET", path) for attempt in row["attempts"]]
    lines = lines_of(service, "attempt")
    accepted = [line for line in lines if line["outcome"] == "accepted"]
    refused = [line for line in lines if line["integration"] == own]
    assert found["riskrelay_deliveries_total accepted"] == len(accepted) == 3
    assert found["riskrelay_attempt_failures_total connection_refused"] == len(failed)
    assert len(refused) >= len(failed) > 0
    assert found["riskrelay_lanes idle"] + found["riskrelay_lanes leased"] == found["riskrelay_lanes breaker_open"] == 1
    assert found["riskrelay_ledger_events pending"] == 3
    assert found["riskrelay_oldest_undelivered_seconds"] > 0
    assert found["riskrelay_store_commits_total"] <= found["riskrelay_store_transactions_total"]
    assert found["riskrelay_disk_free_bytes database"] > 0
    assert found["riskrelay_attempt_phase_seconds_count first_byte"] == 3
    for line in accepted:
        assert list(line) == [name for name in MEMBERS if name in line]
        assert set(MEMBERS) - set(line) <= {"dns_ms", "connect_ms", "tls_ms"}
        assert line["level"] == "info"
        assert line["account"] == "acme"
        assert line["kid"] in kids
        assert line["bytes"] > 500
        assert (line["attempt"], line["http_status"], line["lane"]) == (1, 202, 0)
        assert 0 < line["signing_ms"] <= line["duration_ms"]
        assert line["first_byte_ms"] > 0
        assert line["queued_ms"] >= 0
    assert {line["level"] for line in refused} == {"warning"}
    assert {line["txn"] for line in refused} <= {line["txn"] for line in accepted}
    written = service.log.read_text()
    assert "example.com" not in written
    assert "eyJ" not in written


def test_only_failures_are_logged_when_the_operator_says_so(tmp_path: Path, oracle: Oracle) -> None:
    """RISKRELAY_LOG_LEVEL=warning: attempts that worked are counted and not written."""
    with serving(tmp_path, RISKRELAY_LOG_LEVEL="warning") as service:
        service.create_integration(oracle.url)
        send(service, 1)
        wait_until_quiet(service)
        assert samples(service)["riskrelay_deliveries_total accepted"] == 1
    assert lines_of(service, "attempt") == []


@pytest.mark.fault(40)
def test_an_unread_log_blocks_nothing(tmp_path: Path, oracle: Oracle) -> None:
    """Standard error is a pipe that is full: everything is delivered all the same, and the service stops in time."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    nobody = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with serving(tmp_path, pipe) as service:
            service.create_integration(oracle.url)
            responses = send(service, 300)  # the pipe takes some 120 lines
            delivered_all(service, oracle, responses)
    finally:
        os.close(nobody)


@pytest.mark.fault(40, long=True)
def test_a_log_on_a_full_disk_holds_nothing_up(tmp_path: Path, oracle: Oracle) -> None:
    """Lines that cannot be written are dropped and counted; everything is delivered."""
    with serving(tmp_path, Path("/dev/full")) as service:
        service.create_integration(oracle.url)
        responses = send(service, 20)
        delivered_all(service, oracle, responses)
        wait_for(service, "riskrelay_log_lines_dropped_total", 20)


@pytest.mark.fault(40, long=True)
def test_a_scraper_that_never_reads_holds_nothing_up(tmp_path: Path, oracle: Oracle) -> None:
    """Two hundred scrapes whose answers nobody takes: findings are taken and delivered meanwhile, other scrapes too."""
    with serving(tmp_path) as service, ExitStack() as open_scrapes:
        service.create_integration(oracle.url)
        for _ in range(200):
            scrape = open_scrapes.enter_context(socket.create_connection(("127.0.0.1", int(service.url[-5:]))))
            scrape.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            scrape.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        responses = send(service, 20)
        delivered_all(service, oracle, responses)


def test_connections_are_counted_and_the_operations_port_has_its_own(tmp_path: Path) -> None:
    """Idle connections of the main port show in the metrics; the operations port answers health and metrics only."""
    port = free_port()
    with serving(tmp_path, RISKRELAY_OPERATIONS_PORT=str(port)) as service, ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(socket.create_connection((urlsplit(service.url).hostname, urlsplit(service.url).port)))
        found = wait_for(service, "riskrelay_connections_open", 7)
        assert found["riskrelay_connections_refused_total"] == found["riskrelay_connections_evicted_total"] == 0
        operations = f"http://127.0.0.1:{port}"
        for path, start in (("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "# HELP")):
            assert httpx.get(operations + path).text.startswith(start)
        for path in ("/", "/docs", "/console", "/jwks.json", "/openapi.json", "/accounts/a/zt_risk_scoring/summary"):
            assert httpx.get(operations + path).status_code == 404
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert samples(service)["riskrelay_connections_open"] < found["riskrelay_connections_open"] + 30
    with pytest.raises(httpx.ConnectError):
        httpx.get(operations + "/healthz")
