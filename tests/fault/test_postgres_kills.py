"""Eight workers on one PostgreSQL are killed at random, under load (rows 4 to 8)."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from support.databases import PostgresServer
from support.fault_plugin import KILLS, seed_of_run
from support.ledger_checks import wait_until_quiet
from support.node_world import PATIENCE_SECONDS, World, world_of
from support.nodes import WorkerNode

WORKERS = 8
INTEGRATIONS = 12  # more lanes than workers: those of a dead one rest for half a minute, and others must have work
UNSETTLED = """
    SELECT jti FROM events JOIN lanes USING (account_id, stream_id, lane) LEFT JOIN held_events
    USING (account_id, stream_id, lane, seq) WHERE seq > cursor OR held_events.state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """One worker's end.

    Attributes:
        ports: of its connections to the oracle.
        unsettled: the events of which the database did not know then what had become of them.
    """

    ports: set[int]
    unsettled: set[str]

    @classmethod
    def of(cls, worker: WorkerNode, world: World) -> "Kill":
        """Let it stand still, look, and kill it."""
        worker.freeze()
        kill = cls(worker.ports_to(world.oracle.port), set(world.nodes.sql(UNSETTLED)))
        worker.kill()
        return kill

    def in_flight(self, pushed_from: dict[int, set[str]]) -> set[str]:
        """What it had pushed and not settled."""
        return self.unsettled & {jti for port in self.ports for jti in pushed_from.get(port, ())}


def slow_down(world: World) -> None:
    """So that a batch takes a while, and a kill finds something in flight."""
    service = world.nodes.service
    for integration in service.result("GET", "/integrations"):
        service.result("PUT", f"/integrations/{integration['id']}/limits", {"pushes_per_second": 100, "concurrency": 8})


def by_port(world: World) -> tuple[dict[int, set[str]], Counter[str]]:
    """What was pushed from which port, and how often each event came."""
    pushed_from: dict[int, set[str]] = {}
    receipts: Counter[str] = Counter()
    for request in world.oracle.requests():
        jti = jwt.decode(request["token"], options={"verify_signature": False})["jti"]
        pushed_from.setdefault(request["port"], set()).add(jti)
        receipts[jti] += 1
    return pushed_from, receipts


@pytest.mark.fault(4, 5, 6, 7, 8, long=True)
@pytest.mark.timeout(3600)
def test_workers_are_killed_at_random(
    tmp_path: Path, postgres: PostgresServer, record_property: Callable[[str, object], None]
) -> None:
    """Those that push, each replaced by a new one; nobody ends the leases of the dead. Of each event there is at most
    one extra copy for each kill at which it was in flight: pushed by the one that died, and not settled."""
    seed = seed_of_run(record_property)
    record_property("kills", KILLS // 10)  # a worker takes a second to start
    moments, kills = random.Random(seed), []
    with world_of(tmp_path, postgres.migrated_database_now(), seed, integrations=INTEGRATIONS) as world:
        slow_down(world)
        running = [world.nodes.start_worker() for _ in range(WORKERS)]
        for worker in running:
            worker.wait_until_ready()
        with world.load():
            for _ in range(KILLS // 10):
                world.wait_for_answers(moments.randrange(1, 40))
                pushing = [place for place, worker in enumerate(running) if worker.ports_to(world.oracle.port)]
                place = moments.choice(pushing or range(WORKERS))
                kills.append(Kill.of(running[place], world))
                running[place] = world.nodes.start_worker()
        wait_until_quiet(world.nodes.service, PATIENCE_SECONDS)
        pushed_from, receipts = by_port(world)
        in_flight = [kill.in_flight(pushed_from) for kill in kills]
        allowed = Counter(jti for events in in_flight for jti in events)
        assert {jti: times for jti, times in receipts.items() if times > 1 + allowed[jti]} == {}
        assert any(in_flight), "no kill met a push"
        world.check(most_copies=allowed.total())
