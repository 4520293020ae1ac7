"""`serve` is killed with -9 at random moments; nothing is lost (rows 1 to 8)."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from support.clients import load, told_to
from support.fault_plugin import KILLS, seed_of_run
from support.fork_server import ForkServer
from support.ledger_checks import check_ledger, wait_until_quiet
from support.service import Oracle, Service


@pytest.mark.fault(1, 2, 3, 4, 5, 6, 7, 8)
@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_serve_survives_being_killed(
    tmp_path: Path, fork_server: ForkServer, record_property: Callable[[str, object], None]
) -> None:
    """Every finding that was answered is stored once; every event is delivered at least once, in order per user, with
    a valid signature and the same claims each time; extra copies stay below one batch a kill (C1 to C5)."""
    seed = seed_of_run(record_property)
    record_property("kills", KILLS)
    moments = random.Random(seed)
    service, oracle = Service(tmp_path), Oracle(tmp_path)
    service.fork_server = fork_server
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    with load(service, seed) as clients:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0, 0.25))
            service.kill()
            service.start()
    try:
        wait_until_quiet(service)
        checked = check_ledger(service, oracle, told_to(clients), at_most_copies=KILLS * BATCH_EVENTS)
    finally:
        service.stop()
        oracle.stop()
    assert len(told_to(clients).findings) > KILLS
    assert checked.states["delivered"] == checked.states.total() > KILLS // 2
