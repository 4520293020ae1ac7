"""`serve` is killed with -9 at random moments; nothing is lost (rows 1 to 8, 48)."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from support.clients import load, responses_of, send_batch, until_answered
from support.databases import PostgresServer
from support.fault_plugin import AT_LENGTH, KILLS, seed_of_run
from support.kills import kill_at_random
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service
from support.waiting import until


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7, 8)
@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_serve_survives_being_killed(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Every finding that was answered is stored once; every event is delivered at least once, in order per user, with
    a valid signature and the same claims each time; extra copies stay below one batch a kill (C1 to C5)."""
    seed = seed_of_run(record_property)
    record_property("kills", KILLS)
    moments = random.Random(seed)
    service, oracle = Service(tmp_path), Oracle(tmp_path)
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    with load(service, seed) as clients:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0, 0.25))
            service.kill()
            service.start()
        # On a busy machine the kills leave the clients little time.
        until(lambda: sum(len(client.responses.findings) for client in clients) > KILLS)
        until(lambda: sum(len(client.responses.changes) for client in clients) > KILLS // 2)
    try:
        wait_until_quiet(service)
        checked = check_ledger(service, oracle, responses_of(clients), at_most_copies=KILLS * BATCH_EVENTS)
    finally:
        service.stop()
        oracle.stop()
    assert len(responses_of(clients).findings) > KILLS
    assert checked.states["delivered"] == checked.states.total() > KILLS // 2


BATCH = 200


class BatchSender:
    """A source that sends batches, each again until it is answered, and an operator who resets many users."""

    def __init__(self, service: Service) -> None:
        self.responses = Responses()
        self.batches = 0
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "BatchSender":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = [self._finding(self.batches, number) for number in range(BATCH)]
            result = until_answered(self._service, "/findings", batch)
            self.batches += 1
            for finding in batch:
                self.responses.add(finding["id"], {"changes": []})
            self.responses.add(batch[0]["id"], result)
            for change in result["changes"][::10]:
                until_answered(self._service, f"/{change['user_id']}/reset", None)

    def _finding(self, batch: int, number: int) -> dict[str, Any]:
        user = {"email": f"u{number}-{batch % 2}@example.com"}
        return {"id": f"b{batch}-{number}", "behavior": "high_dlp", "user": user}


@pytest.mark.fault(48)
def test_a_sources_batches_and_many_resets_survive_kills(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each batch is stored whole or not at all, and its repeat adds nothing; each reset is delivered behind the event
    that it takes back."""
    seed, kills = seed_of_run(record_property), 20 if AT_LENGTH else 3
    record_property("kills", kills)
    moments = random.Random(seed)
    service, oracle = Service(tmp_path), Oracle(tmp_path)
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    try:
        with BatchSender(service) as sender:
            for _ in range(kills):
                time.sleep(moments.uniform(0.05, 0.5))
                service.kill()
                service.start()
            until(lambda: sender.batches >= 2)
        wait_until_quiet(service)
        checked = check_ledger(service, oracle, sender.responses, at_most_copies=kills * BATCH_EVENTS)
    finally:
        service.stop()
        oracle.stop()
    assert checked.states["delivered"] == checked.states.total() >= BATCH


RESET_USERS = 700


@pytest.mark.fault(48)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.fault(48, long=True))])
def test_a_bulk_reset_survives_kills(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str, record_property: Callable[[str, object], None]
) -> None:
    """Each user is reset once, and each event is delivered; the bulk reset goes on where it was."""
    settings: dict[str, Any] = {}
    if engine == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        settings = postgres.service_settings()
    service, oracle = Service(tmp_path, **settings), Oracle(tmp_path)
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    emails = [f"u{number}@example.com" for number in range(RESET_USERS)]
    responses = send_batch(service, emails)
    try:
        reset = service.result("POST", "/resets", {"filter": {"level": "high"}, "reason": "Test"})["reset"]
        assert reset["total"] == RESET_USERS
        kills = kill_at_random(service, record_property, within=0.5)
        until(lambda: service.result("GET", f"/resets/{reset['id']}")["status"] == "completed")
        done = service.result("GET", f"/resets/{reset['id']}")
        wait_until_quiet(service)
        responses.changes += [(email, "high", "none") for email in emails]
        checked = check_ledger(service, oracle, responses, at_most_copies=kills * BATCH_EVENTS)
    finally:
        service.stop()
        oracle.stop()
    assert (done["users_reset"], done["users_skipped"]) == (RESET_USERS, 0)
    assert checked.states["delivered"] == checked.states.total() == 2 * RESET_USERS
