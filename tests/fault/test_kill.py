"""`serve` is killed with -9 at random moments; nothing is lost (faults.md 1 to 8)."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from riskrelay.delivery.lanes import BATCH_EVENTS
from support.clients import Client
from support.fault_plugin import KILLS, seed_of_run
from support.ledger_checks import (
    check_conservation,
    check_findings,
    check_order,
    check_receipts,
    verified_sets,
    wait_until_quiet,
)
from support.service import Oracle, Service


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7, 8)
@pytest.mark.timeout(1800)
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
    clients = [Client(service, seed + number) for number in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0, 0.25))
            service.kill()
            service.start()
    finally:
        for client in clients:
            client.stop()
    try:
        wait_until_quiet(service)
        counts = check_conservation(service)
        claims = verified_sets(service, oracle)
    finally:
        service.stop()
        oracle.stop()
    answered = {finding_id: result for client in clients for finding_id, result in client.answered.items()}
    assert len(answered) > KILLS
    assert counts["delivered"] == counts["queued"] > KILLS // 2
    check_findings(tmp_path / "riskrelay.db", answered, sum(client.changes for client in clients))
    assert check_receipts(claims, counts["delivered"]) <= KILLS * BATCH_EVENTS
    check_order(claims)
