"""`riskrelay backup` and `riskrelay migrate-store`, as an operator runs them."""

import asyncio
import json
from pathlib import Path

import pytest

from support.databases import PostgresServer
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service, run_command


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """An installation with behaviors on and an integration whose receiver is away, serving."""
    service = Service(tmp_path)
    service.start()
    service.enable_behaviors()
    return service


def send(service: Service, count: int, name: str) -> None:
    findings = [{"behavior": "high_dlp", "user": {"email": f"{name}{n}@example.com"}} for n in range(count)]
    assert service.result("POST", "/findings", findings)["accepted"] == count


def test_a_backup_taken_while_serving_is_an_installation(service: Service, tmp_path: Path) -> None:
    """The copy, with the same master key, serves what was there; a second backup to the same place is refused."""
    created = service.create_integration("https://acme.example.com")
    send(service, 20, "user")
    copy = tmp_path / "backup" / "riskrelay.db"
    copy.parent.mkdir()
    made = json.loads(service.command("backup", str(copy), "--json").stdout)
    assert made == {"file": str(copy), "bytes": copy.stat().st_size}
    again = service.command("backup", str(copy), check=False)
    assert again.returncode == 1
    assert "already exists" in again.stderr
    service.stop()
    key = (tmp_path / "riskrelay.db.key").read_text().strip()
    service.settings |= {"RISKRELAY_DATABASE_URL": f"sqlite:///{copy}", "RISKRELAY_MASTER_KEY": key}
    service.start()
    assert service.result("GET", "/integrations") == [created]
    assert len(service.result("GET", f"/integrations/{created['id']}/deliveries")) == 20
    assert service.stop() == 0


def test_an_installation_moves_to_postgres_with_its_backlog(
    service: Service, tmp_path: Path, postgres: PostgresServer
) -> None:
    """Refused while it is served; then everything is there, and the backlog is delivered from PostgreSQL."""
    oracle = Oracle(tmp_path)
    created = service.create_integration(oracle.url)
    send(service, 50, "before")
    url = asyncio.run(postgres.new_database())
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "riskrelay.db")
    for path in (tmp_path / "riskrelay.db", link):
        settings = service.settings | {"RISKRELAY_DATABASE_URL": f"sqlite:///{path}"}
        refused = run_command("migrate-store", url, settings=settings)
        assert refused.returncode == 1
        assert f"another riskrelay process uses {path}" in refused.stderr
    service.stop()
    moved = json.loads(service.command("migrate-store", url, "--json").stdout)
    assert moved["users"]["rows"] == moved["findings"]["rows"] == moved["events"]["rows"] == 50
    again = service.command("migrate-store", url, check=False)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    key = (tmp_path / "riskrelay.db.key").read_text().strip()
    service.settings |= {"RISKRELAY_DATABASE_URL": url, "RISKRELAY_MASTER_KEY": key}
    service.start()
    assert service.result("GET", "/integrations") == [created]
    oracle.start()
    service.result("PUT", f"/integrations/{created['id']}", {"tenant_url": oracle.url, "active": True})
    send(service, 50, "after")
    try:
        wait_until_quiet(service)
        assert check_ledger(service, oracle, Responses(), at_most_copies=0).states == {"delivered": 100}
    finally:
        assert service.stop() == 0
        oracle.stop()


def test_a_restore_is_one_command(service: Service, tmp_path: Path) -> None:
    """Refused while it is served, also with --overwrite; then the backup is what is served, and its key opens it."""
    copy = tmp_path / "backup.db"
    service.command("backup", str(copy))
    service.command("account", "create", "later")
    for options in ([], ["--overwrite"]):
        refused = service.command("restore", str(copy), *options, check=False)
        assert (refused.returncode, "another riskrelay process uses" in refused.stderr) == (1, True)
    service.stop()
    refused = service.command("restore", str(copy), check=False)
    assert refused.returncode == 1
    assert "contains the accounts acme, later; to replace it, stop the service and add --overwrite" in refused.stderr
    restored = json.loads(service.command("restore", str(copy), "--overwrite", "--json").stdout)
    assert restored == {"file": str(tmp_path / "riskrelay.db"), "accounts": ["acme"]}
    service.start()
    send(service, 1, "after")
    assert service.stop() == 0


@pytest.mark.fault(46)
def test_init_says_which_key_to_restore(tmp_path: Path) -> None:
    """One sentence and exit code 1; nothing is written, whichever command comes first."""
    service = Service(tmp_path)
    key = tmp_path / "riskrelay.db.key"
    key.rename(tmp_path / "kept")
    for command in ("init", "doctor"):
        refused = service.command(command, check=False)
        said = " ".join((refused.stdout + refused.stderr).split())
        assert refused.returncode == 1, command
        assert "Traceback" not in said
        assert "estore your copy of the key" in said
    assert not key.exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("/proc/none/a.db", "cannot be created (no such file or directory)"),
        ("/dev/null/a.db", "cannot be created"),
        ("{tmp}", "is a directory"),
        ("{tmp}/text.db", "the database file is damaged or is not a database"),
    ],
)
def test_a_place_where_no_database_can_be(tmp_path: Path, place: str, words: str) -> None:
    """`init` and `doctor`: one sentence that names the file, exit code 1, and no traceback; no key
    is left beside it."""
    (tmp_path / "text.db").write_text("hello, this is no database at all " * 100)
    path = place.format(tmp=tmp_path)
    settings = {"RISKRELAY_DATABASE_URL": f"sqlite:///{path}", "COLUMNS": "500"}
    for command in ("init", "doctor"):
        ended = run_command(command, settings=settings)
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1, said
        assert "Traceback" not in said
        assert path in said
        assert words in said or "there is no database at" in said
    assert sorted(file.name for file in tmp_path.iterdir()) in (["text.db"], ["text.db", "text.db.lock"])
