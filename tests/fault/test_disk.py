"""The disk is full, or forgets what was not synced (row 18)."""

import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import support
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from support.clients import load, responses_of, send_batch, until_answered
from support.fault_plugin import AT_LENGTH, seed_of_run
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.programs import needed
from support.service import Oracle, Service
from support.waiting import until, until_still

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture
def service(tmp_path: Path, oracle: Oracle) -> Iterator[Service]:
    service = Service(tmp_path)
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    yield service
    service.kill()


def send(service: Service, number: int, responses: Responses) -> None:
    """Send one finding until it is answered."""
    finding = {"id": f"f{number}", "behavior": "high_dlp", "user": {"email": f"u{number}@example.com"}}
    responses.add(f"f{number}", until_answered(service, "/findings", finding))


def is_whole(database: Path) -> bool:
    """What SQLite says of its own file."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.fault(18)
def test_a_full_disk_refuses_and_loses_nothing(service: Service, oracle: Oracle, tmp_path: Path) -> None:
    """No file of the process may grow: 503 with a time to come again, also when asked again. When there is room again
    it goes on by itself; every 200 is there, and the file is whole."""
    responses = Responses()
    for number in range(20):
        send(service, number, responses)
    assert service.process is not None
    full = (tmp_path / "riskrelay.db-wal").stat().st_size + 50_000
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    refused, number = 0, 20
    whole = f"/accounts/{service.account_id}/zt_risk_scoring/findings"
    while refused < 5:
        number += 1
        finding = {"id": f"f{number}", "behavior": "high_dlp", "user": {"email": f"u{number}@example.com"}}
        status, headers, envelope = service.exchange("POST", whole, finding, Authorization=f"Bearer {service.token}")
        if status == 200:
            responses.add(f"f{number}", envelope["result"])
        else:
            assert (status, envelope["success"]) == (503, False)
            assert 1 <= int(headers["retry-after"]) <= 59
            refused += 1
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    for more in range(1_000, 1_020):
        send(service, more, responses)
    wait_until_quiet(service)
    check_ledger(service, oracle, responses, at_most_copies=BATCH_EVENTS)
    assert is_whole(tmp_path / "riskrelay.db")


@pytest.fixture(scope="module")
def synced_copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that keeps what a disk still holds when the power is cut."""
    compiler = needed("gcc")
    library = tmp_path_factory.mktemp("library") / "synced_copies.so"
    source = Path(support.__path__[0]) / "synced_copies.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def cut_the_power(database: Path, torn: bytes) -> None:
    """Leave of the database and its log what was synced, and *torn* behind it."""
    for file in (database, database.with_name(database.name + "-wal")):
        shutil.copyfile(f"{file}.synced", file)
    with file.open("ab") as log:
        log.write(torn)
    database.with_name(database.name + "-shm").unlink()


@pytest.mark.fault(18, long=True)
@pytest.mark.parametrize("torn", [b"", bytes(20_000), b"\xa5" * 20_000], ids=["nothing", "zeros", "garbage"])
def test_what_was_not_synced_is_not_missed(
    tmp_path: Path,
    oracle: Oracle,
    synced_copies: Path,
    torn: bytes,
    record_property: Callable[[str, object], None],
) -> None:
    """The power is cut under load: of each file there is left what was synced last, and behind it what a disk makes of
    the rest. Every 200 is there, and what was delivered and not synced as delivered comes once more."""
    seed, cuts = seed_of_run(record_property), 20 if AT_LENGTH else 2
    record_property("kills", cuts)
    service = Service(tmp_path, None, LD_PRELOAD=str(synced_copies))
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    with load(service, seed, clients=2) as clients:
        for number in range(cuts):
            until(lambda: len(responses_of(clients).findings) > 20 * (number + 1))  # noqa: B023  ends here
            service.kill()
            cut_the_power(tmp_path / "riskrelay.db", torn)
            service.start()
    wait_until_quiet(service)
    check_ledger(service, oracle, responses_of(clients), at_most_copies=cuts * BATCH_EVENTS)
    service.stop()
    assert is_whole(tmp_path / "riskrelay.db")


@pytest.mark.fault(43)
def test_outcomes_that_a_full_disk_refuses_are_kept(service: Service, oracle: Oracle, tmp_path: Path) -> None:
    """No file of the process may grow while a batch is in flight: that batch ends, nothing is pushed again or anew, and
    when there is room its outcomes are written and the rest goes out, each SET once."""
    (integration,) = service.result("GET", "/integrations")
    limits = {"pushes_per_second": 20, "concurrency": 1}
    service.result("PUT", f"/integrations/{integration['id']}/limits", limits)
    responses = send_batch(service, [f"u{number}@example.com" for number in range(60)])
    until(lambda: len(oracle.requests()) >= 5)
    assert service.process is not None
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
    until_still(lambda: len(oracle.requests()))  # a batch at this pace lasts a second
    in_flight = len(oracle.requests())
    time.sleep(20 if AT_LENGTH else 3)
    assert len(oracle.requests()) == in_flight < 60
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    wait_until_quiet(service)
    check_ledger(service, oracle, responses, at_most_copies=0)
    assert is_whole(tmp_path / "riskrelay.db")
