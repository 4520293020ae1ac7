"""What the programs themselves say of our configurations: promtool, amtool and systemd-analyze."""

import subprocess
from pathlib import Path

import pytest

from support.at_length import deploy_check
from support.programs import needed

DEPLOY = Path(__file__).parents[3] / "deploy"

pytestmark = deploy_check


def checked(*command: str) -> str:
    """What a command prints that must succeed."""
    run = subprocess.run(command, capture_output=True, text=True, cwd=DEPLOY)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.compose.yml"])
def test_prometheus_accepts_its_configuration(name: str) -> None:
    """With the rules that it names."""
    assert "22 rules found" in checked(needed("promtool"), "check", "config", name)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "team"), ("info", "team")])
def test_alertmanager_routes_alerts_by_severity(tmp_path: Path, severity: str, receiver: str) -> None:
    """Debian's version knows no `url_file`, so the address is written down for it."""
    file = tmp_path / "alertmanager.yml"
    text = (DEPLOY / "alertmanager.yml").read_text()
    file.write_text(text.replace("url_file: /run/secrets/alert_url", "url: http://127.0.0.1:9"))
    checked(needed("amtool"), "check-config", str(file))
    routed = checked(
        needed("amtool"), "config", "routes", "test", f"--config.file={file}", "alertname=A", f"severity={severity}"
    )
    assert receiver in routed.splitlines()


@pytest.mark.parametrize(("name", "exposure"), [("riskrelay.service", 2.0), ("riskrelay-backup.service", 1.5)])
def test_systemd_rates_the_units_as_confined(name: str, exposure: float) -> None:
    """From 0 (confined) to 10; a unit without settings has 9.6. Nothing in the units is unknown to systemd."""
    shown = checked(needed("systemd-analyze"), "security", "--offline=true", "--no-pager", name)
    assert float(shown.partition("exposure level")[2].split(":")[1].split()[0]) <= exposure
    verified = subprocess.run(
        ["systemd-analyze", "verify", f"./{name}"], capture_output=True, text=True, cwd=DEPLOY, check=False
    ).stderr
    complaints = [line for line in verified.splitlines() if "is not executable: No such file" not in line]
    assert complaints == []
