"""The disk is full, or forgets what was not synced (row 18)."""

import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.clients import until_answered
from support.fork_server import ForkServer
from support.ledger_checks import Told, check_ledger, wait_until_quiet
from support.service import Oracle, Service

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.fixture
def service(tmp_path: Path, fork_server: ForkServer, oracle: Oracle) -> Iterator[Service]:
    service = Service(tmp_path)
    service.fork_server = fork_server
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    yield service
    service.kill()


def send(service: Service, number: int, told: Told) -> None:
    """Send one finding until it is answered."""
    finding = {"id": f"f{number}", "behavior": "high_dlp", "user": {"email": f"u{number}@example.com"}}
    told.add(f"f{number}", until_answered(service, "/findings", finding))


def is_whole(database: Path) -> bool:
    """What SQLite says of its own file."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.fault(18)
def test_a_full_disk_refuses_and_loses_nothing(service: Service, oracle: Oracle, tmp_path: Path) -> None:
    """No file of the process may grow: 503 with a time to come again, also when asked again. When there is room again
    it goes on by itself; every 200 is there, and the file is whole."""
    told = Told()
    for number in range(20):
        send(service, number, told)
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
            told.add(f"f{number}", envelope["result"])
        else:
            assert (status, envelope["success"]) == (503, False)
            assert 1 <= int(headers["retry-after"]) <= 59
            refused += 1
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    for more in range(1_000, 1_020):
        send(service, more, told)
    wait_until_quiet(service)
    check_ledger(service, oracle, told, at_most_copies=256)
    assert is_whole(tmp_path / "riskrelay.db")


@pytest.mark.fault(18)
@pytest.mark.parametrize("rest", ["cut off", "zeros", "garbage"])
def test_pages_that_were_not_synced_are_not_missed(service: Service, oracle: Oracle, tmp_path: Path, rest: str) -> None:
    """Whatever is written behind the last answer is lost or torn: every 200 is in what is left, and it is whole. What
    the disk itself does with a synced page is not shown."""
    told = Told()
    for number in range(20):
        send(service, number, told)
    log = tmp_path / "riskrelay.db-wal"
    synced = log.stat().st_size
    for number in range(20, 40):
        send(service, number, Told())
    service.kill()
    left = tmp_path / "left.db"
    shutil.copyfile(tmp_path / "riskrelay.db", left)
    written = log.read_bytes()
    assert len(written) > synced
    lost = {"cut off": b"", "zeros": bytes(len(written) - synced), "garbage": b"\xa5" * (len(written) - synced)}[rest]
    (tmp_path / "left.db-wal").write_bytes(written[:synced] + lost)
    with closing(sqlite3.connect(left)) as connection:
        stored = {row[0] for row in connection.execute("SELECT finding_id FROM findings")}
    assert told.findings <= stored
    assert is_whole(left)
