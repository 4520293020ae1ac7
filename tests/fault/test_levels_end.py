"""The process is killed while levels end: each ends once, and the ledger adds up (rows 1 to 3). On both engines."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.settings import read_settings
from riskrelay.wiring.installation import open_store
from support.clients import until_answered
from support.database_time import pass_time_of_levels
from support.databases import PostgresServer, end_leases
from support.failpoint_launcher import EXIT_CODE
from support.kills import kill_at_random
from support.ledger_checks import Responses, check_ledger, ledger, wait_until_quiet
from support.service import Oracle, Service
from support.waiting import until

USERS = 130  # more than one transaction moves
DAY = timedelta(days=1)
LONG = pytest.mark.fault(1, 2, 3, long=True)


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


def fill(service: Service, oracle: Oracle) -> Responses:
    """Levels that have ended while the service was stopped, and whose rise was delivered."""
    responses = Responses()
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    durations = {"high_dlp": {"expires_after_seconds": DAY.total_seconds()}}
    service.result("PUT", "/levels", {"durations": durations})
    findings: list[dict[str, Any]] = [
        {"id": f"f{number}", "behavior": "high_dlp", "user": {"email": f"u{number}@example.com"}}
        for number in range(USERS)
    ]
    result = until_answered(service, "/findings", findings)
    for number, one in enumerate(findings):
        responses.add(one["id"], result if number == 0 else {"changes": []})
        responses.changes.append((f"u{number}@example.com", "high", "none"))
    wait_until_quiet(service)
    service.stop()
    asyncio.run(let_a_day_pass(service))
    return responses


def check(service: Service, oracle: Oracle, responses: Responses, at_most_copies: int) -> None:
    """Each level ends once, and the ledger adds up."""
    until(lambda: service.result("GET", "/summary")["users"] == [])
    until(lambda: ledger(service)["delivered"] == 2 * USERS)  # counts can be older than the summary
    checked = check_ledger(service, oracle, responses, at_most_copies=at_most_copies)
    assert checked.states["delivered"] == checked.states.total() == 2 * USERS
    assert service.stop() == 0
    oracle.stop()


@pytest.mark.fault(1, 2, 3)
@pytest.mark.parametrize(
    ("service", "failpoint"),
    [
        ("sqlite", "levels.before_commit"),
        ("postgres", "levels.after_commit"),
        pytest.param("sqlite", "levels.after_commit", marks=LONG),
        pytest.param("postgres", "levels.before_commit", marks=LONG),
    ],
    indirect=["service"],
)
def test_a_level_ends_once_though_the_process_is_killed(tmp_path: Path, service: Service, failpoint: str) -> None:
    """Killed before and after the commit of the first users: the next start ends the levels that are left."""
    oracle = Oracle(tmp_path)
    responses = fill(service, oracle)
    service.start(FAILPOINT=failpoint)
    assert service.process is not None
    assert service.process.wait() == EXIT_CODE
    service.process = None
    end_leases(service.settings["RISKRELAY_DATABASE_URL"])
    service.start()
    check(service, oracle, responses, at_most_copies=USERS)


@pytest.mark.fault(1, 2, 3)
@pytest.mark.parametrize("service", ["sqlite", pytest.param("postgres", marks=LONG)], indirect=True)
def test_levels_end_once_though_the_service_is_killed_at_any_moment(
    tmp_path: Path, service: Service, record_property: Callable[[str, object], None]
) -> None:
    """Some levels have ended, some events of them are sent, and others are not, when it is killed with -9."""
    oracle = Oracle(tmp_path)
    responses = fill(service, oracle)
    service.start(RISKRELAY_LEVEL_CHANGES_PER_SECOND="100")
    kills = kill_at_random(service, record_property, within=1.0)
    check(service, oracle, responses, at_most_copies=kills * BATCH_EVENTS)


async def let_a_day_pass(service: Service) -> None:
    store = open_store(read_settings(database_url=service.settings["RISKRELAY_DATABASE_URL"]))
    await pass_time_of_levels(store, DAY)
    await store.close()
