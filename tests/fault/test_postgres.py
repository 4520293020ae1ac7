"""Many nodes on one PostgreSQL: it goes away, a node freezes or is cut off, a pooler stands between."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from support.clients import send_batch
from support.databases import PostgresServer
from support.fault_plugin import AT_LENGTH, seed_of_run
from support.ledger_checks import check_ledger, wait_until_quiet
from support.node_world import PATIENCE_SECONDS, World, wait_until, world_of
from support.pooler import pooler_before
from support.tcp_proxy import TcpProxy
from support.waiting import until_still

Record = Callable[[str, object], None]

OUTAGE_SECONDS = 30 if AT_LENGTH else 2


@pytest.fixture
def seed(record_property: Record) -> int:
    return seed_of_run(record_property)


@pytest.fixture
async def database_url(postgres: PostgresServer) -> str:
    return await postgres.migrated_database()


@pytest.fixture
def world(tmp_path: Path, database_url: str, seed: int) -> Iterator[World]:
    with world_of(tmp_path, database_url, seed) as world:
        yield world


def slow_down(world: World, pushes_per_second: int) -> None:
    """So that a batch takes a while, and a worker is always in the middle of one."""
    service = world.nodes.service
    (integration,) = service.result("GET", "/integrations")
    limits = {"pushes_per_second": pushes_per_second, "concurrency": 1}
    service.result("PUT", f"/integrations/{integration['id']}/limits", limits)


def queue(world: World, users: int) -> None:
    """Queue one event of each of so many users."""
    findings = [{"behavior": "high_dlp", "user": {"email": f"{n}@example.com"}} for n in range(users)]
    assert len(world.nodes.service.result("POST", "/findings", findings)["changes"]) == users


@pytest.mark.fault(13)
@pytest.mark.timeout(600)
def test_the_database_is_unavailable_for_a_while(tmp_path: Path, seed: int) -> None:
    """It crashes under load: no request is answered with 200 that was not stored, all are refused with a time to come
    again, and every node goes on by itself."""
    server = PostgresServer()
    try:
        with world_of(tmp_path, server.new_database_now(), seed) as world:
            workers = [world.nodes.start_worker() for _ in range(2)]
            for worker in workers:
                worker.wait_until_ready()
            with world.load():
                world.wait_for_answers(50)
                server.crash()
                refused_before = [client.refused for client in world.clients]
                wait_until(lambda: all(c.refused > n for c, n in zip(world.clients, refused_before, strict=True)))
                answered = world.answered()
                time.sleep(OUTAGE_SECONDS)
                assert world.answered() == answered
                assert world.nodes.service.call("GET", "/summary")[0] == 503
                server.start()
                world.wait_for_answers(50)
            world.check(most_copies=BATCH_EVENTS)
            assert all(worker.runs for worker in workers)
    finally:
        server.stop()


@pytest.mark.fault(20)
def test_a_frozen_worker_writes_nothing_when_it_wakes(world: World) -> None:
    """Another has its lane by then: what the first one settles touches no row, and no state goes back."""
    slow_down(world, 5)  # at least ten seconds of work, so it is frozen in the middle
    queue(world, 60)
    first = world.nodes.start_worker()
    wait_until(lambda: len(world.oracle.requests()) >= 5)
    first.freeze()
    slow_down(world, 1_000)
    if AT_LENGTH:
        time.sleep(60)
    else:
        world.nodes.end_leases()
    world.nodes.start_worker()
    wait_until_quiet(world.nodes.service, PATIENCE_SECONDS)
    settled = settled_state(world)
    first.thaw()
    wait_until(lambda: "lease_lost" in first.log.read_text())
    assert settled_state(world) == settled
    world.check(most_copies=BATCH_EVENTS)


def settled_state(world: World) -> list[str]:
    """All that says what became of the events."""
    return world.nodes.sql("SELECT concat_ws(' ', lane, cursor, delivered, failures) FROM lanes ORDER BY 1")


@pytest.mark.fault(21, long=True)
@pytest.mark.timeout(600)
def test_a_worker_without_its_database_stops_before_its_lease_ends(world: World, postgres: PostgresServer) -> None:
    """Though its receivers still answer; so another may take the lane without two at once. When the wire is mended it
    goes on by itself."""
    slow_down(world, 5)
    queue(world, 200)
    proxy = TcpProxy(Path(postgres.socket_directory) / ".s.PGSQL.5432")
    name = world.nodes.database_url.split("?")[0].rsplit("/", 1)[1]
    try:
        cut_off = world.nodes.start_worker(
            RISKRELAY_DATABASE_URL=f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}"
        )
        wait_until(lambda: len(world.oracle.requests()) >= 8)
        proxy.hold()
        lease_until = max(world.nodes.sql("SELECT lease_until FROM lanes")) / 1e6
        wait_until(lambda: time.time() > lease_until)
        pushed = world.oracle.requests()
        assert max(request["received_at"] for request in pushed) < lease_until - 30 * 0.2
        other = world.nodes.start_worker()
        wait_until(lambda: len(world.oracle.requests()) > len(pushed))
        other.stop()
        proxy.release()
        before = len(world.oracle.requests())
        wait_until(lambda: len(world.oracle.requests()) > before)
        slow_down(world, 1_000)
        world.check(most_copies=BATCH_EVENTS)
        assert cut_off.runs
    finally:
        proxy.stop()


@pytest.mark.fault(23, long=True)
@pytest.mark.timeout(1200)
def test_workers_come_and_go_as_planned(tmp_path: Path, database_url: str, seed: int) -> None:
    """One, eight, one, under load: nothing is lost and nothing is sent twice."""
    with world_of(tmp_path, database_url, seed, integrations=8) as world:
        first = world.nodes.start_worker()
        with world.load():
            world.wait_for_answers(50)
            more = [world.nodes.start_worker() for _ in range(7)]
            world.wait_for_answers(300)
            stopping = [threading.Thread(target=worker.stop) for worker in more]
            for thread in stopping:
                thread.start()
            world.wait_for_answers(50)
            for thread in stopping:
                thread.join()
            world.wait_for_answers(50)
        world.check(most_copies=0)
        assert first.runs


def test_nodes_behind_a_pooler_deliver_everything(
    tmp_path: Path, database_url: str, postgres: PostgresServer, seed: int
) -> None:
    """The API and two workers, through PgBouncer in transaction mode, found out by themselves."""
    with (
        pooler_before(postgres.socket_directory) as pooler,
        world_of(tmp_path, database_url, seed, through=pooler.url(database_url)) as world,
    ):
        workers = [world.nodes.start_worker() for _ in range(2)]
        with world.load():
            world.wait_for_answers(100)
        world.check(most_copies=0)
        wait_until(lambda: "notices_not_heard" in workers[0].log.read_text())  # it may start after all is delivered


def test_nodes_wake_each_other(world: World) -> None:
    """The serving one says which lanes have work; each listens."""
    world.nodes.start_worker()
    listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    wait_until(lambda: world.nodes.sql(listening) == [2])
    queue(world, 1)
    world.check(most_copies=0)


@pytest.mark.fault(23, long=True)
@pytest.mark.timeout(1200)
def test_nodes_are_upgraded_to_another_schema_one_by_one(tmp_path: Path, database_url: str, seed: int) -> None:
    """Migrated first, under load: the old nodes go on until each is replaced, nothing is lost and nothing sent twice.
    An old node that starts after that refuses, and says why."""
    with world_of(tmp_path, database_url, seed, integrations=2) as world:
        service = world.nodes.service
        old = [world.nodes.start_worker() for _ in range(2)]
        for worker in old:
            worker.wait_until_ready()
        with world.load():
            world.wait_for_answers(50)
            service.settings["PYTHONPATH"] = str(next_version(tmp_path))
            service.command("migrate")
            world.wait_for_answers(50)
            for worker in old:
                world.nodes.start_worker().wait_until_ready()
                assert worker.stop() == 0
                world.wait_for_answers(20)
            late = world.nodes.start_worker(PYTHONPATH="")
            wait_until(lambda: not late.runs)
            assert "another schema" in late.log.read_text()
            assert service.stop() == 0
            service.start("--no-delivery")
            world.wait_for_answers(20)
        world.check(most_copies=0)


def next_version(directory: Path) -> Path:
    """The next version of riskrelay: this one with one migration more.

    Returns: what PYTHONPATH must name to run it.
    """
    root = Path(__file__).parents[2]
    shutil.copytree(root / "src", directory / "next" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "specs", directory / "next" / "specs")
    migrations = directory / "next" / "src" / "riskrelay" / "storage" / "migrations"
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "9999_the_next_version.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision = '9999'\ndown_revision = '{head}'\nbranch_labels = None\ndepends_on = None\n\n\n"
        "def upgrade() -> None:\n"
        "    for table in ('lanes', 'events', 'users'):\n"
        "        op.add_column(table, sa.Column('of_the_next_version', sa.Integer(), server_default='0'))\n"
        "    op.create_index('users_next_version_index', 'users', ['account_id', 'of_the_next_version'])\n"
    )
    return directory / "next" / "src"


def set_read_only(database_url: str, *, read_only: bool) -> None:
    """Let no transaction of the database write, and end the sessions that still could."""

    async def change() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            name = await connection.fetchval("SELECT current_database()")
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {read_only}')
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()

    asyncio.run(change())


@pytest.mark.fault(43)
def test_a_read_only_database_causes_no_push_again(world: World, database_url: str) -> None:
    """The batch in flight ends and its outcomes are kept; nothing is pushed again or anew until the database takes a
    write, and then each SET has come once."""
    slow_down(world, 20)
    told = send_batch(world.nodes.service, [f"u{number}@example.com" for number in range(60)])
    worker = world.nodes.start_worker()
    wait_until(lambda: len(world.oracle.requests()) >= 5)
    set_read_only(database_url, read_only=True)
    until_still(lambda: len(world.oracle.requests()))  # a batch at this pace lasts a second
    in_flight = len(world.oracle.requests())
    time.sleep(OUTAGE_SECONDS)
    assert len(world.oracle.requests()) == in_flight < 60
    set_read_only(database_url, read_only=False)
    wait_until_quiet(world.nodes.service, PATIENCE_SECONDS)
    check_ledger(world.nodes.service, world.oracle, told, at_most_copies=0)
    assert worker.runs
