"""The process ends at a named place: what is left is right, and what was accepted arrives (rows 1 to 9)."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import riskrelay
from riskrelay.actions.large_writes import LARGE
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.products.okta import EVENTS_PATH as OKTA_EVENTS_PATH
from support.clients import NO_ANSWER, until_answered
from support.failpoint_launcher import EXIT_CODE, NAMES
from support.ledger_checks import Checked, Responses, check_ledger, wait_until_quiet
from support.ledger_rows import read_rows
from support.service import Oracle, Service, environment
from support.waiting import until


@dataclass
class World:
    """A service and its oracle, which all tests of this module share; each has an account of its own."""

    service: Service
    oracle: Oracle
    responses: Responses = field(default_factory=Responses)
    path: str = ""

    def begin(self, way: str) -> None:
        """A fresh account with an integration at a path of its own, below *way*."""
        self.service.account_id = f"account-{uuid.uuid4()}"
        self.service.token = self.service.new_token(self.service.account_id)
        self.responses = Responses()
        tenant = f"{way}/{self.service.account_id}"
        self.path = tenant + OKTA_EVENTS_PATH
        self.service.enable_behaviors()
        self.service.create_integration(self.oracle.url + tenant)

    def send(self, number: int = 1) -> Any:
        """Send finding *number* until it is answered; it moves the level of a user of its own."""
        result = until_answered(self.service, "/findings", finding(number))
        self.responses.add(finding(number)["id"], result)
        return result

    def end_at(self, failpoint: str, findings: int = 1) -> None:
        """Restart with an armed failpoint and send findings; return when the process has ended there."""
        assert self.service.stop() == 0
        self.service.start(FAILPOINT=failpoint)
        process = self.service.process
        assert process is not None
        with suppress(*NO_ANSWER):  # it may end before it can answer
            self.service.call("POST", "/findings", [finding(number + 1) for number in range(findings)])
        assert process.wait() == EXIT_CODE
        self.service.process = None

    def stored(self) -> bool:
        """Whether finding 1 of this test is in the database."""
        return bool(
            read_rows(self.service.settings["RISKRELAY_DATABASE_URL"]).findings[
                self.service.account_id, finding(1)["id"]
            ]
        )

    def recover(self, at_most_copies: int) -> Checked:
        """Start again without the failpoint, wait until all is delivered, and check."""
        if self.service.process is None:
            self.service.start()
        wait_until_quiet(self.service)
        return check_ledger(self.service, self.oracle, self.responses, at_most_copies=at_most_copies)


def finding(number: int) -> dict[str, Any]:
    return {"id": f"f{number}", "behavior": "high_dlp", "user": {"email": f"u{number}@example.com"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("failpoints")
    service, oracle = Service(directory), Oracle(directory)
    oracle.start()
    service.start()
    yield World(service, oracle)
    oracle.stop()
    service.kill()


@pytest.fixture
def world(shared: World, request: pytest.FixtureRequest) -> World:
    """The shared world with an account of its own."""
    if shared.service.process is None:
        shared.service.start()
    shared.begin(getattr(request, "param", ""))
    return shared


@pytest.mark.fault(1)
def test_before_the_commit_nothing_is_stored(world: World) -> None:
    """The client has no answer; its repeat is accepted like the first time, and delivered once."""
    world.end_at("accept.before_commit")
    assert not world.stored()
    world.service.start()
    assert world.send()["accepted"] == 1
    assert world.recover(at_most_copies=0).copies == 0
    assert len(world.oracle.wait_for(world.path, 1)) == 1


@pytest.mark.fault(2)
@pytest.mark.parametrize("failpoint", ["accept.after_commit", "accept.woken"])
def test_after_the_commit_a_repeat_is_a_duplicate(world: World, failpoint: str) -> None:
    """Stored, though nobody was told: the repeat changes nothing, and the change is delivered once all the same."""
    world.end_at(failpoint)
    assert world.stored()
    world.service.start()
    result = world.send()
    assert (result["accepted"], result["duplicates"], result["changes"]) == (0, 1, [])
    world.responses.changes.append(("u1@example.com", "none", "high"))
    world.recover(at_most_copies=1)


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("failpoint", ["part.before_commit:2", "part.after_commit:2"])
def test_a_large_request_is_written_to_its_end_after_the_restart(world: World, failpoint: str) -> None:
    """It was accepted, though the client has no answer: every part is written once, and a repeat is a duplicate."""
    count = 2 * LARGE
    world.end_at(failpoint, findings=count)
    world.service.start()
    findings = [finding(number + 1) for number in range(count)]
    result = until_answered(world.service, "/findings", findings)
    assert (result["accepted"], result["duplicates"], result["changes"]) == (0, count, [])
    for one in findings:
        world.responses.add(one["id"], result)
    assert world.recover(at_most_copies=0).copies == 0
    assert len(world.oracle.wait_for(world.path, count)) == count


@pytest.mark.fault(3)
def test_after_the_commit_it_is_delivered_with_no_client(world: World) -> None:
    """The worker was never woken, and nobody repeats: the next start finds it."""
    world.end_at("accept.after_commit")
    world.responses.changes.append(("u1@example.com", "none", "high"))
    assert world.recover(at_most_copies=0).copies == 0
    world.oracle.wait_for(world.path, 1)


@pytest.mark.fault(4)
def test_after_the_claim_the_lane_is_free_at_the_next_start(world: World) -> None:
    """Nobody waits for the dead one's lease to end; nothing is sent twice."""
    world.end_at("claim.after_commit")
    world.recover(at_most_copies=0)
    assert len(world.oracle.wait_for(world.path, 1)) == 1


@pytest.mark.fault(5)
@pytest.mark.parametrize("world", ["/hold-once"], indirect=True)
def test_in_the_middle_of_a_request_it_is_sent_once_more(world: World) -> None:
    """The service is killed while the receiver has the request and has not responded. One copy with the same claims
    follows."""
    world.send()
    world.oracle.wait_for(world.path, 1)
    world.service.kill()
    assert world.recover(at_most_copies=1).copies == 1


@pytest.mark.fault(6)
@pytest.mark.parametrize(("failpoint", "findings"), [("push.answered", 1), ("push.answered:3", 5)])
def test_after_the_202_what_was_in_flight_is_sent_once_more(world: World, failpoint: str, findings: int) -> None:
    """Accepted by the receiver, recorded nowhere: at most one extra copy of each that was in flight."""
    world.end_at(failpoint, findings)
    checked = world.recover(at_most_copies=findings)
    assert checked.copies >= int(failpoint.partition(":")[2] or 1)


@pytest.mark.fault(7)
@pytest.mark.parametrize(
    ("failpoint", "copies"), [("settle.after_cursor", 1), ("settle.before_commit", 1), ("settle.after_commit", 0)]
)
def test_outcome_and_cursor_are_recorded_together(world: World, failpoint: str, copies: int) -> None:
    """Both or neither: an outcome without its cursor would be a copy too many, a cursor without it a loss."""
    world.end_at(failpoint)
    assert world.recover(at_most_copies=copies).copies == copies


@pytest.mark.fault(8)
@pytest.mark.parametrize("world", ["/fail-once"], indirect=True)
@pytest.mark.parametrize("failpoint", ["settle.after_cursor", "settle.after_attempts", "settle.before_commit"])
def test_attempt_and_exception_are_recorded_together(world: World, failpoint: str) -> None:
    """The receiver failed; the attempt's row without the exception's would lose the event. Neither is there: the next
    start tries again, as for the first time."""
    world.end_at(failpoint)
    world.recover(at_most_copies=0)
    (integration,) = world.service.result("GET", "/integrations")
    (delivery,) = world.service.result("GET", f"/integrations/{integration['id']}/deliveries")
    assert [(one["number"], one["outcome"]) for one in delivery["attempts"]] == [(1, "accepted")]


def test_an_unknown_failpoint_is_refused() -> None:
    """The launcher names those that there are, so that a misspelled one passes no test."""
    launch = [sys.executable, "-m", "support.failpoint_launcher", "version"]
    refused = subprocess.run(launch, env=environment(FAILPOINT="nowhere"), capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert all(name in refused.stderr for name in NAMES)


def test_the_product_has_no_failpoints() -> None:
    """No module of it names one, and nothing of it reads the launcher's variable."""
    modules = list(Path(riskrelay.__file__).parent.rglob("*.py"))
    assert len(modules) > 100
    assert [path.name for path in modules if "failpoint" in path.read_text().lower()] == []


@pytest.mark.fault(9, long=True)
@pytest.mark.parametrize("failpoint", ["replay.before_commit", "replay.after_commit", "replay.after_commit:2"])
def test_a_replay_continues_at_its_position(world: World, failpoint: str) -> None:
    """The process ends during a replay of 300 deliveries; the next one ends it. Each is sent once more, and at
    most what was in flight at the end once again."""
    batch = [finding(number) for number in range(300)]
    world.service.result("POST", "/findings", batch)
    wait_until_quiet(world.service)
    assert world.service.stop() == 0
    world.service.start(FAILPOINT=failpoint)
    (integration,) = world.service.result("GET", "/integrations")
    own = f"/integrations/{integration['id']}"
    wanted = {"filter": {"state": "delivered", "queued_from": "2020-01-01T00:00:00Z"}}
    replay = world.service.result("POST", f"{own}/deliveries/replay", wanted)["replay"]
    assert replay["total"] == 300
    assert world.service.process is not None
    assert world.service.process.wait() == EXIT_CODE
    world.service.process = None
    world.service.start()
    until(lambda: world.service.result("GET", f"{own}/replays")[0]["status"] == "completed")
    assert world.service.result("GET", f"{own}/replays")[0]["replayed"] == 300
    copies = world.recover(at_most_copies=300 + BATCH_EVENTS).copies
    assert copies >= 300
