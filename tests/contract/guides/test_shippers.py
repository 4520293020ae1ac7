"""The configurations in deploy/shippers: each posts lines of JSON in batches, with the credential of a source."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import needed
from support.service import Service
from support.waiting import until

ROOT = Path(__file__).parents[3]
SHIPPERS = ROOT / "deploy" / "shippers"
NAMES = sorted(path.name for path in SHIPPERS.iterdir())


class Receiver(ThreadingHTTPServer):
    """Answers the first requests with the given statuses, and every other with 200.

    Attributes:
        taken: the events of the requests answered with 200.
        authorizations: the credentials that came.
    """

    def __init__(self, *first: int) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.first = list(first)
        self.taken: list[Any] = []
        self.batches: list[int] = []
        self.authorizations: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/events"

    def answer(self, body: bytes, authorization: str | None) -> int:
        self.authorizations.add(authorization)
        if self.first:
            return self.first.pop(0)
        events = [json.loads(line) for line in body.splitlines()]
        self.batches.append(len(events))
        self.taken += events
        return 200


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.answer(body, self.headers.get("Authorization")))
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def syslog_ng(directory: Path, events: Path, url: str, credential: str) -> Iterator[Path]:
    """Run syslog-ng with its configuration in deploy/shippers, but try again after a second instead of ten.

    Yields: its log.
    """
    configuration = (SHIPPERS / "syslog-ng.conf").read_text()
    assert "time-reopen(10)" in configuration
    file, log = directory / "syslog-ng.conf", directory / "syslog-ng.log"
    file.write_text(configuration.replace("time-reopen(10)", "time-reopen(1)"))
    own = [f"--{name}={directory / name}" for name in ("persist-file", "pidfile", "control")]
    variables = {"EVENTS": str(events), "RISKRELAY_SOURCE_URL": url, "RISKRELAY_SOURCE_CREDENTIAL": credential}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [needed("syslog-ng"), "--foreground", "--stderr", "--cfgfile", file, *own],
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(30)


def wait_for(condition: Any, log: Path) -> None:
    """Wait until *condition* is true; fail with the shipper's log after a minute."""
    until(condition, found=log.read_text)


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_is_in_the_guide_and_takes_its_credential_from_outside(name: str) -> None:
    """The guide links to it, and it reads the credential from a variable or names a placeholder."""
    text = (SHIPPERS / name).read_text()
    guide = (ROOT / "docs/guides/sources/shippers.md").read_text()
    assert f"deploy/shippers/{name}" in guide
    assert "SOURCE_CREDENTIAL" in text


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".yaml", ".yml"))])
def test_a_yaml_configuration_is_yaml(name: str) -> None:
    assert isinstance(yaml.safe_load((SHIPPERS / name).read_text()), dict)


def test_syslog_ng_delivers_every_event_in_spite_of_refusals(tmp_path: Path) -> None:
    """503 and 429 make it send the same batch again; batches have at most 1,000 events."""
    sent = [{"number": number, "eventType": "user.session.start"} for number in range(2_500)]
    events = tmp_path / "events.ndjson"
    events.write_text("".join(json.dumps(event) + "\n" for event in sent))
    receiver = Receiver(503, 429)
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        with syslog_ng(tmp_path, events, receiver.url, "credential-1") as log:
            wait_for(lambda: len(receiver.taken) >= len(sent), log)
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()
    assert receiver.taken == sent
    assert max(receiver.batches) <= 1_000
    assert receiver.authorizations == {"Bearer credential-1"}


def test_syslog_ng_moves_a_level(tmp_path: Path) -> None:
    """A log that it reads reaches a source, and a user's level changes."""
    needed("syslog-ng")
    now = datetime.now(UTC).isoformat()
    request = {"Datetime": now, "Email": "kai@example.com", "HTTPHost": "files.example.net", "SourceIP": "198.51.100.7"}
    blocked = {**request, "RequestID": "r-1", "BlockedFileReason": "avscan", "BlockedFileName": "tool.zip"}
    events = tmp_path / "events.ndjson"
    events.write_text("".join(json.dumps(event) + "\n" for event in (blocked, {**request, "RequestID": "r-2"})))
    directory = tmp_path / "service"
    directory.mkdir()
    service = Service(directory)
    service.start()
    try:
        service.enable_behaviors()
        source = service.result("POST", "/sources", {"kind": "cloudflare_logpush", "name": "Gateway"})
        url = f"{service.url}/accounts/{service.account_id}/zt_risk_scoring/sources/{source['id']}/events"
        with syslog_ng(tmp_path, events, url, source["credential"]["secret"]) as log:
            wait_for(lambda: service.result("GET", "/summary")["users"], log)
        (user,) = service.result("GET", "/summary")["users"]
        state = service.result("GET", f"/sources/{source['id']}")["state"]
    finally:
        assert service.stop() == 0
    assert (user["email"], user["max_risk_level"]) == ("kai@example.com", "high")
    assert state == "receiving"
