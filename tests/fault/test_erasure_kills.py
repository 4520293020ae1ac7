"""The process ends in the middle of an erasure: the next one goes on with it, on both engines (row 52)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from riskrelay.core.products.okta import EVENTS_PATH as OKTA_EVENTS_PATH
from support.clients import NO_ANSWER
from support.databases import PostgresServer
from support.failpoint_launcher import EXIT_CODE
from support.kills import kill_at_random
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.ledger_rows import LedgerRows, read_rows
from support.service import Oracle, Service
from support.waiting import until

FINDINGS = 350  # some steps of an erasure
RESETS = 60
KAI, LOU = "kai@example.com", "lou@example.com"
LONG = pytest.mark.fault(52, long=True)


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    settings: dict[str, str] = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = server.service_settings()
    service = Service(tmp_path, None, RISKRELAY_RATE_LIMIT="0", **settings)
    service.start()
    service.enable_behaviors()
    yield service
    service.kill()


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


def found(number: int, email: str) -> dict[str, object]:
    return {"id": f"{email}-{number}", "behavior": "high_dlp", "user": {"email": email}}


def rows_of(service: Service) -> LedgerRows:
    return read_rows(service.settings["RISKRELAY_DATABASE_URL"])


@dataclass
class Erasing:
    """A service with hundreds of findings and events about Kai, delivered and waiting ones, and one about Lou."""

    service: Service
    oracle: Oracle
    user_id: str
    own: str
    responses: Responses

    def check(self) -> None:
        """When the erasure has ended nothing names Kai, no waiting event about Kai is sent, and Lou's are."""
        until(lambda: not any(KAI in str(row) for row in _texts(self.service)))
        assert self.service.call("GET", f"/{self.user_id}")[0] == 404
        self.service.result("POST", f"{self.own}/resume")
        wait_until_quiet(self.service)
        checked = check_ledger(self.service, self.oracle, self.responses, at_most_copies=0)
        assert (checked.states["delivered"], checked.states["erased"]) == (2, 2 * RESETS)
        assert len(self.oracle.wait_for(OKTA_EVENTS_PATH, 2)) == 2
        assert self.service.stop() == 0


@pytest.fixture
def erasing(service: Service, oracle: Oracle) -> Erasing:
    responses = Responses()
    service.create_integration(oracle.url)
    (integration,) = service.result("GET", "/integrations")
    own = f"/integrations/{integration['id']}"
    user_id = service.result("POST", "/findings", found(0, KAI))["changes"][0]["user_id"]
    wait_until_quiet(service)
    service.result("POST", f"{own}/pause")
    for number in range(RESETS):
        service.result("POST", f"/{user_id}/reset")
        service.result("POST", "/findings", found(-1 - number, KAI))
    service.result("POST", "/findings", [found(number, KAI) for number in range(FINDINGS)])
    responses.add(f"{LOU}-0", service.result("POST", "/findings", found(0, LOU)))
    return Erasing(service, oracle, user_id, own, responses)


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("service", "step"),
    [
        ("sqlite", "before_commit"),
        ("postgres", "after_commit:5"),
        pytest.param("sqlite", "after_commit:5", marks=LONG),
        pytest.param("postgres", "before_commit", marks=LONG),
        pytest.param("sqlite", "after_commit:2", marks=LONG),
        pytest.param("postgres", "after_commit:2", marks=LONG),
    ],
    indirect=["service"],
)
def test_an_erasure_goes_on_after_a_kill(erasing: Erasing, step: str) -> None:
    """It ends in the middle of a request for an erasure, at named places."""
    service = erasing.service
    assert service.stop() == 0
    service.start(FAILPOINT=f"erase.{step}")
    assert service.process is not None
    with suppress(*NO_ANSWER):
        service.call("DELETE", f"/{erasing.user_id}")
    assert service.process.wait() == EXIT_CODE
    service.process = None
    service.start()
    erasing.check()


@pytest.mark.fault(52)
@pytest.mark.parametrize("service", ["sqlite", pytest.param("postgres", marks=LONG)], indirect=True)
def test_an_erasure_goes_on_after_kills_at_any_moment(
    erasing: Erasing, record_property: Callable[[str, object], None]
) -> None:
    """The client repeats its request until it is answered, and the service is killed with -9 meanwhile."""
    ended = threading.Event()
    client = threading.Thread(target=_erase, args=(erasing, ended))
    client.start()
    try:
        kill_at_random(erasing.service, record_property, within=0.2)
    finally:
        ended.set()
        client.join()
    erasing.check()


def _erase(erasing: Erasing, ended: threading.Event) -> None:
    """Ask for the erasure until it is answered, also after the last kill: a kill may come before the first commit."""
    while True:
        is_last = ended.is_set()
        with suppress(*NO_ANSWER):
            if erasing.service.call("DELETE", f"/{erasing.user_id}")[0] in (200, 404) or is_last:
                return
        time.sleep(0.02)


def _texts(service: Service) -> list[object]:
    rows = rows_of(service)
    return [*rows.findings, *((event.subject_key, event.claims) for event in rows.events)]
