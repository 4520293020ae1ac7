"""What stands in deploy/: every metric that the dashboard and the alerts read is in a real scrape, every alert has a
runbook."""

import json
import re
from collections.abc import Iterator
from configparser import RawConfigParser
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from riskrelay.core.delivery.backoff import LONGEST
from riskrelay.core.delivery.survey import LaneCondition
from support.certificates import new_authority
from support.ledger_checks import wait_until_quiet
from support.service import Oracle, Service

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
_METRIC = re.compile(r"\b(?:riskrelay|process)_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return found


def expressions() -> list[str]:
    """Every expression of the rules and of the dashboard."""
    targets = [target for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return [rule["expr"] for rule in rules()] + [target["expr"] for target in targets]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """What a service with TLS that has delivered shows."""
    directory = tmp_path_factory.mktemp("deploy")
    authority = new_authority(directory)
    service, oracle = Service(directory, authority), Oracle(directory, authority)
    try:
        oracle.start()
        service.start()
        service.enable_behaviors()
        service.create_integration(oracle.url)
        service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
        wait_until_quiet(service)
        yield names_in(service.get("/metrics").decode())
    finally:
        service.stop()
        oracle.stop()


def names_in(scrape: str) -> dict[str, set[str]]:
    """The names of a scrape's samples, each with the values of its labels."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels.values())
        if family.type == "counter" and not family.samples:  # it has a label and nothing was counted yet
            names[f"{family.name}_total"] = set()
    return names


def test_every_metric_that_is_read_is_scraped(scraped: dict[str, set[str]]) -> None:
    """A renamed metric is found here, and not by an alert that stays silent."""
    read = {name for expression in expressions() for name in _METRIC.findall(expression)}
    assert len(read) > 20
    assert read - set(scraped) == set()


def test_every_label_value_that_is_asked_for_exists(scraped: dict[str, set[str]]) -> None:
    """The conditions, states and statuses in the expressions are those of the metrics."""
    asked = {
        (metric, value)
        for expression in expressions()
        for metric, _, value in re.findall(r'(riskrelay_\w+)\{(condition|state|status|outcome)="(\w+)"', expression)
    }
    assert len(asked) > 5
    assert {pair for pair in asked if pair[1] not in scraped[pair[0]]} <= {("riskrelay_deliveries_total", "ours")}


def test_every_alert_says_what_to_do() -> None:
    """Its runbook is a section of docs/guides/operate.md with its name."""
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/guides/operate.md").read_text(), re.MULTILINE)
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    assert set(names) <= set(headings)
    assert [rule["annotations"]["runbook"] for rule in rules()] == [
        f"docs/guides/operate.md#{name.lower()}" for name in names
    ]


def test_rules_are_evaluated_as_often_as_there_are_samples() -> None:
    """And several times within the shortest `for`: one sample alone alarms nobody."""
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["global"]
    assert settings["evaluation_interval"] == settings["scrape_interval"] == "15s"
    waits = [rule["for"] for rule in rules() if "for" in rule]
    assert all(re.fullmatch(r"[1-9]\d*m", wait) for wait in waits)


def test_a_failing_receiver_is_alarmed_by_the_condition_that_lasts() -> None:
    """A lane that fails is breaker_open through each probe (tests/contract/store/test_surveying.py), so `for` may be as
    long as the wait between two."""
    (rule,) = [rule for rule in rules() if rule["alert"] == "RiskrelayBreakerOpen"]
    assert rule["expr"] == f'riskrelay_lanes{{condition="{LaneCondition.OPEN.value}"}} > 0'
    assert rule["for"] == f"{LONGEST // timedelta(minutes=1)}m"


def test_no_forecast_is_made_from_the_first_minutes() -> None:
    """A metric of which something is predicted must have been there hours before."""
    forecast = [rule["expr"] for rule in rules() if "predict_linear" in rule["expr"]]
    assert len(forecast) == 1
    for metric, rest in re.findall(r"predict_linear\((\w+)\[6h\], \d+\) < 0(.*)", forecast[0]):
        assert rest == f" and {metric} offset 3h)"


def test_the_dashboard_is_whole() -> None:
    """It asks its variable's data source only, and no two panels share an id or a place."""
    panels = dashboard()["panels"]
    assert {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())} == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert {variable["name"] for variable in dashboard()["templating"]["list"]} == {"datasource", "instance"}


def test_the_unit_runs_commands_that_exist() -> None:
    """What systemd starts is `init`, then `serve`, as nobody who may do more."""
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "riskrelay.service")
    service = unit["Service"]
    assert service["ExecStartPre"].split()[1:] == ["init"]
    assert service["ExecStart"].split()[1:] == ["serve"]
    assert service["NoNewPrivileges"] == "yes"
    assert int(service["TimeoutStopSec"]) > 20  # PUSH_DEADLINE in wiring
