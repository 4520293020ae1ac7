"""The service ends in the middle of a collapse, on both engines: the last level arrives, and the ledger adds up."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from support.clients import NO_ANSWER
from support.databases import PostgresServer, end_leases
from support.failpoint_launcher import EXIT_CODE
from support.kills import kill_at_random
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service

USERS = 14
CYCLES = 15  # 420 events: more than one transaction of a collapse takes
LEFT_AT_RISK = 9  # the other users are back at no level, which the receiver knows
LONG = pytest.mark.fault(4, 7, 8, long=True)


@dataclass
class Backlog:
    """A paused receiver, behind which each user's level rose and fell many times."""

    service: Service
    oracle: Oracle
    integration: str = ""
    responses: Responses = field(default_factory=Responses)

    def fill(self) -> None:
        """Queue the events."""
        self.service.enable_behaviors()
        self.integration = self.service.create_integration(self.oracle.url)["id"]
        path = f"/integrations/{self.integration}"
        limits = {"pushes_per_second": None, "concurrency": None, "coalesce_level_changes": True}
        self.service.result("PUT", f"{path}/limits", limits)
        self.service.result("POST", f"{path}/pause")
        for cycle in range(CYCLES + 1):
            found = [self._finding(cycle, user) for user in range(USERS if cycle < CYCLES else LEFT_AT_RISK)]
            result = self.service.result("POST", "/findings", found)
            for finding in found:
                self.responses.add(str(finding["id"]), {"changes": []})
            self.responses.add(str(found[0]["id"]), result)
            for change in result["changes"] if cycle < CYCLES else ():
                self.service.result("POST", f"/{change['user_id']}/reset")

    @staticmethod
    def _finding(cycle: int, user: int) -> dict[str, object]:
        return {"id": f"f{cycle}-{user}", "behavior": "high_dlp", "user": {"email": f"u{user}@example.com"}}

    def resume(self) -> None:
        """Let the service deliver. It may end before it answers."""
        with suppress(*NO_ANSWER):
            self.service.call("POST", f"/integrations/{self.integration}/resume")

    def check(self, at_most_copies: int) -> None:
        """The receiver gets one event for each user whose level it does not know; the rest is superseded."""
        counts = wait_until_quiet(self.service, 90)
        assert counts["delivered"] == LEFT_AT_RISK
        assert counts["superseded"] == counts["queued"] - LEFT_AT_RISK
        check_ledger(self.service, self.oracle, self.responses, at_most_copies=at_most_copies)
        received = sum(one["accepted"] for one in self.oracle.requests())
        assert LEFT_AT_RISK <= received <= LEFT_AT_RISK + at_most_copies


@pytest.fixture
def backlog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backlog]:
    settings: dict[str, Any] = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = server.service_settings()
    service, oracle = Service(tmp_path, **settings), Oracle(tmp_path)
    oracle.start()
    service.start()
    yield Backlog(service, oracle)
    service.kill()
    oracle.stop()


@pytest.mark.fault(4, 7, 8)
@pytest.mark.parametrize(
    ("backlog", "failpoint"),
    [
        ("sqlite", "collapse.levels_known"),
        ("postgres", "collapse.after_commit"),
        pytest.param("sqlite", "collapse.after_commit", marks=LONG),
        pytest.param("postgres", "collapse.levels_known", marks=LONG),
        pytest.param("sqlite", "collapse.before_rows", marks=LONG),
        pytest.param("postgres", "collapse.before_rows", marks=LONG),
        pytest.param("sqlite", "collapse.before_commit", marks=LONG),
        pytest.param("postgres", "collapse.before_commit", marks=LONG),
    ],
    indirect=["backlog"],
)
def test_a_collapse_that_was_cut_short_is_completed(backlog: Backlog, failpoint: str) -> None:
    """One event for each user whose level changed, from the level that the receiver knows; the rest is superseded."""
    backlog.fill()
    assert backlog.service.stop() == 0
    backlog.service.start(FAILPOINT=failpoint)
    process = backlog.service.process
    assert process is not None
    backlog.resume()
    assert process.wait() == EXIT_CODE
    backlog.service.process = None
    end_leases(backlog.service.settings["RISKRELAY_DATABASE_URL"])
    backlog.service.start()
    backlog.check(at_most_copies=0)


@pytest.mark.fault(4, 7, 8)
@pytest.mark.parametrize("backlog", ["sqlite", pytest.param("postgres", marks=LONG)], indirect=True)
def test_a_collapse_is_completed_after_kills_at_any_moment(
    backlog: Backlog, record_property: Callable[[str, object], None]
) -> None:
    """The service is killed with -9 while the receiver comes back; a kill after a push sends its batch again."""
    backlog.fill()
    backlog.resume()
    kills = kill_at_random(backlog.service, record_property, within=0.3)
    backlog.check(at_most_copies=kills * BATCH_EVENTS)
