"""`riskrelay doctor`: what it finds in a real installation that something is wrong with."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.bench.processes import free_port
from riskrelay.signing.sealing import new_master_key
from support.certificates import new_authority
from support.fork_server import shared_fork_server
from support.service import Oracle, Process, Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service over https that loosens nothing but whom it pushes to."""
    directory = tmp_path_factory.mktemp("doctor")
    service = Service(directory, new_authority(directory), RISKRELAY_ALLOW_HTTP_TARGETS="false")
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """An installation whose service does not run, so that the settings of the shell are checked."""
    return Service(tmp_path_factory.mktemp("stopped"))


def examine(service: Service, code: int, **settings: str) -> list[dict[str, Any]]:
    """What the doctor says under *settings*, and that it ends with *code*; each finding says what to do."""
    before = dict(service.settings)
    service.settings.update(settings)
    try:
        ended = service.command("doctor", "--json", check=False)
    finally:
        service.settings = before
    assert ended.returncode == code, ended.stdout + ended.stderr
    checks: list[dict[str, Any]] = json.loads(ended.stdout)
    assert all((check["verdict"] == "ok") == (check["fix"] is None) for check in checks)
    return checks


def said(checks: list[dict[str, Any]], topic: str, verdict: str) -> str:
    """What was said of a topic with that verdict."""
    return " ".join(check["said"] for check in checks if (check["topic"], check["verdict"]) == (topic, verdict))


def test_a_healthy_installation(service: Service) -> None:
    """Everything is looked at; what the settings loosen is named; there is no problem."""
    checks = examine(service, 0)
    assert {check["topic"] for check in checks} == {"settings", "database", "keys", "public_url", "receivers", "ledger"}
    assert "RISKRELAY_ALLOW_TARGETS: pushes to these non-public addresses are allowed: 127.0.0.1." in said(
        checks, "settings", "warning"
    )
    assert "SQLite 3." in said(checks, "database", "ok")
    assert "current RS256 key is 0 days old" in said(checks, "keys", "ok")
    assert "returns the keys of this installation" in said(checks, "public_url", "ok")
    people = service.command("doctor")
    assert "No problems found." in people.stdout


def test_the_settings_of_the_running_service_are_checked(service: Service) -> None:
    """Not those of the shell; where the two differ is said, and unknown variables of the shell are reported."""
    shell = {"RISKRELAY_PUBLIC_URL": "https://127.0.0.1:1", "RISKRELAY_ALLOW_TARGETS": "", "RISKRELAY_RATE_LIMIT": "0"}
    checks = examine(service, 0, **shell, RISKRELAY_RATELIMIT="1")
    judged = said(checks, "settings", "ok")
    assert "Checked with the settings of riskrelay serve, running since 20" in judged
    assert f"this shell has different values of {', '.join(sorted(shell))}." in judged
    warned = said(checks, "settings", "warning")
    assert "RISKRELAY_ALLOW_TARGETS: pushes to these non-public addresses are allowed: 127.0.0.1." in warned
    assert "the rate limit is disabled" not in warned
    assert "RISKRELAY_RATELIMIT is set, but this setting does not exist (did you mean RISKRELAY_RATE_LIMIT?)" in warned


def test_what_loosens_a_default_is_named(stopped: Service) -> None:
    """Each setting, with its name and its value; that no service runs is said too."""
    loose = {
        "RISKRELAY_ALLOW_HTTP_TARGETS": "true",
        "RISKRELAY_TRUSTED_PROXIES": "0.0.0.0/0",
        "RISKRELAY_RATE_LIMIT": "0",
    }
    found = said(examine(stopped, 1, **loose), "settings", "warning")
    assert "No riskrelay process uses this database" in found
    assert [name for name in loose if name not in found] == []
    assert "0.0.0.0/0" in found


def test_receivers_that_cannot_be_reached(service: Service, tmp_path: Path) -> None:
    """Nobody listens; no TLS; a name that does not exist; an address that may not be dialled: each with its reason and
    the integration; a receiver that can be reached is sent nothing."""
    oracle = Oracle(tmp_path)  # plain http
    oracle.start()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused = silent.getsockname()[1]
    targets = {
        f"https://127.0.0.1:{refused}": "connection_refused",
        oracle.url.replace("http:", "https:"): "tls_protocol",
        "https://nobody.invalid": "name_not_found",
        "https://10.1.2.3": "blocked_address",
    }
    made = [service.create_integration(url)["id"] for url in targets]
    try:
        found = said(examine(service, 1), "receivers", "problem")
        assert [reason for reason in targets.values() if reason not in found] == []
        assert "Host name not found (name_not_found" in found
        assert [one for one in made if one not in found] == []
        assert oracle.requests() == []
    finally:
        for one in made:
            service.result("DELETE", f"/integrations/{one}")
        oracle.stop()


def test_a_receiver_behind_a_proxy_with_tls_of_its_own(service: Service, tmp_path: Path) -> None:
    """It is looked for as a push would find it: with its integration's authority and client certificate, through the
    proxy; a proxy that is not there is told as such. A certificate that ends soon is a warning. It is sent nothing."""
    private = new_authority(tmp_path, "private")
    oracle = Oracle(tmp_path, private)
    oracle.start()
    port, asked = free_port(), tmp_path / "asked"
    log, forking = tmp_path / "proxy.log", shared_fork_server()
    proxy = Process([str(port), str(asked)], port, {}, log, forking, module="support.connect_proxy")
    through = {"RISKRELAY_EGRESS_PROXY": f"http://127.0.0.1:{port}"}
    made = service.create_integration(oracle.url)["id"]
    client = private.files("client.test", ends=5)
    try:
        assert "tls_unknown_ca" in said(examine(service, 1), "receivers", "problem")
        pair = {"certificate": client.certificate.read_text(), "key": client.key.read_text()}
        service.result("PUT", f"/integrations/{made}/tls", {"ca": private.pem(), **pair})
        for code, settings in ((0, {}), (1, through)):  # no service answers at the public URL when it is stopped
            if settings:
                service.stop()
            found = examine(service, code, **settings)
            assert "1 of 1 receivers can be reached" in said(found, "receivers", "ok")
            assert f"The client certificate of integration {made} expires on " in said(found, "receivers", "warning")
        assert asked.read_text() == f"127.0.0.1:{oracle.port}\n"
        proxy.kill()
        assert "proxy_unreachable" in said(examine(service, 1, **through), "receivers", "problem")
        service.start()
        assert oracle.requests() == []
    finally:
        service.result("DELETE", f"/integrations/{made}")
        proxy.kill()
        oracle.stop()


def test_another_master_key_does_not_open_the_keys(service: Service) -> None:
    """The key is named, not shown."""
    found = examine(service, 1, RISKRELAY_MASTER_KEY=new_master_key())
    assert "does not decrypt the RS256 key" in said(found, "keys", "problem")


def test_a_public_url_that_leads_elsewhere(service: Service, stopped: Service, tmp_path: Path) -> None:
    """To nobody, or to another installation."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = f"https://127.0.0.1:{silent.getsockname()[1]}"
    assert "cannot be fetched" in said(examine(stopped, 1, RISKRELAY_PUBLIC_URL=nobody), "public_url", "problem")
    (tmp_path / "other").mkdir()
    key = new_master_key()
    other = Service(tmp_path / "other", RISKRELAY_MASTER_KEY=key)  # so its signing keys are its own
    database = other.settings["RISKRELAY_DATABASE_URL"]
    found = examine(service, 1, RISKRELAY_DATABASE_URL=database, RISKRELAY_MASTER_KEY=key)
    assert "keys of another installation" in said(found, "public_url", "problem")


def test_an_installation_that_cannot_start(service: Service, tmp_path: Path) -> None:
    """No database, or settings that are wrong: it says which command or setting mends it."""
    missing = examine(service, 1, RISKRELAY_DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}")
    assert "riskrelay init" in missing[0]["fix"]
    wrong = examine(service, 1, RISKRELAY_PORT="many")
    assert "RISKRELAY_PORT" in wrong[0]["fix"]
