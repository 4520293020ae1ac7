"""A service in a hurry, whose names the test resolves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.certificates import Authority
from support.service import Process, Service
from support.waiting import until


class HastyService(Service):
    """`riskrelay serve` by `support.hasty`.

    Args:
        trusted: whose certificates its pushes trust.
        deadline: of one push, in seconds.
    """

    def __init__(self, directory: Path, trusted: Authority, deadline: float, **settings: str) -> None:
        super().__init__(directory, None, SSL_CERT_FILE=str(trusted.path), **settings)
        self._names = directory / "names.json"
        self._launcher = [str(deadline), str(self._names)]
        self.resolve({})

    def resolve(self, names: Mapping[str, Sequence[str] | str]) -> None:
        """Let names lead there from now on: addresses, or "down", or "silent"."""
        fresh = self._names.with_suffix(".new")
        fresh.write_text(json.dumps(names))
        fresh.replace(self._names)

    def start(self, *options: str, **settings: str) -> None:
        port = int(self.settings["RISKRELAY_PORT"])
        arguments = [*self._launcher, "serve", *options]
        self.process = Process(
            arguments, port, {**self.settings, **settings}, self.log, self.fork_server, module="support.hasty"
        )

    def attempts(self, integration_id: str) -> list[dict[str, Any]]:
        """All attempts of the integration's deliveries, the newest delivery's last."""
        deliveries = self.result("GET", f"/integrations/{integration_id}/deliveries")
        return [attempt for delivery in reversed(deliveries) for attempt in delivery["attempts"]]

    def first_attempt(self, integration_id: str) -> dict[str, Any]:
        """The first attempt, once it is there."""
        until(lambda: bool(self.attempts(integration_id)))
        return self.attempts(integration_id)[0]

    def stream(self, integration_id: str) -> dict[str, Any]:
        """The health of an Okta integration's stream."""
        (stream,) = self.result("GET", f"/integrations/{integration_id}/health")["streams"]
        found: dict[str, Any] = stream
        return found
