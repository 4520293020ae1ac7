"""`serve` is killed with -9 while receivers poll; nothing is lost, nothing is settled that was not (faults.md 38)."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from support import fault_plugin
from support.clients import load, responses_of
from support.fault_plugin import seed_of_run
from support.ledger_checks import check_ledger
from support.service import Service
from support.waiting import until

KILLS = fault_plugin.KILLS // 20
BROKEN = (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError, json.JSONDecodeError)
TENANT = "https://receiver.example.com"
RISK = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"


class Poller:
    """A receiver that polls without end, acknowledges what it got, and repeats itself until it is answered."""

    def __init__(self, url: str, token: str, seed: int) -> None:
        self._url, self._token = url, token
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[tuple[float, str]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        taken: list[str] = []
        while not self._stop.is_set():
            polled = self.poll({"ack": taken, "maxEvents": self._random.randrange(1, 6), "returnImmediately": True})
            if polled is None:
                continue
            taken = [jti for jti in polled["sets"] if self._random.random() < 0.8]

    def poll(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """One poll; None when no answer came."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                polled: dict[str, Any] = json.loads(answer.read())
        except BROKEN:
            time.sleep(0.02)
            return None
        self.seen += [(time.time(), token) for token in polled["sets"].values()]
        return polled


class Receiver:
    """Both pollers, as the six checks want it."""

    def __init__(self, pollers: Sequence[Poller]) -> None:
        self._pollers = pollers

    def requests(self) -> list[dict[str, Any]]:
        """Everything that was handed out to either, in order of time."""
        seen = sorted((one for poller in self._pollers for one in poller.seen), key=lambda one: one[0])
        return [{"token": token, "url": TENANT, "accepted": True} for _, token in seen]


@pytest.mark.fault(38)
@pytest.mark.timeout(900)
def test_two_pollers_survive_kills(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Every change is received at least once, each time with the same claims; in the end all is settled. What is not
    acknowledged is handed out again and again: there is no bound on that."""
    seed = seed_of_run(record_property)
    record_property("kills", KILLS)
    moments = random.Random(seed)
    service = Service(tmp_path, RISKRELAY_RATE_LIMIT="0")
    service.start()
    service.enable_behaviors()
    body = {"integration_type": "SSF", "tenant_url": TENANT}
    integration = service.result("POST", "/integrations", body)
    issued = service.result("POST", f"/integrations/{integration['id']}/credentials", {"kind": "static_token"})
    create = urllib.request.Request(
        f"{service.url}/ssf/{integration['id']}/streams",
        json.dumps({"events_requested": [RISK]}).encode(),
        {"Authorization": f"Bearer {issued['token']}"},
    )
    with urllib.request.urlopen(create, timeout=60) as answer:
        url = json.loads(answer.read())["delivery"]["endpoint_url"]
    pollers = [Poller(url, issued["token"], seed + number) for number in range(2)]
    for poller in pollers:
        poller.start()
    try:
        with load(service, seed, clients=1) as clients:
            for _ in range(KILLS):
                time.sleep(moments.uniform(0, 0.4))
                service.kill()
                service.start()
            # On a busy machine the kills leave the client little time.
            until(lambda: len(clients[0].responses.changes) > KILLS)
    finally:
        for poller in pollers:
            poller.stop()
    try:
        taken: list[str] = []
        while (polled := pollers[0].poll({"ack": taken, "returnImmediately": True})) is None or polled["sets"]:
            taken = [] if polled is None else list(polled["sets"])
        received, responses = Receiver(pollers), responses_of(clients)
        checked = check_ledger(service, received, responses, at_most_copies=len(received.requests()))
    finally:
        assert service.stop() == 0
    assert checked.states["delivered"] == checked.states.total() > KILLS
