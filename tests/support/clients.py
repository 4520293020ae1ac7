"""Clients of the account API that keep a service busy during a fault, repeat their requests, and keep the results."""

import json
import random
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from support.fault_plugin import AT_LENGTH
from support.ledger_checks import Responses
from support.service import Service

BEHAVIORS = ("high_risk_domain", "suspicious_domain", "high_dlp")  # low, medium, high
_PAUSE_SECONDS = 0 if AT_LENGTH else 0.005  # leaves most of the CPU to the other tests of a whole run
NO_ANSWER = (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError, json.JSONDecodeError)


class Client:
    """Sends findings without end, repeats each until it is answered, and resets users whose level is high.

    Attributes:
        responses: the results that it received with a 200.
        refused: how often it got a 503; each said when to come again.
    """

    def __init__(self, service: Service, seed: int, pause_seconds: float = 0) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.responses = Responses()
        self.refused = 0
        self._name = f"client-{seed}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; return when the last one is answered."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self._pause):
            number += 1
            finding_id = f"{self._name}-{number}"
            email = f"{self._name}-{self._random.randrange(5)}@example.com"
            finding = {"id": finding_id, "behavior": self._random.choice(BEHAVIORS), "user": {"email": email}}
            result = until_answered(self._service, "/findings", finding, self._count_refusal)
            self.responses.add(finding_id, result)
            for change in result["changes"]:
                if change["current_level"] == "high":
                    until_answered(self._service, f"/{change['user_id']}/reset", None, self._count_refusal)

    def _count_refusal(self) -> None:
        self.refused += 1
        time.sleep(0.1)


def until_answered(service: Service, path: str, body: Any, refused: Callable[[], None] = lambda: None) -> Any:
    """Repeat a POST until it is answered with a success. Whatever else is answered must be a 503 with Retry-After.

    Args:
        refused: called after each 503.

    Returns: the result.
    """
    whole = f"/accounts/{service.account_id}/zt_risk_scoring{path}"
    while True:
        try:
            status, headers, envelope = service.exchange("POST", whole, body, Authorization=f"Bearer {service.token}")
        except NO_ANSWER:
            time.sleep(0.02)
            continue
        if status == 200:
            return envelope["result"]
        assert status == 503, envelope
        assert 1 <= int(headers["Retry-After"]) <= 59
        refused()


def send_batch(service: Service, emails: Sequence[str]) -> Responses:
    """Send one finding about each, in one request; each is new, and moves to high.

    Returns: the results.
    """
    findings = [{"id": email, "behavior": "high_dlp", "user": {"email": email}} for email in emails]
    changes = service.result("POST", "/findings", findings)["changes"]
    assert len(changes) == len(emails)
    return Responses(set(emails), [(email, "none", "high") for email in emails])


@contextmanager
def load(service: Service, seed: int, clients: int = 3) -> Iterator[Sequence[Client]]:
    """Keep the service busy; at the end every client has its last answer."""
    running = [Client(service, seed + number, _PAUSE_SECONDS) for number in range(clients)]
    for client in running:
        client.start()
    try:
        yield running
    finally:
        for client in running:
            client.stop()


def responses_of(clients: Sequence[Client]) -> Responses:
    """Return the results that all of them received."""
    whole = Responses()
    for client in clients:
        whole.findings |= client.responses.findings
        whole.changes += client.responses.changes
    return whole
