"""`serve` is killed with -9 while receivers poll; nothing is lost, nothing is settled that was not (faults.md 38)."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from support import fault_plugin
from support.fault_plugin import seed_of_run
from support.fork_server import ForkServer
from support.ledger_checks import check_conservation
from support.service import Service

KILLS = fault_plugin.KILLS // 20
BROKEN = (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError, json.JSONDecodeError)
RISK = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"


class Poller:
    """A receiver that polls without end, acknowledges what it got, and repeats itself until it is answered."""

    def __init__(self, url: str, token: str, seed: int) -> None:
        self._url, self._token = url, token
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[tuple[str, str]] = []
        self.claims: dict[str, str] = {}

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
            with urllib.request.urlopen(request, timeout=10) as answer:
                polled: dict[str, Any] = json.loads(answer.read())
        except BROKEN:
            time.sleep(0.02)
            return None
        for jti, token in polled["sets"].items():
            claims = token.split(".")[1]
            assert self.claims.setdefault(jti, claims) == claims
            self.seen.append((jti, token))
        return polled


def findings(service: Service, stop: threading.Event, asked: list[str]) -> None:
    """Sends findings about ever new users, each until it is answered."""
    number = 0
    while not stop.is_set():
        number += 1
        email = f"u{number}@example.com"
        body = {"id": email, "behavior": "high_dlp", "user": {"email": email}}
        while True:
            try:
                status, _ = service.call("POST", "/findings", body)
            except BROKEN:
                time.sleep(0.02)
                continue
            if status == 200:
                break
        asked.append(email)


@pytest.mark.fault(38)
@pytest.mark.timeout(900)
def test_two_pollers_survive_kills(
    tmp_path: Path, fork_server: ForkServer, record_property: Callable[[str, object], None]
) -> None:
    """Every change is received at least once, each time with the same claims; in the end all is settled (C1, C3)."""
    seed = seed_of_run(record_property)
    record_property("kills", KILLS)
    moments, asked, stop = random.Random(seed), list[str](), threading.Event()
    service = Service(tmp_path, RISKRELAY_RATE_LIMIT="0")
    service.fork_server = fork_server
    service.start()
    service.enable_behaviors()
    body = {"integration_type": "SSF", "tenant_url": "https://receiver.example.com"}
    integration = service.result("POST", "/integrations", body)
    issued = service.result("POST", f"/integrations/{integration['id']}/credentials", {"kind": "static_token"})
    create = urllib.request.Request(
        f"{service.url}/ssf/{integration['id']}/streams",
        json.dumps({"events_requested": [RISK]}).encode(),
        {"Authorization": f"Bearer {issued['token']}"},
    )
    with urllib.request.urlopen(create, timeout=10) as answer:
        url = json.loads(answer.read())["delivery"]["endpoint_url"]
    pollers = [Poller(url, issued["token"], seed + number) for number in range(2)]
    client = threading.Thread(target=findings, args=(service, stop, asked))
    client.start()
    for poller in pollers:
        poller.start()
    try:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0, 0.4))
            service.kill()
            service.start()
    finally:
        stop.set()
        client.join()
        for poller in pollers:
            poller.stop()
    try:
        taken: list[str] = []
        while (polled := pollers[0].poll({"ack": taken, "returnImmediately": True})) is None or polled["sets"]:
            taken = [] if polled is None else list(polled["sets"])
        counts = check_conservation(service)
    finally:
        assert service.stop() == 0
    received = {jti for poller in pollers for jti, _ in poller.seen}
    assert counts["delivered"] == counts["queued"] == len(received) > len(asked) > KILLS
