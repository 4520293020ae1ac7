"""The six checks themselves: a ledger that is right passes, and whatever is wrong with one is refused."""

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jwt import InvalidSignatureError

from support.canary import Canary
from support.clients import until_answered
from support.json_lines import json_lines
from support.ledger_checks import Checked, Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service
from support.unchecked import UNCHECKED

EMAILS = ("kai@example.com", "ana@example.com")
BEHAVIORS = ("high_risk_domain", "imp_travel", "high_dlp")  # low, medium, high


@dataclass
class Ledger:
    """A service whose events have all arrived, twice each: at two integrations."""

    service: Service
    oracle: Oracle
    directory: Path
    responses: Responses
    canary: Canary

    @property
    def oracle_log(self) -> Path:
        return self.directory / "oracle.ndjson"

    def check(self, at_most_copies: int = 0) -> Checked:
        canaries = [self.canary]
        return check_ledger(self.service, self.oracle, self.responses, at_most_copies=at_most_copies, canaries=canaries)

    def execute(self, statement: str) -> None:
        """Change the database behind the product's back."""
        with closing(sqlite3.connect(self.directory / "riskrelay.db")) as connection, connection:
            assert connection.execute(statement).rowcount > 0

    def rewrite(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Change what the oracle has written down."""
        lines = json_lines(self.oracle_log)
        self.oracle_log.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger with nothing wrong."""
    directory = tmp_path_factory.mktemp("right")
    service, oracle, responses, canary = Service(directory), Oracle(directory), Responses(), Canary()
    service.start()
    oracle.start()
    try:
        service.enable_behaviors()
        for path in ("/a", "/b"):
            service.create_integration(oracle.url + path)
        for number, (email, behavior) in enumerate((email, behavior) for behavior in BEHAVIORS for email in EMAILS):
            finding = {"id": f"f{number}", "behavior": behavior, "user": {"email": email}}
            responses.add(f"f{number}", until_answered(service, "/findings", finding))
        wait_until_quiet(service)
        yield Ledger(service, oracle, directory, responses, canary)
    finally:
        oracle.stop()
        canary.stop()
        service.kill()


@pytest.fixture
def right(installation: Ledger) -> Iterator[Ledger]:
    """The same for each test: what one makes wrong is put right again."""
    path, log = installation.directory / "riskrelay.db", installation.oracle_log
    written, changes = log.read_text(), list(installation.responses.changes)
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(":memory:")) as kept:
        live.backup(kept)
        yield installation
        kept.backup(live)
    log.write_text(written)
    installation.responses.changes = changes
    installation.canary.connections = 0


def copied(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*lines, lines[0]]


def one_lost(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[1:]


def backwards(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[::-1]


def forged(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims of one under the signature of another."""
    header, _, signature = lines[0]["token"].split(".")
    return [*lines, {**lines[0], "token": ".".join((header, lines[1]["token"].split(".")[1], signature))}]


def test_a_correct_ledger_passes(right: Ledger) -> None:
    """Everything delivered, nothing twice; and copies are counted."""
    checked = right.check()
    assert (checked.states, checked.copies) == ({"delivered": 12}, 0)
    right.rewrite(copied)
    assert right.check(at_most_copies=1).copies == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("UPDATE lanes SET delivered = delivered + 1", "C1"),
        ("UPDATE lanes SET cursor = cursor - 1", "C1"),
        ("DELETE FROM events WHERE seq = 2", "C1"),
        ("DELETE FROM findings WHERE finding_id = 'f1'", "C2"),
        ("UPDATE events SET claims = CAST(replace(claims, 'medium', 'middle') AS BLOB)", "C2"),
        ("UPDATE events SET claims = CAST(replace(claims, '\"iat\":1', '\"iat\":2') AS BLOB)", "C3"),
        ("UPDATE events SET seq = seq + 100 WHERE seq < 3", "C1"),
    ],
)
def test_a_database_that_is_wrong_is_refused(right: Ledger, wrong: str, said: str) -> None:
    """Counted wrongly, lost, changed, numbered wrongly."""
    right.execute(wrong)
    with pytest.raises(AssertionError, match=said):
        right.check()


def test_receipts_that_are_wrong_are_refused(right: Ledger) -> None:
    """Unseen, seen too often, in the wrong order, changed."""
    for change, said in ((one_lost, "C3"), (copied, "C4"), (backwards, "C5")):
        before = right.oracle_log.read_text()
        right.rewrite(change)
        with pytest.raises(AssertionError, match=said):
            right.check()
        right.oracle_log.write_text(before)
    right.rewrite(forged)
    with pytest.raises(InvalidSignatureError):
        right.check()


def test_a_missing_confirmed_change_is_detected(right: Ledger) -> None:
    """A change that was answered and has no event."""
    right.responses.changes.append(("kai@example.com", "none", "low"))
    with pytest.raises(AssertionError, match="C2"):
        right.check()


def test_a_request_asks_for_the_checks(right: Ledger) -> None:
    """What only looks does not; what may have changed something does, until all six have passed."""
    right.check()
    right.service.result("GET", "/summary")
    assert not UNCHECKED
    right.service.enable_behaviors()
    assert {right.service.settings["RISKRELAY_DATABASE_URL"]} == UNCHECKED
    right.responses.changes.append(("kai@example.com", "none", "low"))
    with pytest.raises(AssertionError, match="C2"):
        right.check()
    assert UNCHECKED
    right.responses.changes.pop()
    right.check()
    assert not UNCHECKED


def test_a_forbidden_connection_is_refused(right: Ledger) -> None:
    """One is enough."""
    with socket.create_connection(("127.0.0.1", right.canary.port)) as connection:
        assert connection.recv(1) == b""
    with pytest.raises(AssertionError, match="C6"):
        right.check()
