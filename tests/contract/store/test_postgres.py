"""What PostgreSQL alone can do to us: connections cut, locks, time-outs, fail-over, late commits."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import asyncpg
import pytest

from riskrelay.core.errors import Misconfigured, Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.local.gathering import Alone
from riskrelay.ports import Installation, Services, Transaction
from riskrelay.settings import read_settings
from riskrelay.storage.engines import postgres_engine
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.wiring.installation import require_schema
from support.databases import PostgresServer
from support.delivering import World, world_of
from support.services import HandClock, services_of
from support.tcp_proxy import TcpProxy
from support.world import account_with_integration, finding, record

T = TypeVar("T")

CUT_MYSELF = "SELECT pg_terminate_backend(pg_backend_pid())"
HELD = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    return await postgres.migrated_database()


@pytest.fixture
async def services(url: str) -> AsyncIterator[Services]:
    """An account with an integration on PostgreSQL."""
    services = services_of(PostgresStore(url))
    await account_with_integration(services)
    yield services
    await services.store.close()


@pytest.fixture
async def admin(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the operator's."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def sql(tx: Installation, statement: str) -> Any:
    """Run *statement* within our own transaction."""
    return cast(InstallationTransaction, tx)._connection.exec_driver_sql(statement)


async def queued(services: Services) -> int:
    """How many events the ledger has; it balances."""
    (only,) = await services.store.read_installation(lambda tx: tx.ledgers())
    assert only.imbalance == 0
    return only.queued


@pytest.mark.fault(13)
async def test_connections_cut_while_idle_are_replaced(services: Services, admin: asyncpg.Connection) -> None:
    """Nobody notices: the driver knows which are closed before it uses them."""
    await asyncio.gather(*(record(services, finding(f"{n}@example.com")) for n in range(8)))
    await admin.execute(CUT_OTHERS)
    await asyncio.gather(*(record(services, finding(f"again-{n}@example.com")) for n in range(8)))
    assert await queued(services) == 16


@pytest.mark.fault(13)
async def test_a_transaction_cut_in_the_middle_runs_again(services: Services) -> None:
    """It was rolled back, so it counts once."""
    runs = []

    def cut_once(tx: Installation) -> None:
        sql(tx, "UPDATE lanes SET failures = failures + 1")
        runs.append(1)
        if len(runs) == 1:
            sql(tx, CUT_MYSELF)

    await services.store.write_installation(cut_once)
    failures = await services.store.read_installation(lambda tx: sql(tx, "SELECT sum(failures) FROM lanes").scalar())
    lanes = await services.store.read_installation(lambda tx: sql(tx, "SELECT count(*) FROM lanes").scalar())
    assert (len(runs), failures) == (2, lanes)


@pytest.mark.fault(14)
async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    url: str, services: Services, postgres: PostgresServer
) -> None:
    """It is stored, the caller is told that this is not known, and its repeat is a duplicate."""
    proxy = TcpProxy(Path(postgres.socket_directory) / ".s.PGSQL.5432")
    name = url.split("?")[0].rsplit("/", 1)[1]
    store = PostgresStore(f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}")

    class LastWord:
        """The store, with a wire that breaks after the last statement before the commit."""

        async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
            def then_mute(tx: Transaction) -> T:
                result = work(tx)
                proxy.mute()
                return result

            return await store.write(account_id, then_mute)

    try:
        await record(replace(services, store=store), finding(finding_id="before"))
        with pytest.raises(Unavailable, match="not known whether the data was stored"):
            await record(replace(services, store=cast(PostgresStore, LastWord())), finding(finding_id="once"))
        proxy.unmute()
        again = await record(replace(services, store=store), finding(finding_id="once"))
    finally:
        await store.close()
        proxy.stop()
    assert (again.accepted, again.duplicates) == (0, 1)


@pytest.mark.fault(15)
async def test_when_every_connection_is_busy_the_next_is_refused(
    url: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bounded wait; those that work are not harmed, and afterwards there is room."""
    monkeypatch.setattr(postgres_engine, "_POOL_TIMEOUT_SECONDS", 0.1)
    store = PostgresStore(url)
    inside: list[int] = []

    def hold(tx: Installation) -> None:
        inside.append(1)
        sql(tx, "SELECT pg_advisory_xact_lock_shared(1)")

    try:
        blocker = await asyncpg.connect(url)
        await blocker.execute("SELECT pg_advisory_lock(1)")
        busy = [asyncio.create_task(store.write_installation(hold)) for _ in range(postgres_engine.POOL_SIZE)]
        while len(inside) < postgres_engine.POOL_SIZE:
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await record(replace(services, store=store), finding())
        await blocker.close()
        await asyncio.gather(*busy)
        assert (await record(replace(services, store=store), finding())).accepted == 1
    finally:
        await store.close()


@pytest.mark.fault(16)
async def test_of_two_that_wait_for_each_other_both_succeed(services: Services) -> None:
    """PostgreSQL ends one of them; it runs again."""
    runs = []

    def both(first: str, second: str) -> Callable[[Installation], None]:
        def work(tx: Installation) -> None:
            runs.append(first)
            sql(tx, f"SELECT pg_advisory_xact_lock({first})")
            while len(runs) <= 2 and sql(tx, HELD).scalar() != 2:  # in the first runs each holds one
                sql(tx, "SELECT pg_sleep(0.01)")
            sql(tx, f"SELECT pg_advisory_xact_lock({second})")

        return work

    store = services.store
    await asyncio.gather(store.write_installation(both("1", "2")), store.write_installation(both("2", "1")))
    assert len(runs) > 2


@pytest.mark.fault(16)
async def test_everything_that_may_wait_has_an_end(services: Services) -> None:
    """Statements, locks, and transactions of a process that is frozen."""
    for name, value in postgres_engine.LIMITS.items():
        shown = await services.store.read_installation(lambda tx, name=name: sql(tx, f"SHOW {name}").scalar())  # type: ignore[misc]
        assert shown == value

    def wait_for(statement: str, then: Callable[[], None] = lambda: None) -> Callable[[Installation], None]:
        def work(tx: Installation) -> None:
            for limit in postgres_engine.LIMITS:
                sql(tx, f"SET LOCAL {limit} = '50ms'")
            sql(tx, statement)
            then()
            sql(tx, "SELECT 1")

        return work

    with pytest.raises(Unavailable):
        await services.store.write_installation(wait_for("SELECT pg_sleep(60)"))
    with pytest.raises(Unavailable):
        await services.store.write_installation(wait_for("UPDATE lanes SET failures = 7", lambda: time.sleep(0.2)))
    assert (await record(services, finding())).accepted == 1
    assert not await services.store.read_installation(lambda tx: sql(tx, "SELECT sum(failures) FROM lanes").scalar())


@pytest.mark.fault(16)
async def test_a_network_that_swallows_everything_is_given_up(
    url: str, services: Services, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer the caller is refused all the same; when the network is back, so are we."""
    proxy = TcpProxy(Path(postgres.socket_directory) / ".s.PGSQL.5432")
    store = PostgresStore(f"postgresql://postgres@127.0.0.1:{proxy.port}/{url.split('?')[0].rsplit('/', 1)[1]}")
    through = replace(services, store=store)
    try:
        await record(through, finding("a@example.com"))
        proxy.hold()
        with monkeypatch.context() as impatient:
            impatient.setattr("riskrelay.storage.engines.postgres._GIVE_UP_SECONDS", 0.2)
            with pytest.raises(Unavailable):
                await record(through, finding("b@example.com"))
        proxy.release()
        await record(through, finding("c@example.com"))
    finally:
        await store.close()
        proxy.stop()
    assert await queued(services) == 2


@pytest.mark.fault(13)
async def test_a_server_that_became_a_standby_is_left(url: str, services: Services, admin: asyncpg.Connection) -> None:
    """Its connections are thrown away, so that the next ones find the primary."""
    name = url.split("?")[0].rsplit("/", 1)[1]
    await admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await admin.execute(CUT_OTHERS)
    with pytest.raises(Unavailable):
        await record(services, finding())
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert (await record(services, finding())).accepted == 1


@pytest.mark.fault(17)
async def test_a_number_that_commits_late_is_not_skipped(url: str) -> None:
    """Whoever comes later waits for its number, so the cursor passes neither before the first is there."""
    world = await world_of(PostgresStore(url), HandClock())
    store = world.services.store
    numbered = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Late:
        """The store, slow to commit."""

        async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
            def then_wait(tx: Transaction) -> T:
                result = work(tx)
                loop.call_soon(numbered.set)
                cast(Any, tx).integrations._connection.exec_driver_sql("SELECT pg_sleep(0.5)")
                return result

            return await store.write(account_id, then_wait)

    late = replace(world.services, store=cast(PostgresStore, Late()), gathering=Alone())
    first = asyncio.create_task(record(late, finding("1@x.example")))
    await numbered.wait()
    second = asyncio.create_task(record(world.services, finding("2@x.example")))
    while not (first.done() and second.done()):
        (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
        seen = await store.read_installation(lambda tx: sql(tx, "SELECT seq FROM events ORDER BY seq").scalars().all())
        assert seen == list(range(1, len(seen) + 1))
        assert ledger.imbalance == 0
        await _deliver_what_is_due(world)
    await _deliver_what_is_due(world)
    await asyncio.gather(first, second)
    assert world.receiver.accepted == [("1@x.example", "low"), ("2@x.example", "low")]
    await world.check()
    await store.close()


async def _deliver_what_is_due(world: World) -> None:
    for lease in await world.services.store.write_installation(lambda tx: tx.lanes.claim(5, world.delivering.lease)):
        await world.deliver(lease)
        await world.services.store.write_installation(lambda tx, lease=lease: tx.lanes.release(lease))  # type: ignore[misc]


@pytest.mark.fault(13)
async def test_of_several_hosts_the_one_that_takes_writes_is_found(url: str, services: Services) -> None:
    """A URL may name them all, as libpq takes it; those that do not answer are passed over."""
    store = PostgresStore(url.replace("?host=", "?host=/nobody/here,") + "&target_session_attrs=primary")
    assert (await record(replace(services, store=store), finding())).accepted == 1
    await store.close()


async def test_a_database_that_cannot_be_had_is_explained(url: str) -> None:
    """At the start of a command: what PostgreSQL says, and which setting names it."""
    settings = read_settings(database_url=url.replace("?", "-which-is-not-there?"))
    with pytest.raises(Misconfigured, match=r"does not exist.*RISKRELAY_DATABASE_URL"):
        await require_schema(settings)
