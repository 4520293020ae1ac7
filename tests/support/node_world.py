"""Many nodes on one PostgreSQL, under load."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.clients import Client, responses_of
from support.ledger_checks import check_ledger, wait_until_quiet
from support.nodes import Nodes
from support.service import Oracle
from support.waiting import until

PATIENCE_SECONDS = 180.0


class World:
    """Nodes, the receivers of their integrations, and clients that never give up."""

    def __init__(self, nodes: Nodes, oracle: Oracle, seed: int) -> None:
        self.nodes, self.oracle = nodes, oracle
        self.clients = [Client(nodes.service, seed + number, pause_seconds=0.005) for number in range(2)]

    @contextmanager
    def load(self) -> Iterator[None]:
        """Clients send as long as this lasts, and then until each has its answer."""
        for client in self.clients:
            client.start()
        try:
            yield
        finally:
            for client in self.clients:
                client.stop()

    def answered(self) -> int:
        return sum(len(client.responses.findings) for client in self.clients)

    def wait_for_answers(self, more: int) -> None:
        """Until the clients have been answered *more* times from now on."""
        enough = self.answered() + more
        wait_until(lambda: self.answered() >= enough)

    def check(self, most_copies: int) -> None:
        """All six, once everything has arrived."""
        service = self.nodes.service
        wait_until_quiet(service, PATIENCE_SECONDS)
        checked = check_ledger(service, self.oracle, responses_of(self.clients), at_most_copies=most_copies)
        assert checked.states["delivered"] == checked.states.total() > 0


def wait_until(holds: Callable[[], bool]) -> None:
    until(holds, PATIENCE_SECONDS)


@contextmanager
def world_of(
    directory: Path, database_url: str, seed: int, through: str | None = None, integrations: int = 1
) -> Iterator[World]:
    """A world whose API is up; nobody delivers yet."""
    nodes, oracle = Nodes(directory, database_url, through), Oracle(directory)
    oracle.start()
    try:
        nodes.service.start("--no-delivery")
        nodes.service.enable_behaviors()
        for _ in range(integrations):
            nodes.service.create_integration(oracle.url)
        yield World(nodes, oracle, seed)
    finally:
        nodes.stop()
        oracle.stop()
