"""Keys are rotated while events are on their way: every SET verifies (faults.md 33)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.bench.processes import free_port
from riskrelay.signing.sealing import new_master_key
from support.clients import send_batch
from support.databases import PostgresServer
from support.fault_plugin import AT_LENGTH
from support.json_lines import json_lines
from support.ledger_checks import check_ledger, wait_until_quiet
from support.service import Process, Service
from support.waiting import until

EVENTS = 10_000 if AT_LENGTH else 2_000
DELAY_MS = 60  # 32 pushes at once: at most 533 a second, so that two rotations and a second of notice each fit in


class Receiver:
    """The caching receiver's process."""

    def __init__(self, directory: Path, jwks_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / "received.ndjson"
        arguments = ["-m", "support.caching_receiver", str(self.port), str(self._log), jwks_url, str(DELAY_MS)]
        self._process = Process(arguments, self.port, {}, directory / "receiver.log")

    def seen(self) -> list[dict[str, Any]]:
        """What came, in order."""
        return json_lines(self._log)

    def requests(self) -> list[dict[str, Any]]:
        """As the six checks want it."""
        return [{**row, "url": self.url + row["path"], "accepted": not row["problem"]} for row in self.seen()]

    def wait_for(self, kid: str | None) -> None:
        """Wait until something signed with that key has come, or with None until anything has."""
        until(lambda: any(kid in (None, row["kid"]) for row in self.seen()), found=lambda: f"nothing came with {kid}")

    def stop(self) -> None:
        self._process.stop()


@pytest.fixture(params=["one process", "two nodes"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service that delivers itself, on SQLite; or one that does not, while another node on the same PostgreSQL does:
    that one is asked for nothing and must notice the rotations by itself."""
    if request.param == "one process":
        service = Service(tmp_path)
        service.start()
        yield service
        service.stop()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    shared = server.service_settings()
    (tmp_path / "node").mkdir()
    service, node = Service(tmp_path, None, **shared), Service(tmp_path / "node", None, **shared)
    service.start("--no-delivery")
    node.start()
    yield service
    node.stop()
    service.stop()


@pytest.mark.fault(33)
def test_every_set_verifies_across_two_rotations(service: Service, tmp_path: Path) -> None:
    """A receiver that keeps the keys for an hour knows the first new key before it is used. The second one comes too
    early for it (at_once): it fetches the keys when it sees it. Nothing is refused or lost, and the JWKS still has
    what signed first."""
    receiver = Receiver(tmp_path, f"{service.url}/jwks.json")
    operator = service.new_token(None)
    service.enable_behaviors()
    service.create_integration(receiver.url)

    def rotate() -> str:
        status, _, envelope = service.exchange(
            "POST", "/installation/keys/rotate", {"at_once": True}, Authorization=f"Bearer {operator}"
        )
        assert status == 200, envelope
        current = {str(key["algorithm"]): str(key["kid"]) for key in envelope["result"] if key["state"] == "current"}
        return current["RS256"]

    told = send_batch(service, [f"u{n}@example.com" for n in range(EVENTS)])
    receiver.wait_for(None)
    second = rotate()
    receiver.wait_for(second)
    third = rotate()
    wait_until_quiet(service, 120)
    receiver.stop()
    seen = receiver.seen()
    assert [row for row in seen if row["problem"]] == []
    used = list(dict.fromkeys(row["kid"] for row in seen))
    assert used[1:] == [second, third]
    assert set(used) <= {key["kid"] for key in json.loads(service.get("/jwks.json"))["keys"]}
    assert check_ledger(service, receiver, told, at_most_copies=0).states == {"delivered": EVENTS}


@pytest.mark.fault(33)
def test_a_master_key_that_is_missing_costs_nothing_but_time(tmp_path: Path) -> None:
    """The service does not start, and says why; nothing unsigned goes out. With the right key again everything that
    waited is delivered."""
    service = Service(tmp_path)
    service.start()
    receiver = Receiver(tmp_path, f"{service.url}/jwks.json")
    service.enable_behaviors()
    service.create_integration(receiver.url)
    told = send_batch(service, ["kai@example.com"])
    wait_until_quiet(service)
    service.stop()
    service.start("--no-delivery")
    user = service.result("GET", "/summary")["users"][0]
    service.result("POST", f"/{user['user_id']}/reset")
    service.stop()
    key_file = tmp_path / "riskrelay.db.key"
    right = key_file.read_text()
    for wrong, said in (("", "RISKRELAY_MASTER_KEY must be"), (new_master_key(), "another master key")):
        key_file.write_text(wrong)
        refused = service.command("serve", check=False)
        assert refused.returncode == 1
        assert said in refused.stderr.replace("\n", " ")
    key_file.write_text(right)
    service.start()
    wait_until_quiet(service)
    told.changes.append(("kai@example.com", "high", "none"))
    assert check_ledger(service, receiver, told, at_most_copies=0).states == {"delivered": 2}
    service.stop()
    receiver.stop()
    assert [row["problem"] for row in receiver.seen()] == ["", ""]
