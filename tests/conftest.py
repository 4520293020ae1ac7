"""Fixtures that every test may use."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from shutil import disk_usage

import pytest
import structlog
from hypothesis import settings

from riskrelay.ports import Store
from riskrelay.storage.engines.postgres import PostgresStore
from support.certificates import new_authority
from support.databases import PostgresServer, migrated_sqlite
from support.patient_loop import PatientPolicy

pytest_plugins = ("support.fault_plugin",)

MEMORY = Path("/dev/shm")
LONGEST_FIRST = (
    "tests/contract/api/test_schemathesis.py",
    "tests/contract/guides/test_readme.py",
    "tests/contract/commands/test_demo.py",
    "tests/contract/commands/test_bench.py",
    "tests/bench/test_bench.py",
    "tests/browser/test_operators_day.py",
    "tests/fault/test_evil_receivers.py",
    "tests/fault/test_failpoints.py",
    "tests/fault/test_postgres.py",
    "tests/contract/guides/test_guides.py",
    "tests/fault/test_serving_processes.py",
    "tests/fault/test_key_rotation.py",
    "tests/contract/commands/test_commands.py",
    "tests/contract/api/sdk/test_retries.py",
    "tests/fault/test_kill.py",
    "tests/contract/api/test_unavailable.py",
    "tests/browser/test_overview_and_behaviors.py",
    "tests/browser/test_first_steps.py",
    "tests/contract/api/sdk/test_rate_limit.py",
    "tests/contract/commands/test_reseal.py",
    "tests/contract/commands/test_doctor.py",
    "tests/contract/commands/test_stores.py",
    "tests/contract/api/test_operating.py",
    "tests/contract/api/test_notifications.py",
    "tests/contract/api/test_paths.py",
    "tests/contract/api/test_isolation.py",
    "tests/contract/console/test_hostile_queries.py",
    "tests/fault/test_coalescing_kills.py",
    "tests/fault/test_rule_kills.py",
    "tests/fault/test_erasure_kills.py",
    "tests/fault/test_levels_end.py",
    "tests/fault/test_crowd.py",
    "tests/unit/engine/test_worker.py",
    "tests/unit/signing/test_signing_pool.py",
    "tests/unit/core/sources/test_content.py",
    "tests/unit/engine/test_dead_receiver.py",
    "tests/contract/api/sdk/test_python_methods.py",
    "tests/browser/test_settings.py",
    "tests/browser/test_users.py",
    "tests/browser/test_signing_in.py",
    "tests/contract/transmitter/test_streams.py",
    "tests/contract/transmitter/test_poll.py",
    "tests/contract/store/test_activity.py",
    "tests/fault/test_postgres_kills.py",
    "tests/contract/api/test_messages.py",
)
"""Files that take more than ten seconds. A file runs in one process, so a long one that begins last ends last."""

# Tests kill processes and not the machine, so files in memory keep what a disk would.
if MEMORY.is_dir() and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC and disk_usage(MEMORY).free > 2 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Deadlines of tests do not expire because other processes keep the processors busy.
asyncio.set_event_loop_policy(PatientPolicy())

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("ci", deadline=None, max_examples=int(os.environ.get("RISKRELAY_EXAMPLES", "40")))
settings.register_profile("soak", deadline=None, max_examples=5_000)
settings.load_profile("soak" if os.environ.get("RISKRELAY_SOAK") else "ci")


@pytest.fixture(scope="module")
def drop_expressions() -> Iterator[None]:
    """Collect compiled expressions in the thread that made them: another one reports an error."""
    yield
    gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let one process collect first. It compiles the test modules, and the others read the compiled files.

    Without garbage collections: what is imported stays, and looking for garbage took a third of the time.
    """
    gc.disable()
    with Path(__file__).open() as turn:
        try:
            flock(turn, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            flock(turn, LOCK_SH)
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of later garbage collections."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that a test runs in this process configures the log; the next test does not get its closed stream."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust an authority of the tests' own in place of the system's.

    To read 140 certificates takes 50 ms of each start of a service, and of each client. What reaches the registries of
    this machine gets `support.readme.NETWORK_SETTINGS`.
    """
    authority = new_authority(tmp_path_factory.mktemp("authority"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(authority.path))
        environment.setenv("SSL_CERT_DIR", str(authority.path.parent))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    server = PostgresServer(durable=False)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store, once on each engine."""
    if request.param == "sqlite":
        store = migrated_sqlite(tmp_path / "riskrelay.db")
        yield store
        await store.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = await server.migrated_database()
    store = PostgresStore(url)
    yield store
    await store.close()
    await server.drop(url)


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty embedded store."""
    store = migrated_sqlite(tmp_path / "riskrelay.db")
    yield store
    await store.close()
