"""A client of the account API that never gives up, and remembers what it was told."""

import json
import random
import threading
import time
import urllib.error
from http.client import HTTPException
from typing import Any

from support.service import Service

BEHAVIORS = ("suspicious_domain", "high_risk_domain", "high_dlp")  # low, medium, high


class Client:
    """Sends findings without end, repeats each until it is answered, and resets users whose level is high.

    Attributes:
        answered: by the finding's id, the result of the answer.
        changes: how many level changes it was told of.
        refused: how often it got a 503; each said when to come again.
        answered_at: when the last 200 came, by `time.monotonic`.
    """

    def __init__(self, service: Service, seed: int, pause_seconds: float = 0) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered: dict[str, Any] = {}
        self.changes = 0
        self.refused = 0
        self.answered_at = 0.0
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
            result = self._until_answered("/findings", finding)
            self.answered[finding_id] = result
            for change in result["changes"]:
                self.changes += 1
                if change["current_level"] == "high":
                    self._until_answered(f"/{change['user_id']}/reset", None)

    def _until_answered(self, path: str, body: Any) -> Any:
        whole = f"/accounts/{self._service.account_id}/zt_risk_scoring{path}"
        while True:
            try:
                status, headers, envelope = self._service.exchange(
                    "POST", whole, body, Authorization=f"Bearer {self._service.token}"
                )
            except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError, json.JSONDecodeError):
                time.sleep(0.02)
                continue
            if status == 200:
                self.answered_at = time.monotonic()
                return envelope["result"]
            assert status == 503, envelope
            assert 1 <= int(headers["Retry-After"]) <= 59
            self.refused += 1
            time.sleep(0.1)
