"""The process is stopped and killed again and again, under load and with a long backlog (rows 11 and 12)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.clients import load, responses_of
from support.fault_plugin import AT_LENGTH, seed_of_run
from support.ledger_checks import Responses, check_ledger, ledger, wait_until_quiet
from support.service import Oracle, Service

STOPS = 5 if AT_LENGTH else 3
BACKLOG = 100_000
LOOPS = 5
MORE_MEMORY = 64 * 2**20  # guessed: two batches of events and their sockets are far below, 100,000 events far above


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Not running yet."""
    service = Service(tmp_path, RISKRELAY_RATE_LIMIT="0")
    yield service
    service.kill()


@pytest.mark.fault(11)
def test_a_planned_stop_under_load_repeats_nothing(
    service: Service, oracle: Oracle, record_property: Callable[[str, object], None]
) -> None:
    """SIGTERM: what is in flight ends and is settled, every time; not one event is sent twice."""
    seed = seed_of_run(record_property)
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    with load(service, seed) as clients:
        for number in range(STOPS):
            while len(responses_of(clients).findings) < 100 * (number + 1):
                time.sleep(0.01)
            assert service.stop() == 0
            service.start()
    wait_until_quiet(service)
    assert check_ledger(service, oracle, responses_of(clients), at_most_copies=0).copies == 0


@pytest.mark.fault(12, long=True)
@pytest.mark.timeout(1800)
def test_a_crash_loop_with_a_long_backlog_makes_progress(
    service: Service, oracle: Oracle, record_property: Callable[[str, object], None]
) -> None:
    """Each life delivers more, and takes no more memory than one that had nothing to deliver."""
    record_property("kills", LOOPS)
    service.start("--no-delivery")
    service.enable_behaviors()
    integration = service.create_integration(oracle.url)
    responses = Responses()
    idle = memory(service)
    for batch in range(BACKLOG // 10_000):
        emails = [f"{batch}-{number}@example.com" for number in range(10_000)]
        findings = [{"id": email, "behavior": "high_dlp", "user": {"email": email}} for email in emails]
        service.result("POST", "/findings", findings)
        responses.findings |= set(emails)
    service.kill()
    before, most = 0, 0
    for _ in range(LOOPS):
        service.start()
        while (delivered := ledger(service)["delivered"]) < before + 1_000:
            most = max(most, memory(service))
            time.sleep(0.05)
        before = delivered
        service.kill()
    assert ledger_after(service)["pending"] > BACKLOG // 2, "the backlog was to be long all the time"
    assert most < idle + MORE_MEMORY
    service.result("DELETE", f"/integrations/{integration['id']}")
    checked = check_ledger(service, oracle, responses, at_most_copies=LOOPS * 256)
    assert checked.states["cancelled"] == BACKLOG - checked.states["delivered"]


def ledger_after(service: Service) -> dict[str, int]:
    """The ledger of the next life, which delivers nothing."""
    service.start("--no-delivery")
    return ledger(service)


def memory(service: Service) -> int:
    """What the process holds in memory now, in bytes."""
    assert service.process is not None
    held: int = psutil.Process(service.process.pid).memory_info().rss
    return held
