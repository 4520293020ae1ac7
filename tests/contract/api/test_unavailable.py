"""The database takes no writes: everything that a client, an operator or a monitor sees says why (row 26)."""

import json
import re
import resource
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from riskrelay.core.errors import UnavailableCause
from support.json_lines import json_lines
from support.service import Service, environment
from support.visitor import Visitor
from support.waiting import until

FINDING = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("unavailable"))
    service.start()
    service.enable_behaviors()
    yield service
    assert service.stop() == 0


def files_of(service: Service) -> list[Path]:
    path = Path(service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///"))
    return [path, path.with_name(path.name + "-wal")]


def limit_of(service: Service) -> int:
    """A limit on the size of a file that leaves the log no room for a page."""
    return files_of(service)[1].stat().st_size + 1_000


@contextmanager
def full(service: Service) -> Iterator[None]:
    assert service.process is not None
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (limit_of(service), resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def locked(service: Service) -> Iterator[None]:
    with closing(sqlite3.connect(files_of(service)[0], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def ready(service: Service) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{service.url}/readyz", timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [(full, UnavailableCause.DISK_FULL), (locked, UnavailableCause.LOCKED)],
    ids=["full", "locked"],
)
def test_what_keeps_the_database_from_writing_is_said(service: Service, trouble: object, cause: str) -> None:
    """503 with the cause from health and API, a page of HTML from the console, and 0 in the metrics; the process lives,
    and goes on by itself when the trouble is over."""
    assert callable(trouble)
    visitor = Visitor(service)
    assert visitor.sign_in().status == 303
    with trouble(service):
        until(lambda: ready(service) == (503, f"not ready: {cause}\n"))
        assert service.get("/healthz") == b"ok\n"
        assert "\nriskrelay_database_up 0.0\n" in service.get("/metrics").decode()
        status, envelope = service.call("POST", "/findings", [FINDING] * 200)
        assert (status, envelope["errors"][0]["code"]) == (503, 1006)
        assert envelope["errors"][0]["message"].startswith(f"{cause}; send the same request again")
        signing_in = Visitor(service).sign_in()
        changing = visitor.ask("POST", "/console/sign-out", {"csrf": visitor.ask("GET", "/console/nothing").csrf})
        for page in (signing_in, changing):
            assert (page.status, page.headers.get_content_type()) == (503, "text/html")
            assert f"<h1>The service cannot use its database: {cause}</h1>" in page.text
    until(lambda: ready(service) == (200, "ready\n"))
    assert service.call("POST", "/findings", FINDING)[0] == 200
    found = service.get("/metrics").decode()
    assert "\nriskrelay_database_up 1.0\n" in found
    (shown,) = re.findall(r'^riskrelay_database_wal_bytes\{disk="database"\} (\S+)$', found, re.M)
    assert float(shown) == files_of(service)[1].stat().st_size


def test_doctor_shows_no_tick_beside_a_full_disk(service: Service) -> None:
    """It ends with 1 and says what is full and what to do; what can still be read is examined."""
    run = f'ulimit -f {limit_of(service) // 1024}; exec "$0" -m riskrelay doctor --json'
    ended = subprocess.run(
        ["bash", "-c", run, sys.executable], env=environment(**service.settings), capture_output=True, text=True
    )
    assert ended.returncode == 1, ended.stderr
    checks = [check for check in json.loads(ended.stdout) if check["topic"] == "database"]
    assert [check["said"] for check in checks if "writ" in check["said"]] == [
        f"SQLite {sqlite3.sqlite_version} can be read but not written: {UnavailableCause.DISK_FULL}."
    ]
    assert next(check for check in checks if "writ" in check["said"])["verdict"] == "problem"
    assert "Traceback" not in ended.stderr


def test_files_that_others_can_read_are_named(service: Service) -> None:
    """By `doctor`, with the command that ends it, and as warnings only; a new installation has none."""
    assert service.command("doctor").stdout.count("Other users") == 0
    path = files_of(service)[0]
    key = path.with_name(path.name + ".key")
    for file in (path, key):
        file.chmod(0o644)
    said = service.command("doctor", "--json")
    found = [check for check in json.loads(said.stdout) if check["topic"] == "files"]
    for file in (path, key):
        file.chmod(0o600)
    assert {(check["verdict"], check["fix"]) for check in found} == {
        ("warning", f"chmod 600 {path}"),
        ("warning", f"chmod 600 {key}"),
    }


def test_serve_warns_of_files_that_others_can_read(tmp_path: Path) -> None:
    """One line for each in its log; everything that it creates is its owner's alone, whatever the umask."""
    service = Service(tmp_path)
    (tmp_path / "riskrelay.db.key").chmod(0o640)
    service.start()
    service.enable_behaviors()
    service.command("backup", str(tmp_path / "backup.db"))
    created = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("*.db*")}
    service.stop()
    assert created.pop("riskrelay.db.key") == "0o640"
    assert set(created) == {"backup.db", *(f"riskrelay.db{suffix}" for suffix in ("", "-wal", "-shm", ".lock"))}
    assert set(created.values()) == {"0o600"}
    lines = json_lines(service.log)
    (warned,) = [line for line in lines if line["event"] == "file_readable_by_others"]
    assert warned["file"] == str(tmp_path / "riskrelay.db.key")
    assert warned["advice"] == f"chmod 600 {tmp_path / 'riskrelay.db.key'}"
