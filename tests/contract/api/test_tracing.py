"""Traces, from acceptance to each attempt, in a collector in another process; delivery does not depend on it."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from riskrelay.bench.processes import free_port
from support.clients import send_batch
from support.json_lines import json_lines
from support.ledger_checks import check_ledger, wait_until_quiet
from support.service import Oracle, Process, Service, environment
from support.waiting import until

CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
FINDING = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}


class Collector:
    """The collector's process, and the spans it was sent."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "spans.ndjson"
        port = free_port()
        self.settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", **SOON}
        arguments = ["-m", "support.trace_collector", str(port), str(self._log)]
        self.process = Process(arguments, port, {}, directory / "collector.log")

    def spans(self) -> list[dict[str, Any]]:
        return json_lines(self._log)

    def wait_for(self, is_there: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The spans, once they are what the test waits for."""
        until(lambda: is_there(self.spans()), found=self.spans)
        return self.spans()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path)
    yield collector
    collector.process.kill()


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    yield oracle
    oracle.stop()


def named(spans: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["name"] == name]


def test_one_trace_from_acceptance_to_every_attempt(tmp_path: Path, collector: Collector, oracle: Oracle) -> None:
    """The attempt before a restart of the service and the one after are in one trace, below the acceptance, which links
    to the request; that one goes on with the caller's trace. No span names the user."""
    service = Service(tmp_path, None, **collector.settings)
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    assert service.call("POST", "/findings", FINDING, traceparent=TRACEPARENT)[0] == 200
    collector.wait_for(lambda spans: bool(named(spans, "attempt") and named(spans, "accept")))
    assert service.stop() == 0
    oracle.start()
    service.start()
    wait_until_quiet(service)
    assert service.stop() == 0
    spans = collector.spans()
    (claims,) = verified_claims(oracle)
    (accept,) = named(spans, "accept")
    (queue,) = named(spans, "queue")
    attempts = named(spans, "attempt")
    (request,) = [span for span in spans if span["name"].startswith("POST") and span["name"].endswith("/findings")]
    assert {span["trace_id"] for span in [accept, queue, *attempts]} == {accept["trace_id"]}
    assert {span["parent"] for span in [queue, *attempts]} == {accept["span_id"]}
    outcomes = [span["said"]["riskrelay.outcome"] for span in sorted(attempts, key=lambda span: span["began"])]
    assert set(outcomes[:-1]) == {"transient"}
    assert outcomes[-1] == "accepted"
    assert accept["said"]["riskrelay.txn"] == claims["txn"]
    assert accept["links"] == [request["trace_id"]] == [CALLERS_TRACE]
    assert request["parent"] == TRACEPARENT.split("-")[2]
    assert accept["began"] <= accept["ended"] <= queue["ended"] <= min(span["ended"] for span in attempts)
    assert {span["service"] for span in spans} == {"riskrelay"}
    assert "example.com" not in json.dumps(spans)


def verified_claims(oracle: Oracle) -> list[dict[str, Any]]:
    """The claims of what the oracle was sent."""
    return [jwt.decode(one["token"], options={"verify_signature": False}) for one in oracle.requests()]


@pytest.mark.fault(40, long=True)
@pytest.mark.parametrize("is_hanging", [False, True], ids=["gone", "hangs"])
def test_a_collector_that_is_down_holds_nothing_up(tmp_path: Path, oracle: Oracle, *, is_hanging: bool) -> None:
    """Nobody listens, or somebody who never answers: everything is delivered, and the service stops in time."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
        if not is_hanging:
            nobody.close()
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", **SOON}
        oracle.start()
        service = Service(tmp_path, None, **endpoint)
        service.start()
        service.enable_behaviors()
        service.create_integration(oracle.url)
        told = send_batch(service, [f"user-{n}@example.com" for n in range(50)])
        wait_until_quiet(service)
        assert check_ledger(service, oracle, told, at_most_copies=0).states == {"delivered": 50}
        assert service.stop() == 0


def test_nothing_of_opentelemetry_is_imported_unless_it_is_wanted(tmp_path: Path) -> None:
    """Without the standard variables no module of it is loaded."""
    code = (
        "import sys; from riskrelay.telemetry.observing import new_observers; from riskrelay import cli;"
        "new_observers(); print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    run = [sys.executable, "-c", code]
    said = subprocess.run(run, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"
