"""A service whose pushes go through an egress proxy: real processes all along."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from riskrelay.bench.processes import free_port
from support.certificates import Authority, new_authority
from support.ledger_checks import Responses, check_ledger
from support.service import Oracle, Process, Service
from support.waiting import until


@dataclass
class World:
    """A service, the proxy that it is told to use, and a receiver."""

    service: Service
    oracle: Oracle
    proxy_port: int
    folder: Path

    def start_proxy(self) -> Process:
        """It wants credentials."""
        arguments = ["-m", "support.connect_proxy", str(self.proxy_port), str(self.folder / "asked"), "relay:hush"]
        return Process(arguments, self.proxy_port, {}, self.folder / "proxy.log")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    authority: Authority = new_authority(tmp_path)
    port = free_port()
    settings = {"SSL_CERT_FILE": str(authority.path), "RISKRELAY_EGRESS_PROXY": f"http://relay:hush@127.0.0.1:{port}"}
    service, oracle = Service(tmp_path, None, **settings), Oracle(tmp_path, authority)
    oracle.start()
    service.start()
    yield World(service, oracle, port, tmp_path)
    service.stop()
    oracle.stop()


def test_pushes_go_through_the_proxy_and_wait_while_it_is_away(world: World) -> None:
    """Without it they fail as ours, and no breaker opens; with it they arrive. The password is in no log."""
    service = world.service
    service.enable_behaviors()
    own = f"/integrations/{service.create_integration(world.oracle.url)['id']}"
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})

    def reasons() -> list[tuple[str, str]]:
        (delivery,) = service.result("GET", f"{own}/deliveries")
        return [(attempt["outcome"], attempt["reason"]) for attempt in delivery["attempts"]]

    until(lambda: bool(reasons()))
    assert set(reasons()) == {("ours", "proxy_unreachable")}
    assert service.result("GET", f"{own}/health")["streams"][0]["failures_in_a_row"] == 0
    assert world.oracle.requests() == []
    proxy = world.start_proxy()
    try:
        service.result("POST", f"{own}/resume")
        until(lambda: reasons()[-1] == ("accepted", "accepted"))
    finally:
        proxy.kill()
    assert check_ledger(service, world.oracle, Responses(), at_most_copies=0).states == {"delivered": 1}
    assert set((world.folder / "asked").read_text().split()) == {f"127.0.0.1:{world.oracle.port}"}
    assert "hush" not in service.log.read_text()
