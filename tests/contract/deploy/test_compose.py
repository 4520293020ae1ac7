"""The compose files: confined containers, no default secret, commands and files that exist."""

import json
import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from riskrelay.bench.processes import free_port
from riskrelay.cli.tree import PARTS
from riskrelay.settings import Settings, read_settings
from riskrelay.signing.sealing import MasterKey
from support.at_length import deploy_check
from support.databases import PostgresServer
from support.service import Oracle, environment, wait_for_port

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
FILES = ("compose.yaml", "compose.postgres.yaml")
COMMANDS = {name for entries in PARTS.values() for name in entries}
SECRETS = "/run/riskrelay/"
ROOT_AT_START = {"database", "secrets"}
"""The entrypoint of PostgreSQL changes its user itself; `secrets` gives files away."""


def services(name: str) -> dict[str, dict[str, Any]]:
    """The services of a compose file, with its anchors merged."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / name).read_text())["services"]
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_container_is_confined(file: str) -> None:
    """No capabilities, no new privileges, a read-only file system where riskrelay or Prometheus runs."""
    for name, service in services(file).items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        if name != "database":
            assert service["cap_drop"] == ["ALL"], name
        if name not in ("database", "grafana"):
            assert service["read_only"] is True, name
        assert set(service.get("cap_add", ())) <= {"CHOWN"}, name
        assert service.get("user") != "0:0" or name in ROOT_AT_START, name


@pytest.mark.parametrize("file", FILES)
def test_only_this_machine_reaches_a_published_port(file: str) -> None:
    """Other machines come through a TLS proxy. Port 8790, with the metrics, is not published."""
    ports = [port for service in services(file).values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") and not port.endswith(":8790") for port in ports)


@pytest.mark.parametrize("file", FILES)
def test_images_have_versions_and_commands_exist(file: str) -> None:
    """No image is `latest`. Each command of riskrelay is one."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in services(file).items():
        repository, _, tag = service["image"].rpartition(":")
        assert repository, name
        assert tag[0].isdigit() or tag[:2] == "v" + tag[1], name
        if repository == "riskrelay":
            assert tag == version
            entrypoint = " ".join(service.get("entrypoint", ["riskrelay"]))
            words = [*entrypoint.split(), *service.get("command", ["serve"])]
            if "riskrelay" in words:
                assert words[words.index("riskrelay") + 1] in COMMANDS, name


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_is_mounted_exists(file: str) -> None:
    """A missing one would become an empty directory."""
    mounted = [one for service in services(file).values() for one in service.get("volumes", ()) if one.startswith("./")]
    assert [one for one in mounted if not (DEPLOY / one.split(":")[0]).is_file()] == []


@pytest.mark.parametrize("file", FILES)
def test_every_setting_exists_and_no_secret_is_written_down(file: str) -> None:
    """Secrets come from files that `secrets` or `init` creates."""
    known = {f"RISKRELAY_{name.upper()}" for name in Settings.model_fields}
    for service in services(file).values():
        for variable, value in service.get("environment", {}).items():
            assert not variable.startswith("RISKRELAY_") or variable in known
            if "PASSWORD" in variable or "KEY" in variable:
                assert value.startswith(SECRETS), variable


def make_secrets(directory: Path) -> str:
    """Run the script, and return what it prints."""
    command = [sys.executable, str(DEPLOY / "make_secrets.py"), str(directory)]
    printed: str = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return printed


def test_each_secret_is_created_once_for_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are readable by one user each, they fit together, and a second run changes nothing."""
    assert make_secrets(tmp_path) == "created: master_key grafana_password database_url postgres_password\n"
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o400 for path in tmp_path.iterdir())
    if os.geteuid() == 0:
        owners = {path.name: path.stat().st_uid for path in tmp_path.iterdir()}
        assert owners == {"master_key": 10001, "database_url": 10001, "postgres_password": 999, "grafana_password": 472}
    mounted = {value for service in services(FILES[1]).values() for value in service.get("environment", {}).values()}
    assert {name for name in made if f"{SECRETS}{name}" in mounted} == set(made)
    assert f":{made['postgres_password'].strip()}@database/" in made["database_url"]
    MasterKey([made["master_key"].strip()])
    for variable, value in services(FILES[1])["serve"]["environment"].items():
        monkeypatch.setenv(variable, value.replace(SECRETS, f"{tmp_path}/"))
    settings = read_settings()
    assert settings.sqlite_path is None
    assert make_secrets(tmp_path) == "all secrets exist\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made


def test_an_interrupted_run_leaves_a_password_and_a_url_that_fit(tmp_path: Path) -> None:
    """The password is written last. Without it, the URL is made again."""
    make_secrets(tmp_path)
    (tmp_path / "postgres_password").unlink()
    assert make_secrets(tmp_path).split() == ["created:", "database_url", "postgres_password"]
    password = (tmp_path / "postgres_password").read_text().strip()
    assert f":{password}@database/" in (tmp_path / "database_url").read_text()


def test_prometheus_scrapes_every_process_and_loads_the_rules() -> None:
    """The service, both workers, and the rules and the port that the images use."""
    settings = yaml.safe_load((DEPLOY / "prometheus.compose.yml").read_text())
    (job,) = [job for job in settings["scrape_configs"] if job["job_name"] == "riskrelay"]
    (found,) = job["dns_sd_configs"]
    assert {"serve", "worker"} == set(found["names"]) <= set(services(FILES[1]))
    assert found["port"] == 8790
    mounted = services(FILES[1])["prometheus"]["volumes"]
    assert "./prometheus-rules.yml:/etc/prometheus/prometheus-rules.yml:ro" in mounted
    assert settings["rule_files"] == ["prometheus-rules.yml"]


def test_grafana_finds_the_dashboard() -> None:
    """The provider's directory is where compose puts the dashboard, and the data source is the one in compose."""
    (provider,) = yaml.safe_load((DEPLOY / "grafana/dashboards.yml").read_text())["providers"]
    mounted = services(FILES[1])["grafana"]["volumes"]
    assert f"./grafana-dashboard.json:{provider['options']['path']}/riskrelay.json:ro" in mounted
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasources.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"] is True


@deploy_check
async def test_the_commands_of_the_postgresql_file_work_together(postgres: PostgresServer, tmp_path: Path) -> None:
    """`init`, `serve` without delivery and two workers, with the settings of the file: a finding becomes a push."""
    make_secrets(tmp_path)
    url = await postgres.migrated_database()
    oracle = Oracle(tmp_path)
    oracle.start()
    (tmp_path / "database_url").unlink()
    (tmp_path / "database_url").write_text(url)
    found = services(FILES[1])
    shared = {name: value.replace(SECRETS, f"{tmp_path}/") for name, value in found["serve"]["environment"].items()}
    shared |= {"RISKRELAY_ALLOW_TARGETS": "127.0.0.1", "RISKRELAY_ALLOW_HTTP_TARGETS": "true"}
    port = free_port()
    shared |= {"RISKRELAY_PORT": str(port), "RISKRELAY_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    program = [sys.executable, "-m", "riskrelay"]

    def start(name: str) -> subprocess.Popen[bytes]:
        own = {"RISKRELAY_METRICS_PORT": str(free_port()), "RISKRELAY_OPERATIONS_PORT": str(free_port())}
        with (tmp_path / f"{name}.log").open("ab") as log:
            command = [*program, *found[name]["command"]]
            return subprocess.Popen(command, env=environment(**shared, **own), stdout=log, stderr=log)

    made = subprocess.run([*program, "init", "--json"], env=environment(**shared), check=True, capture_output=True)
    token = json.loads(made.stdout)["token"]
    running = [start("serve"), *(start("worker") for _ in range(found["worker"]["deploy"]["replicas"]))]
    try:
        wait_for_port(port, running[0], tmp_path / "serve.log")
        reach = {"RISKRELAY_URL": f"http://127.0.0.1:{port}", "RISKRELAY_TOKEN": token}
        for command in (
            ["behavior", "set", "high_dlp", "--on"],
            ["integration", "create", oracle.url],
            ["finding", "send", "high_dlp", "kai@example.com"],
        ):
            subprocess.run([*program, *command], env=environment(**reach), check=True, capture_output=True)
        oracle.wait_for("/security/api/v1/security-events", 1)
    finally:
        for process in running:
            process.terminate()
        assert [process.wait(45) for process in running] == [0, 0, 0]
        oracle.stop()
