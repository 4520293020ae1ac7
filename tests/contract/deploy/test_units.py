"""The systemd units, the template of the environment and the routes of Alertmanager."""

import re
import shlex
import sqlite3
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml

from riskrelay.settings import Settings
from support.command_line import invoke
from support.service import Service, environment

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


def unit(name: str) -> RawConfigParser:
    """A unit; of a key that is there several times, the last one."""
    found = RawConfigParser(strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(DEPLOY / name)
    return found


@pytest.mark.parametrize("name", ["riskrelay.service", "riskrelay-backup.service"])
def test_the_units_are_confined(name: str) -> None:
    """A user of its own, no privileges, and nothing but its own directories can be written."""
    service = unit(name)["Service"]
    assert service["User"] == "riskrelay"
    for key in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "ProtectKernelTunables", "RestrictSUIDSGID"):
        assert service[key] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["UMask"] == "0077"
    assert service["StateDirectoryMode"] == "0700"


def test_the_backup_command_makes_a_backup(tmp_path: Path) -> None:
    """The command of the unit, run by a shell as systemd would, copies the database of a service that runs."""
    service = Service(tmp_path)
    service.start()
    written = unit("riskrelay-backup.service")["Service"]["ExecStart"]
    program = tmp_path / "riskrelay"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(ROOT / ".venv/bin/python"))} -m riskrelay "$@"\n')
    program.chmod(0o700)
    command = written.replace("/opt/riskrelay/bin/riskrelay", str(program)).replace("%%", "%").replace("$$", "$")
    (tmp_path / "backups").mkdir(mode=0o700)
    subprocess.run(
        shlex.split(command), cwd=tmp_path / "backups", env=environment(**service.settings), check=True, timeout=60
    )
    service.stop()
    (backup,) = (tmp_path / "backups").glob("riskrelay-*.db")
    assert re.fullmatch(r"riskrelay-\d{4}-\d\d-\d\dT\d{6}Z\.db", backup.name)
    with sqlite3.connect(backup) as database:
        assert database.execute("SELECT account_id FROM accounts").fetchall() == [("acme",)]
    database.close()
    after = unit("riskrelay-backup.service")["Service"]["ExecStartPost"]
    assert "-name riskrelay-*.db" in " ".join(shlex.split(after))


def test_the_timer_starts_the_backup() -> None:
    """The unit with its name, also after a night that the machine was off."""
    timer = unit("riskrelay-backup.timer")
    assert "Unit" not in timer["Timer"]  # so it is the service of the same name
    assert timer["Timer"]["Persistent"] == "yes"


def test_the_template_names_settings_that_exist() -> None:
    """Every line is a comment, so a copy of the file changes nothing; every setting is known and reads its value."""
    lines = (DEPLOY / "riskrelay.env.example").read_text().splitlines()
    assert all(line == "" or line.startswith("#") for line in lines)
    given = dict(line[1:].split("=", 1) for line in lines if re.match(r"#RISKRELAY_", line))
    assert len(given) > 10
    assert {name.removeprefix("RISKRELAY_").lower() for name in given} <= set(Settings.model_fields)
    shown = {name: value for name, value in given.items() if not name.endswith(("_FILE", "_CERT", "_KEY", "_GEOIP"))}
    assert "Error" not in invoke("--version", env=shown).output
    Settings(**{name.removeprefix("RISKRELAY_").lower(): value for name, value in shown.items()})  # type: ignore[arg-type]


def test_every_alert_has_a_route() -> None:
    """Critical alerts reach the people on call; the receivers of all routes exist, and no address is in the file."""
    settings = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())
    (group,) = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())["groups"]
    names = {receiver["name"] for receiver in settings["receivers"]}
    routes = settings["route"]["routes"]
    assert {settings["route"]["receiver"], *(route["receiver"] for route in routes)} <= names
    routed = {re.fullmatch(r'severity="(\w+)"', matcher)[1] for route in routes for matcher in route["matchers"]}  # type: ignore[index]
    severities = {rule["labels"]["severity"] for rule in group["rules"]}
    assert severities - routed == {"warning"}  # the default route
    assert routed <= severities
    alerts = {rule["alert"] for rule in group["rules"]}
    inhibited = [
        matcher for rule in settings["inhibit_rules"] for key in rule if key != "equal" for matcher in rule[key]
    ]
    assert {name for matcher in inhibited for name in re.findall(r'"(Riskrelay\w+)"', matcher)} <= alerts
    assert "http" not in "".join(
        line.partition("#")[0] for line in (DEPLOY / "alertmanager.yml").read_text().splitlines()
    )
