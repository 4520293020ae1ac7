"""`serve` is killed with -9 at random moments; nothing is lost (faults.md 1 to 8)."""

import json
import random
import threading
import time
import urllib.error
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from riskrelay.delivery.lanes import BATCH_EVENTS
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

BEHAVIORS = ("suspicious_domain", "high_risk_domain", "high_dlp")  # low, medium, high


class Client:
    """Sends findings without end, repeats each until it is answered, and resets users whose level is high."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered: dict[str, Any] = {}
        self.changes = 0
        self._name = f"client-{seed}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            finding_id = f"{self._name}-{number}"
            email = f"{self._name}-{self._random.randrange(5)}@example.com"
            finding = {"id": finding_id, "behavior": self._random.choice(BEHAVIORS), "user": {"email": email}}
            result = self._until_answered("/findings", finding)
            self.answered[finding_id] = result
            for change in result["changes"]:
                self.changes += 1
                if change["current_level"] == "high":
                    self._until_answered(f"/{change['user_id']}/reset", None)

    def _until_answered(self, path: str, body: Any) -> Any:
        while True:
            try:
                status, envelope = self._service.call("POST", path, body)
            except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError, json.JSONDecodeError):
                time.sleep(0.02)
                continue
            if status == 200:
                return envelope["result"]
            assert status == 503, envelope


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
