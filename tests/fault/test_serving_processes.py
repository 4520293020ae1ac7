"""`riskrelay serve --workers`: processes that share a port; one of them dies, all are told to end."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from riskrelay.bench.processes import free_port
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.signing.sealing import new_master_key
from support.clients import load, responses_of
from support.databases import PostgresServer
from support.fault_plugin import seed_of_run
from support.ledger_checks import check_ledger, wait_until_quiet
from support.nodes import Nodes
from support.service import Oracle, Service, environment
from support.waiting import until

WORKERS = 2
PATIENCE_SECONDS = 120.0
Record = Callable[[str, object], None]


def wait_until(holds: Callable[[], bool]) -> None:
    until(holds, PATIENCE_SECONDS)


def counted(service: Service, sample: str) -> Counter[str]:
    """What each process has counted, by its number: all samples of that name."""
    found = Counter[str]()
    for family in text_string_to_metric_families(service.get("/metrics").decode()):
        for one in family.samples:
            if one.name == sample:
                found[one.labels["process"]] += int(one.value)
    return found


def processes(service: Service) -> list[psutil.Process]:
    """Those that the supervisor has started."""
    assert service.process is not None
    return psutil.Process(service.process.pid).children()


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more, reaped by its new parent or not."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def all_serve(service: Service) -> bool:
    return len(counted(service, "riskrelay_sweeps_total")) == WORKERS


@contextmanager
def serving(directory: Path, database_url: str) -> Iterator[tuple[Nodes, Oracle]]:
    """An installation that is served by WORKERS processes, with four integrations of a receiver."""
    nodes, oracle = Nodes(directory, database_url), Oracle(directory)
    oracle.start()
    try:
        nodes.service.start("--workers", str(WORKERS))
        wait_until(lambda: all_serve(nodes.service))
        nodes.service.enable_behaviors()
        for _ in range(4):
            nodes.service.create_integration(oracle.url)
        yield nodes, oracle
    finally:
        nodes.stop()
        oracle.stop()


@pytest.mark.fault(4, 5, 6, 7, 8, 11)
@pytest.mark.timeout(600)
def test_one_process_is_killed_and_then_all_are_stopped(
    tmp_path: Path, postgres: PostgresServer, record_property: Record
) -> None:
    """Under load. All of them answer and deliver, and whichever is scraped shows the sums of all. One that is killed is
    there again, nothing is lost. SIGTERM ends all, in order: nothing is sent again after it. Without their supervisor
    they end, too."""
    seed = seed_of_run(record_property)
    with serving(tmp_path, postgres.migrated_database_now()) as (nodes, oracle):
        service = nodes.service
        with load(service, seed) as clients:
            wait_until(lambda: min(counted(service, "riskrelay_findings_total").values()) > 0)
            victim = processes(service)[0]
            victim.kill()
            wait_until(lambda: victim.pid not in {one.pid for one in processes(service)} and all_serve(service))
            nodes.end_leases()
        wait_until_quiet(service, PATIENCE_SECONDS)
        killed = check_ledger(service, oracle, responses_of(clients), at_most_copies=4 * BATCH_EVENTS)
        before = counted(service, "riskrelay_findings_total")
        with load(service, seed + 1000) as more:
            wait_until(lambda: len(responses_of(more).findings) > 30)
        assert sum((counted(service, "riskrelay_findings_total") - before).values()) == len(responses_of(more).findings)
        assert max(counted(service, "riskrelay_deliveries_total").values()) > 0
        with load(service, seed + 2000) as last:
            wait_until(lambda: len(responses_of(last).findings) > 30)
            started = processes(service)
            assert service.stop() == 0
            assert not any(one.is_running() for one in started)
            service.start("--workers", str(WORKERS))
        wait_until_quiet(service, PATIENCE_SECONDS)
        stopped = check_ledger(service, oracle, responses_of([*clients, *more, *last]), at_most_copies=killed.copies)
        assert stopped.copies == killed.copies
        left = processes(service)
        service.kill()
        wait_until(lambda: all(map(has_ended, left)))


def test_processes_share_the_operations_port(tmp_path: Path, postgres: PostgresServer) -> None:
    """Whichever of them answers there, its metrics are those of all, with the connections of each."""
    nodes, port = Nodes(tmp_path, postgres.migrated_database_now()), free_port()
    nodes.service.settings["RISKRELAY_OPERATIONS_PORT"] = str(port)
    try:
        nodes.service.start("--workers", str(WORKERS))
        wait_until(lambda: all_serve(nodes.service))
        for _ in range(8):  # connections that the kernel spreads over the processes
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok\n"
            families = text_string_to_metric_families(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
            opened = {
                one.labels["process"]
                for family in families
                for one in family.samples
                if one.name == "riskrelay_connections_open"
            }
            assert opened == {str(number + 1) for number in range(WORKERS)}
        assert httpx.get(f"http://127.0.0.1:{port}/docs").status_code == 404
    finally:
        nodes.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz")


def test_what_keeps_them_from_starting_is_said_once(tmp_path: Path, postgres: PostgresServer) -> None:
    """The database has no schema yet: the message of the first, exit code 1, and no more tries."""
    settings = {"RISKRELAY_DATABASE_URL": postgres.new_database_now(), "RISKRELAY_MASTER_KEY": new_master_key()}
    run = subprocess.run(
        [sys.executable, "-m", "riskrelay", "serve", "--workers", "2", "--port", str(free_port())],
        env=environment(**settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert run.stderr.count("run `riskrelay init`") == 1
    assert "Traceback" not in run.stderr
