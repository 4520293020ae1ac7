"""The commands, as a user runs them."""

import json
import os
import pty
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riskrelay.bench.processes import free_port
from riskrelay.core.credentials import Scope
from support.fork_server import shared_fork_server
from support.json_lines import json_lines
from support.service import Process, Service, environment, run_command, wait_for_port


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service."""
    service = Service(tmp_path_factory.mktemp("commands"))
    service.start()
    yield service
    service.stop()


def test_init_twice_changes_nothing(service: Service) -> None:
    """The second time there is no token to show; the first one still works."""
    assert service.init() == {"account_id": "acme", "token": None}
    assert service.call("GET", "/integrations")[0] == 200


def test_the_master_key_is_readable_by_its_owner_only(service: Service) -> None:
    """And the database holds the signing key only sealed, the token only hashed."""
    database = Path(service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///"))
    assert (database.with_name(database.name + ".key").stat().st_mode & 0o777) == 0o600
    kept = b"".join(path.read_bytes() for path in database.parent.glob(database.name + "*") if path.suffix != ".key")
    assert b"PRIVATE KEY" not in kept
    assert service.token.encode() not in kept


def test_the_integration_commands(service: Service) -> None:
    """Create, list, get by both ids, update, delete; --json is the API's own record."""
    made = json.loads(
        service.command("integration", "create", "https://a.example", "--reference", "r 1", "--json").stdout
    )
    assert json.loads(service.command("integration", "list", "--json").stdout) == [made]
    assert json.loads(service.command("integration", "get", made["id"], "--json").stdout) == made
    assert json.loads(service.command("integration", "get", "--reference", "r 1", "--json").stdout) == made
    update = service.command("integration", "update", made["id"], "https://b.example", "--inactive", "--json")
    assert json.loads(update.stdout) == {**made, "tenant_url": "https://b.example", "active": False}
    assert "r 1" in service.command("integration", "list").stdout
    service.command("integration", "delete", made["id"])
    gone = service.command("integration", "get", made["id"], check=False)
    assert gone.returncode == 1
    assert "integration not found in this account" in gone.stderr


def test_a_token_that_may_only_write_creates_an_integration(service: Service) -> None:
    """The integration is printed and the exit code is 0; one line says that the warnings could not be read. As JSON
    nothing but the record is asked for."""
    token = service.new_token("acme", Scope.WRITE)
    create = ("integration", "create", "https://a.example/", "--reference")
    made = service.command(*create, "written", token=token)
    assert "https://a.example/" in made.stdout
    assert "/.well-known/sse-configuration/" in made.stdout
    assert made.stderr.startswith("The integration was created, but its warnings could not be read: ")
    assert len(made.stderr.splitlines()) == 1
    as_json = service.command(*create, "written-json", "--json", token=token)
    assert json.loads(as_json.stdout)["reference_id"] == "written-json"
    assert as_json.stderr == ""
    warned = service.command(*create, "read-too")
    assert "Warning: The tenant URL ends with a slash." in warned.stdout
    assert warned.stderr == ""
    for row in json.loads(service.command("integration", "list", "--json").stdout):
        service.command("integration", "delete", row["id"])


def test_accounts_and_tokens(service: Service) -> None:
    """A token is shown once, listed without its secret, and unknown once it is revoked."""
    service.command("account", "create", "second")
    made = json.loads(service.command("token", "create", "second", "--scope", "read", "--days", "3", "--json").stdout)
    listed = service.command("token", "list", "--account", "second", "--json").stdout
    assert made["token"] not in listed
    (row,) = json.loads(listed)
    assert (row["scopes"], row["expires_at"] is not None) == ("read", True)
    header = {"Authorization": f"Bearer {made['token']}"}
    assert service.call("GET", "/integrations", **header)[0] == 403
    service.command("token", "revoke", row["token_id"])
    assert service.call("GET", "/integrations", **header)[0] == 401
    missing = service.command("token", "create", "nobody", check=False)
    assert "riskrelay account create nobody" in missing.stderr


SERVER_LIBRARIES = {"aiohttp", "alembic", "asyncpg", "cryptography", "sqlalchemy", "starlette", "structlog", "uvicorn"}
SAY_WHAT_WAS_LOADED = f"""
import sys
from riskrelay.cli import main
try:
    main()
finally:
    print("loaded:", *({SERVER_LIBRARIES} & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["serve", "--help"],
        ["integration", "list"],
        ["user", "list"],
        ["behavior", "list"],
        ["audit", "list"],
    ],
    ids=" ".join,
)
def test_a_command_that_only_speaks_http_loads_no_server(service: Service, arguments: list[str]) -> None:
    """Nor does help: what a command does not need costs its user a second of CPU each time."""
    reach = environment(RISKRELAY_URL=service.url, RISKRELAY_TOKEN=service.token, RISKRELAY_ACCOUNT="acme")
    run = subprocess.run(
        [sys.executable, "-c", SAY_WHAT_WAS_LOADED, *arguments], env=reach, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.strip() == "loaded:"


def by_the_same_name(database: Path, directory: Path) -> Path:
    return database


def by_a_symbolic_link(database: Path, directory: Path) -> Path:
    link = directory / "link.db"
    link.symlink_to(database)
    return link


def by_a_linked_directory(database: Path, directory: Path) -> Path:
    link = directory / "link"
    link.symlink_to(database.parent, target_is_directory=True)
    return link / database.name


def by_a_hard_link(database: Path, directory: Path) -> Path:
    link = directory / "link.db"
    link.hardlink_to(database)
    return link


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (by_the_same_name, "another riskrelay process uses {}"),
        (by_a_symbolic_link, "another riskrelay process uses {}"),
        (by_a_linked_directory, "another riskrelay process uses {}"),
        (by_a_hard_link, "{} has a second hard link"),
    ],
)
def test_a_second_process_on_the_same_file_refuses_to_start(
    service: Service, tmp_path: Path, name: Callable[[Path, Path], Path], said: str
) -> None:
    """faults.md 19: whatever name leads there, it says why, and the first one goes on."""
    database = Path(service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///"))
    path = name(database, tmp_path)
    key = database.with_name(database.name + ".key").read_text().strip()
    settings = service.settings | {"RISKRELAY_DATABASE_URL": f"sqlite:///{path}", "RISKRELAY_MASTER_KEY": key}
    second = run_command("serve", "--port", str(free_port()), settings=settings)
    for link in tmp_path.iterdir():
        link.unlink()
    assert second.returncode == 1
    assert said.format(path) in second.stderr
    assert service.get("/healthz") == b"ok\n"


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        ({}, ["serve"], "run `riskrelay init`"),
        ({"RISKRELAY_DATABASE_URL": "mysql://db"}, ["serve"], "RISKRELAY_DATABASE_URL: "),
        ({"RISKRELAY_PORT": "many", "RISKRELAY_RETENTION_DAYS": "0"}, ["init"], "RISKRELAY_PORT: "),
        ({"RISKRELAY_PUBLIC_URL": "https://a.example/path"}, ["init"], "must be an origin without a path"),
        ({"RISKRELAY_MASTER_KEY": "secret"}, ["init"], "RISKRELAY_MASTER_KEY must be"),
        ({"RISKRELAY_CONFIG": "nowhere.toml"}, ["init"], "nowhere.toml"),
        ({}, ["worker"], "use PostgreSQL"),
        ({}, ["serve", "--workers", "2"], "riskrelay migrate-store"),
        ({}, ["init", "--account", ""], "an account id must have 1 to 255"),
        ({}, ["account", "create", "a/b"], "an account id must have 1 to 255"),
        ({}, ["integration", "list"], "RISKRELAY_TOKEN is not set"),
        ({"RISKRELAY_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, ["migrate"], "cannot be reached"),
    ],
)
def test_errors_say_the_next_step(tmp_path: Path, settings: dict[str, str], arguments: list[str], said: str) -> None:
    """Exit code 1, one message, no traceback."""
    run = run_command(*arguments, directory=tmp_path, settings=settings)
    assert run.returncode == 1
    assert said in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr


def test_settings_come_from_a_toml_file_and_the_environment_wins(tmp_path: Path) -> None:
    """RISKRELAY_CONFIG names the file."""
    config = tmp_path / "riskrelay.toml"
    config.write_text('database_url = "sqlite:///from-file.db"\npublic_url = "https://risk.example.com"\n')
    settings = {"RISKRELAY_CONFIG": str(config), "RISKRELAY_PUBLIC_URL": "https://other.example.com"}
    run_command("init", directory=tmp_path, settings=settings).check_returncode()
    assert (tmp_path / "from-file.db").exists()


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    """Another program has the port."""
    service = Service(tmp_path)
    with socket.create_server(("127.0.0.1", int(service.settings["RISKRELAY_PORT"]))):
        run = run_command("serve", settings=service.settings)
    assert run.returncode == 1
    assert "port" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_list_is_followed_while_it_changes(service: Service) -> None:
    """`delivery list --follow --json`: what is there, then one line for each delivery that is new or has changed."""
    service.enable_behaviors()
    own = service.create_integration(f"http://127.0.0.1:{free_port()}")["id"]
    command = [sys.executable, "-m", "riskrelay", "delivery", "list", own, "--account", "acme", "--follow", "--json"]
    reach = environment(RISKRELAY_URL=service.url, RISKRELAY_TOKEN=service.token)
    with subprocess.Popen(command, env=reach, stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert json.loads(following.stdout.readline()) == []
            service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
            row = json.loads(following.stdout.readline())
            assert (row["state"], len(row["jti"])) == ("pending", 36)
        finally:
            following.kill()


def test_a_receiver_misbehaves_on_request(tmp_path: Path) -> None:
    """`receive --status 503 --delay-ms 300` answers that, so much later, whatever it is sent."""
    port = free_port()
    arguments = ["receive", "--well-known", "http://127.0.0.1:9/x", "--port", str(port)]
    bad = ["--status", "503", "--delay-ms", "300"]
    receiver = Process([*arguments, *bad], port, {}, tmp_path / "receiver.log", shared_fork_server())
    try:
        began = time.monotonic()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/security/api/v1/security-events", b"anything", timeout=60)
        refused.value.close()
        assert refused.value.code == 503
        assert time.monotonic() - began >= 0.3
    finally:
        receiver.kill()


def test_serve_on_a_terminal_says_where_the_console_is(tmp_path: Path) -> None:
    """On standard output; `/` leads there; the log stays JSON lines on standard error, which is a file here."""
    service = Service(tmp_path)
    ours, theirs = pty.openpty()
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "riskrelay", "serve"]
        serving = subprocess.Popen(command, env=environment(**service.settings), stdout=theirs, stderr=log)
    os.close(theirs)
    try:
        said = b""
        while b"Ctrl-C" not in said:
            said += os.read(ours, 1_024)
        assert f"Console: {service.settings['RISKRELAY_PUBLIC_URL']}/console\r\nSign in with the token".encode() in said
        wait_for_port(int(service.settings["RISKRELAY_PORT"]), serving, tmp_path / "log")
        with urllib.request.urlopen(service.url, timeout=60) as page:
            assert "/console/sign-in" in page.url
        assert all(json_lines(tmp_path / "log"))
    finally:
        serving.terminate()
        assert serving.wait(60) == 0
        os.close(ours)
