"""The process is killed while rules are evaluated: each user moves once, and the ledger adds up. On both engines."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.clients import until_answered
from support.databases import PostgresServer, end_leases
from support.failpoint_launcher import EXIT_CODE
from support.ledger_checks import Responses, check_ledger, ledger
from support.service import Oracle, Service
from support.waiting import until

USERS = 130  # more than one transaction moves
LONG = pytest.mark.fault(1, 2, 3, long=True)
LOWS = ("high_risk_domain", "crowdstrike_medium_zta")
RULE = {
    "name": "Two lows",
    "within_seconds": 86_400,
    # It names the time, which differs, so each user is evaluated, and takes about a millisecond.
    "when": '$count($map([1..2000], function($i) { $i })) > 0 and $count(findings[level="low" and time > "2000"]) >= 2',
    "level": "medium",
}


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """An installation on each engine."""
    settings: dict[str, str] = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = server.service_settings()
    service = Service(tmp_path, None, **settings)
    yield service
    service.kill()


def time_of_evaluators(service: Service) -> float:
    """The processor time of the processes that evaluate expressions, in seconds."""
    assert service.process is not None
    children = psutil.Process(service.process.pid).children(recursive=True)
    evaluators = [child for child in children if "riskrelay.mapping.mapping_process" in child.cmdline()]
    return sum(child.cpu_times().user for child in evaluators)


@pytest.mark.fault(1, 2, 3)
@pytest.mark.parametrize(
    ("service", "place"),
    [
        ("sqlite", "from outside"),
        ("postgres", "rules.before_commit:2"),
        pytest.param("sqlite", "rules.before_commit:2", marks=LONG),
        pytest.param("postgres", "from outside", marks=LONG),
        pytest.param("sqlite", "rules.after_commit:2", marks=LONG),
        pytest.param("postgres", "rules.after_commit:2", marks=LONG),
    ],
    indirect=["service"],
)
def test_each_user_moves_once_though_the_process_is_killed(tmp_path: Path, service: Service, place: str) -> None:
    """Killed while rules are evaluated, before and after the commit of the first users: the next start goes on."""
    oracle, responses = Oracle(tmp_path), Responses()
    oracle.start()
    failpoint = {} if place == "from outside" else {"FAILPOINT": place}
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    began = datetime.now(UTC)
    findings: list[dict[str, Any]] = [
        {
            "id": f"f{number}-{low}",
            "behavior": low,
            "user": {"email": f"u{number}@example.com"},
            "timestamp": (began - timedelta(seconds=number)).isoformat(),
        }
        for number in range(USERS)
        for low in LOWS
    ]
    result = until_answered(service, "/findings", findings)
    for number, one in enumerate(findings):
        responses.add(one["id"], result if number == 0 else {"changes": []})
    responses.changes.extend((f"u{number}@example.com", "low", "medium") for number in range(USERS))
    if failpoint:
        service.stop()
        service.start(**failpoint)

    def moved() -> bool:
        return {one["max_risk_level"] for one in service.result("GET", "/summary")["users"]} == {"medium"}

    service.call("POST", "/rules", RULE)
    assert service.process is not None
    if failpoint:
        assert service.process.wait() == EXIT_CODE
        service.process = None
    else:
        checked_in = time_of_evaluators(service)
        until(lambda: time_of_evaluators(service) > checked_in or moved())
        service.kill()
    end_leases(service.settings["RISKRELAY_DATABASE_URL"])
    service.start()

    until(moved)
    until(lambda: ledger(service)["delivered"] == 2 * USERS)  # counts can be older than the summary
    checked = check_ledger(service, oracle, responses, at_most_copies=USERS)
    assert checked.states["delivered"] == checked.states.total() == 2 * USERS
    assert service.stop() == 0
    oracle.stop()
